import Ledger

/// What is written on: how wide it is, and what it can show.
package struct Page: Sendable {
    /// Columns; nil where lines may be of any length, as in a pipe.
    package var width: Int?
    package var unicode: Bool
    package var colour: Bool

    package init(width: Int? = nil, unicode: Bool = true, colour: Bool = false) {
        self.width = width
        self.unicode = unicode
        self.colour = colour
    }

    func narrowed(by columns: Int) -> Page {
        var page = self
        page.width = width.map { max(1, $0 - columns) }
        return page
    }

    var ellipsis: String { unicode ? "…" : "~" }

    package enum Colour: String {
        case red = "31", green = "32"
    }

    func paint(_ text: String, _ colour: Colour) -> String {
        self.colour ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }
}

/// Text of others as a page shows it: without unsafe characters, and without those that it cannot show.
package func shown(_ text: String, on page: Page) -> String {
    if text.isPlainASCII { return text }
    let clean = text.cleaned
    return page.unicode ? clean : String(clean.unicodeScalars.map { $0.isASCII ? Character($0) : "?" })
}

/// Columns that a text takes on a terminal: two for the wide characters of East Asia and for emoji.
package func columns(_ text: String) -> Int {
    if text.isPlainASCII { return text.utf8.count }
    return text.reduce(0) { sum, character in
        let scalar = character.unicodeScalars.first!.value
        let isWide =
            (0x1100...0x115F).contains(scalar) || (0x2E80...0xA4CF).contains(scalar)
            || (0xAC00...0xD7A3).contains(scalar)
            || (0xF900...0xFAFF).contains(scalar) || (0xFE30...0xFE6F).contains(scalar)
            || (0xFF00...0xFF60).contains(scalar) || (0x1F300...0x1FAFF).contains(scalar)
        return sum + (isWide ? 2 : 1)
    }
}

package func cut(_ text: String, to width: Int, on page: Page) -> String {
    guard columns(text) > width else { return text }
    guard width > 0 else { return "" }
    var result = ""
    var used = 0
    for character in text {
        let size = columns(String(character))
        guard used + size <= width - 1 else { break }
        result.append(character)
        used += size
    }
    return result + page.ellipsis
}
