import ArgumentParser
import Ledger
import Rendering

/// An amount of memory as a person types it: 8GiB, 12GB, 1.5 GiB, or a number of bytes.
struct MemorySize: CustomStringConvertible {
    let bytes: Bytes
    /// As it was typed.
    let description: String

    private static let units: [String: Double] = [
        "": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
        "kib": 1024, "mib": 1_048_576, "gib": 1_073_741_824, "tib": 1_099_511_627_776,
    ]

    init(_ text: String) throws {
        let digits = text.prefix { "0123456789.".contains($0) }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard let amount = Double(digits) else { throw Self.refusal(text, "it does not begin with a number") }
        if ["k", "m", "g", "t"].contains(unit) {
            let letter = unit.uppercased()
            throw Self.refusal(text, "say \(letter)iB, of 1024, or \(letter)B, of 1000")
        }
        guard let factor = Self.units[unit] else { throw Self.refusal(text, "'\(unit)' is no unit of memory") }
        let exact = amount * factor
        guard exact <= Double(Bytes.plausible) else { throw Self.refusal(text, "no device has as much") }
        bytes = Bytes(exact.rounded(.up))
        guard bytes > 0 else { throw Self.refusal(text, "it is nothing") }
        description = text
    }

    private static func refusal(_ text: String, _ why: String) -> ValidationError {
        ValidationError("'\(text)' is no amount of memory: \(why). An amount is like 8GiB, 12GB or 500MiB.")
    }
}
