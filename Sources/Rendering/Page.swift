import Ledger

/// The page that text is laid out for: its width, and the characters and colors that it can show.
package struct Page: Sendable {
    /// Columns; nil if lines may be of any length, as in a pipe.
    package var width: Int?
    package var unicode: Bool
    package var colour: Bool

    package init(width: Int? = nil, unicode: Bool = true, colour: Bool = false) {
        self.width = width
        self.unicode = unicode
        self.colour = colour
    }

    package func narrowed(by columns: Int) -> Page {
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

/// Text from outside this program, for a page: without unsafe characters, and without characters that the page cannot show.
package func shown(_ text: String, on page: Page) -> String {
    if text.isPlainASCII { return text }
    let clean = text.cleaned
    return page.unicode ? clean : String(clean.unicodeScalars.map { $0.isASCII ? Character($0) : "?" })
}
