import ArgumentParser
import Ledger

/// A duration as a user types it: 100ms, 60s, 5m, 1h, 2d, or a number of seconds.
package struct TimeSpan: Sendable {
    package let seconds: Double
    /// As it was typed.
    private let text: String

    package init(seconds: Double) {
        self.seconds = seconds
        text = "\(seconds.plain)s"
    }

    private static let units: [(suffix: String, seconds: Double)] = [
        ("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("", 1),
    ]
    /// The longest duration: 366 days.
    package static let longest = 31_622_400.0

    /// - Returns: nil if the text is not a duration above 0 and up to 366 days.
    package init?(text: String) {
        let (suffix, factor) = Self.units.first { text.hasSuffix($0.suffix) } ?? ("", 1)
        guard let number = Double(text.dropLast(suffix.count)), number > 0, number * factor <= Self.longest else {
            return nil
        }
        seconds = number * factor
        self.text = text
    }

    /// - Throws: `ValidationError` if the text is not a duration.
    package init(_ text: String) throws {
        guard let span = TimeSpan(text: text) else {
            throw ValidationError("Use a number above 0 with a unit, such as 500ms, 10s, 5m or 1h; at most 366d.")
        }
        self = span
    }

    /// - Throws: `ValidationError` with the range, if the duration is outside.
    package func check(_ option: String, from least: Double, to most: Double, _ range: String) throws {
        guard least...most ~= seconds else {
            throw ValidationError("\(option) must be \(range); \(text) was given.")
        }
    }
}
