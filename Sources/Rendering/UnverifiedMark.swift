import Ledger

/// Behind a container's name if it is undecided whether what it holds is its own.
enum UnverifiedMark {
    static let long = "(unverified)"
    /// In a table that has not enough columns for the long one.
    static let short = "(?)"

    static func behind(_ name: String, unless verified: Bool) -> String { verified ? name : "\(name) \(long)" }

    /// A cell of a table, cut to its column: the name is cut before the mark.
    ///
    /// The mark is found by scalars: a name can end in one that Swift joins to the space that follows (U+0D4E).
    static func cutCell(_ text: String, to width: Int, on page: Page) -> String {
        let mark = (" " + long).unicodeScalars
        guard columns(text) > width, width > short.count + 1, text.unicodeScalars.suffix(mark.count).elementsEqual(mark)
        else {
            return cut(text, to: width, on: page)
        }
        let name = String(text.unicodeScalars.dropLast(mark.count))
        return "\(cut(name, to: width - short.count - 1, on: page)) \(short)"
    }
}

extension Container {
    /// Its name with the mark, as every table shows it.
    var shownName: String { UnverifiedMark.behind(name ?? unknown, unless: verified) }

    func named(in field: String) -> Row.Named {
        Row.Named(field: field, name: name ?? unknown, verified: verified)
    }

    /// The same in a sentence, where a container without a name goes by its id.
    var nameOrID: String { UnverifiedMark.behind(name ?? shortID(id), unless: verified) }
}
