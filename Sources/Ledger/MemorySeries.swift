/// An amount of memory over time, in no more stretches than a chart can show, however long it is.
package struct MemorySeries: Sendable, Equatable {
    /// A while, in seconds since the beginning.
    package struct Stretch: Sendable, Equatable {
        package var start: Double
        /// For how much of it the amount is known.
        package var seconds = 0.0
        /// Of the amount over that time, in byte seconds.
        var sum = 0.0
        package var peak: Bytes

        package var mean: Double { seconds > 0 ? sum / seconds : Double(peak) }
    }

    package private(set) var stretches: [Stretch] = []
    /// The largest reading, and when it was made.
    package private(set) var peak: (bytes: Bytes, at: Double)?
    package private(set) var readings = 0
    private var last: (bytes: Bytes, at: Double)?
    /// Seconds that a stretch takes; doubled whenever there are too many of them.
    private var width = 0.0

    static let most = 2048

    package init() {}

    /// - Parameters:
    ///   - bytes: the amount; nil if it could not be read.
    ///   - time: seconds since the beginning; never less than in the previous call.
    package mutating func add(_ bytes: Bytes?, at time: Double) {
        hold(until: time)
        last = bytes.map { ($0, time) }
        guard let bytes else { return }
        readings += 1
        if peak.map({ bytes > $0.bytes }) ?? true { peak = (bytes, time) }
        if let index = stretches.indices.last, time < stretches[index].start + width {
            stretches[index].peak = max(stretches[index].peak, bytes)
        } else {
            if stretches.count == Self.most { halve() }
            stretches.append(Stretch(start: time, peak: bytes))
        }
    }

    /// The amount of the last reading stays until the next one.
    package mutating func hold(until time: Double) {
        guard let last, let index = stretches.indices.last else { return }
        let seconds = max(0, time - last.at)
        stretches[index].seconds += seconds
        stretches[index].sum += Double(last.bytes) * seconds
        self.last = (last.bytes, time)
    }

    /// Over the time for which it is known.
    package var mean: Bytes? {
        let seconds = stretches.reduce(0) { $0 + $1.seconds }
        guard seconds > 0 else { return peak?.bytes }
        return Bytes(clamping: stretches.reduce(0) { $0 + $1.sum } / seconds)
    }

    private mutating func halve() {
        var merged: [Stretch] = []
        for index in stride(from: 0, to: stretches.count, by: 2) {
            var stretch = stretches[index]
            if index + 1 < stretches.count {
                stretch.seconds += stretches[index + 1].seconds
                stretch.sum += stretches[index + 1].sum
                stretch.peak = max(stretch.peak, stretches[index + 1].peak)
            }
            merged.append(stretch)
        }
        let span = merged.count > 1 ? merged[merged.count - 1].start - merged[0].start : 0
        width = max(width * 2, span / Double(max(1, merged.count - 1)))
        stretches = merged
    }

    /// The largest amount in each of `count` equal parts of the time from 0 to `end`; nil for a part without a reading.
    package func peaks(in count: Int, until end: Double) -> [Bytes?] {
        var parts = [Bytes?](repeating: nil, count: count)
        guard end > 0 else { return parts }
        func part(_ time: Double) -> Int { min(count - 1, max(0, Int(time / end * Double(count)))) }
        for (index, stretch) in stretches.enumerated() {
            // It reaches to the next one, unless nothing was known in between.
            let next = index + 1 < stretches.count ? stretches[index + 1].start : end
            let last = max(stretch.start, min(next, stretch.start + stretch.seconds) - end * 1e-9)
            for index in part(stretch.start)...part(last) { parts[index] = max(parts[index] ?? .min, stretch.peak) }
        }
        return parts
    }

    package static func == (one: MemorySeries, other: MemorySeries) -> Bool {
        one.stretches == other.stretches && one.readings == other.readings
    }
}
