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
