/// A sentence on as many lines as it takes. A word that is wider than a line is broken between two scalars.
///
/// - Parameter indent: of all lines but the first. A name in a message can hold what looks like another message.
package func paragraph(_ text: String, on page: Page, indent: Int = 0) -> [String] {
    guard let width = page.width else { return [text] }
    let margin = String(repeating: " ", count: min(indent, width - 1))
    var lines: [String] = []
    var line = ""
    func end() {
        lines.append(lines.isEmpty ? line : margin + line)
        line = ""
    }
    for word in text.unicodeScalars.split(separator: " ") {
        var word = Substring(word)
        var room: Int { lines.isEmpty ? width : width - margin.count }
        if !line.isEmpty {
            let longer = line + " " + word
            if columns(longer) <= room {
                line = longer
                continue
            }
            end()
        }
        while case let cut = word.end(within: room), cut < word.endIndex {
            // A wide character on a page of one column.
            let isTooWide = cut == word.startIndex
            line = isTooWide ? page.ellipsis : String(word[..<cut])
            word = word[(isTooWide ? word.unicodeScalars.index(after: cut) : cut)...]
            if !word.isEmpty { end() }
        }
        if !word.isEmpty { line = String(word) }
    }
    end()
    return lines
}

/// A sentence below a table, after an empty line.
func note(_ text: String, on page: Page) -> [String] { [""] + paragraph(shown(text, on: page), on: page, indent: 2) }

/// Lines of a message, folded to the page. Continuation lines are indented further than the first.
package func folded(_ lines: [String], on page: Page) -> [String] {
    guard let width = page.width else { return lines }
    return lines.flatMap { line -> [String] in
        guard columns(line) > width else { return [line] }
        let margin = String(repeating: " ", count: min(line.utf8.prefix { $0 == UInt8(ascii: " ") }.count, width - 1))
        return paragraph(line, on: page.narrowed(by: margin.utf8.count), indent: 2).map { margin + $0 }
    }
}
