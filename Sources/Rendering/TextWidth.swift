import Ledger

// How wide text is on a terminal. A line that is wider than it was counted wraps, and a name in the line then begins a line
// of its own. So the count may be too high, and never too low.

/// Columns that a text takes on a terminal.
///
/// The sum over its scalars, because terminals lay out scalars. A Swift character can be of any length: 26 Hangul
/// consonants in a row are one character and 52 columns.
package func columns(_ text: String) -> Int {
    if text.isPlainASCII { return text.utf8.count }
    return text.unicodeScalars.reduce(0) { $0 + $1.columns }
}

/// A text of at most `width` columns: cut between two scalars, with an ellipsis, if it is wider.
package func cut(_ text: String, to width: Int, on page: Page) -> String {
    guard columns(text) > width else { return text }
    guard width > 0 else { return "" }
    return text[..<text.end(within: width - 1)] + page.ellipsis
}

extension StringProtocol {
    /// The end of the longest prefix that takes at most this many columns.
    func end(within width: Int) -> Index {
        var left = width
        return unicodeScalars.indices.first { index in
            left -= unicodeScalars[index].columns
            return left < 0
        } ?? endIndex
    }
}

extension Unicode.Scalar {
    /// At least as many as wcwidth(3) says, by the tables of any glibc.
    fileprivate var columns: Int {
        if value < 0x300 { return 1 }
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return isDrawnOverOthers ? 0 : 1
        // Unicode may yet give it to a wide character, and a terminal may know that one.
        case .unassigned: return 2
        default: return isJoiningJamo ? 0 : isWide ? 2 : 1
        }
    }

    /// Of a mark. Terminals with older tables than Unicode 10 (2017) are rare: a mark that is newer may take a column.
    /// Variation selector 16 makes a narrow emoji wide.
    private var isDrawnOverOthers: Bool { value != 0xFE0F && (properties.age?.major ?? .max) <= 10 }

    /// A vowel or final consonant of a Korean syllable, which is drawn over its first consonant: that one is wide (Markus
    /// Kuhn, wcwidth.c; glibc, localedata/unicode-gen/utf8_gen.py).
    private var isJoiningJamo: Bool { 0x1160...0x11FF ~= value }

    /// East Asian Width W or F (Unicode 17, EastAsianWidth.txt), in ranges that hold other characters too.
    private var isWide: Bool {
        switch value {
        case 0x1100...0x115F, 0x2329...0x232A, 0x2630...0x2637, 0x268A...0x268F, 0x2E80...0xA4CF, 0xA960...0xA97F,
            0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
            0x16FE0...0x191FF, 0x1AFF0...0x1B2FF, 0x1D300...0x1D37F, 0x1F200...0x1F2FF, 0x1F300...0x1FAFF,
            0x20000...0x3FFFD:
            true
        default: properties.isEmojiPresentation
        }
    }
}
