import Glibc
import Ledger

/// Unknown, in every table.
package let unknown = "--"

/// An amount of memory as Docker prints it: four significant digits and a binary unit.
package func size(_ bytes: Bytes?) -> String {
    guard let bytes else { return unknown }
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var amount = Double(bytes.magnitude)
    var unit = 0
    while amount >= 1024, unit < units.count - 1 {
        amount /= 1024
        unit += 1
    }
    return (bytes < 0 ? "-" : "") + formatted("%.4g", amount) + units[unit]
}

/// A part of a whole with two decimals, as Docker prints it.
package func percent(_ part: Bytes?, of whole: Bytes?) -> String {
    guard let part, let whole, whole > 0 else { return unknown }
    return formatted("%.2f%%", Double(part) / Double(whole) * 100)
}

/// An amount, with a `+` if a part of the sum is unknown.
func sum(_ bytes: Bytes?, complete: Bool) -> String {
    size(bytes) + (complete || bytes == nil ? "" : "+")
}

func formatted(_ format: String, _ number: Double) -> String {
    var buffer = [CChar](repeating: 0, count: 64)
    let count = withVaList([number]) { vsnprintf(&buffer, buffer.count, format, $0) }
    return String(decoding: buffer.prefix(Int(count)).map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
}

/// "2026-11-22T19:13:00.123Z", from milliseconds since 1970; nil for a time that no calendar has.
package func timestamp(_ milliseconds: Int64) -> String? {
    let (quotient, remainder) = milliseconds.quotientAndRemainder(dividingBy: 1000)
    var seconds = time_t(remainder < 0 ? quotient - 1 : quotient)
    let fraction = remainder < 0 ? remainder + 1000 : remainder
    var parts = tm()
    guard gmtime_r(&seconds, &parts) != nil, parts.tm_year < 8100 else { return nil }
    func digits(_ value: Int32, _ count: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }
    let date = "\(digits(parts.tm_year + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
    let time = "\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2))"
    return "\(date)T\(time).\(digits(Int32(fraction), 3))Z"
}

/// A time from seconds: "250 ms", "12.3 s", "2 min 5 s", "1 h 2 min".
package func duration(_ seconds: Double) -> String {
    if seconds < 0.9995 { return formatted("%.0f ms", seconds * 1000) }
    if seconds < 99.95 { return formatted("%.3g s", seconds) }
    let whole = Int(min(seconds, 1e12).rounded())
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole % 3600 / 60) min"
}
