import ArgumentParser
import Ledger

/// An amount of memory as a user types it: 8GiB, 8G (the same), 12GB (of 1000), 1.5 GiB, or a number of bytes.
package struct MemorySize: CustomStringConvertible, Sendable {
    package let bytes: Bytes
    /// The text as it was typed.
    package let description: String
    /// Whether the text has no unit, so that bytes are meant.
    package let isPlainNumber: Bool

    private static let units: [String: Double] = [
        "": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
        "k": 1024, "m": 1_048_576, "g": 1_073_741_824, "t": 1_099_511_627_776,
        "kib": 1024, "mib": 1_048_576, "gib": 1_073_741_824, "tib": 1_099_511_627_776,
    ]

    /// - Throws: `ValidationError` if the text is not an amount of memory that a device can have.
    package init(_ text: String) throws {
        let digits = text.prefix { "0123456789.".contains($0) }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard let amount = Double(digits) else {
            throw Self.refusal(digits.isEmpty ? "it does not begin with a number" : "'\(digits)' is not a number")
        }
        guard let factor = Self.units[unit] else { throw Self.refusal("'\(unit)' is not a unit of memory") }
        let exact = amount * factor
        guard exact <= Double(Bytes.plausible) else { throw Self.refusal("no GPU has that much memory") }
        bytes = Bytes(exact.rounded(.up))
        guard bytes > 0 else { throw Self.refusal("it must be above 0") }
        description = text
        isPlainNumber = unit.isEmpty
    }

    private static func refusal(_ why: String) -> ValidationError {
        ValidationError("\(why). Use a number with a unit, such as 8GiB, 500MiB or 12GB.")
    }

    /// A warning if the amount is so small that a unit was probably forgotten; nil otherwise.
    package var warning: String? {
        guard isPlainNumber, bytes < 1 << 20 else { return nil }
        return "\(description) means \(bytes) bytes; for gibibytes, write \(description)GiB"
    }
}
