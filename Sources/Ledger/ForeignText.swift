// Text that others wrote: names of processes and containers, labels, hostnames, paths, what engines and libraries answer. It
// can hold anything. It is capped when it is read (TextLimit), and its unsafe characters are replaced or escaped when it is
// shown.

extension Unicode.Scalar {
    /// A control or format character, or a separator of lines or paragraphs (general categories Cc, Cf, Zl and Zp): it can
    /// begin a line, steer a terminal, turn the direction of the text around it, or hide.
    package var isUnsafe: Bool {
        if value < 0x7F { return value < 0x20 }
        return switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}

extension String {
    /// Printable ASCII alone, as most names are: nothing to replace, and one column per byte.
    package var isPlainASCII: Bool { utf8.allSatisfy { 0x20..<0x7F ~= $0 } }

    /// With "?" for each unsafe character, so that it stays on one line and does not steer a terminal.
    package var cleaned: String {
        if isPlainASCII { return self }
        var result = ""
        for scalar in unicodeScalars { result.unicodeScalars.append(scalar.isUnsafe ? "?" : scalar) }
        return result
    }

    /// The first `limit` bytes, cut between two characters, with "…" after them; the same text if it is no longer.
    package func capped(at limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: limit)
        while end > utf8.startIndex, utf8[end] & 0xC0 == 0x80 { utf8.formIndex(before: &end) }
        return String(self[..<end]) + "…"
    }
}

extension [UInt8] {
    /// Appends `\u009b`, as JSON writes a character; beyond U+FFFF a surrogate pair.
    package mutating func appendJSONEscape(of scalar: Unicode.Scalar) {
        for unit in String(scalar).utf16 {
            let digits = String(unit, radix: 16)
            self += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8
        }
    }

    /// JSON text with its unsafe characters escaped. Only strings hold DEL and characters beyond ASCII, and an encoder escapes
    /// the other control characters in them itself.
    package var escapedAsJSON: [UInt8] {
        if allSatisfy({ $0 < 0x7F }) { return self }
        var result: [UInt8] = []
        result.reserveCapacity(count)
        for scalar in String(decoding: self, as: UTF8.self).unicodeScalars {
            if scalar.value >= 0x7F, scalar.isUnsafe {
                result.appendJSONEscape(of: scalar)
            } else {
                result += UTF8.encode(scalar)!
            }
        }
        return result
    }
}
