import ArgumentParser

/// A time as a person types it: 100ms, 60s, 5m, 1h, or a number of seconds.
struct TimeSpan {
    let seconds: Double

    init(seconds: Double) {
        self.seconds = seconds
    }

    /// - Throws: where it is no time above 0 and up to a year.
    init(_ text: String) throws {
        let units: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("", 1)]
        let (unit, factor) = units.first { text.hasSuffix($0.0) } ?? ("", 1)
        guard let number = Double(text.dropLast(unit.count)), number > 0, number * factor <= 31_622_400 else {
            throw ValidationError("'\(text)' is no time: 100ms, 60s, 5m or 1h is meant.")
        }
        seconds = number * factor
    }
}
