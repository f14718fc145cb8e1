/// Amounts of memory in bytes. Signed, because a remainder can be negative: a driver counts shared memory twice, or the
/// numbers moved while they were read.
package typealias Bytes = Int64

extension ObservedMemory {
    /// By how much parts that are read in one call can miss their total: NVML rounds to pages of 2 MiB at most, and 64 MiB is far
    /// below any reserve that was ever reported wrongly.
    package static let rounding: Bytes = 64 << 20
}

extension Bytes {
    /// More than any device has (256 TiB). A driver's larger answer is a sentinel or garbage, and no amount.
    package static let plausible: UInt64 = 1 << 48

    /// An amount that a driver reported; nil if it cannot be an amount of memory.
    package init?(reported value: UInt64) {
        guard value <= Self.plausible else { return nil }
        self.init(value)
    }

    /// A sum that stops at the ends of the range: a recording may claim anything.
    package static func sum(_ amounts: some Sequence<Bytes>) -> Bytes {
        amounts.reduce(0) { $0.adding($1) }
    }

    /// Rounded, and limited to the range of the type.
    package init(clamping value: Double) {
        self = value >= 0x1p63 ? .max : value <= -0x1p63 ? .min : Bytes(value.rounded())
    }

    package func adding(_ other: Bytes) -> Bytes {
        let (result, overflow) = addingReportingOverflow(other)
        return overflow ? (other > 0 ? .max : .min) : result
    }

    package func subtracting(_ other: Bytes) -> Bytes {
        let (result, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other > 0 ? .min : .max) : result
    }
}
