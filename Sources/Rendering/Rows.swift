import Ledger

/// A row of `stats` or `ps`: its fields by the names that templates know.
package struct Row {
    package var fields: [(name: String, value: Cell)]
    /// Beside the texts, in JSON.
    package var numbers: [(name: String, value: Bytes?)]
    package var labels: [String: String]
    /// Beside the texts, in JSON and in templates.
    package var flags: [(name: String, value: Bool)] = []

    package var json: JSON {
        .object(
            fields.map { ($0.name, .string($0.value.plain ?? $0.value.text)) }
                + numbers.map { ($0.name, .integer($0.value)) } + flags.map { ($0.name, .bool($0.value)) })
    }

    func flag(_ name: String) -> Bool? { flags.first { $0.name == name }?.value }

    /// It is of a GPU that does not answer.
    package var isLost: Bool { flag("Lost") == true }

    /// What a table shows as an id: the likely one, with its mark, if the id is unknown.
    func shownID(_ name: String) -> Cell {
        guard let likely = self["LikelyID"]?.text, !likely.isEmpty else { return self[name] ?? .unknown }
        return Cell.likelyID(likely)
    }

    package subscript(name: String) -> Cell? {
        fields.first { $0.name == name }?.value
    }
}

extension Container {
    /// Its name as tables show it, without a mark: that of a nested container behind those of the ones around it.
    package var fullName: String {
        if isOwn, name == nil { return Mark.ownContainer.text }
        let own = name ?? (parentNames.isEmpty ? unknown : shortID(id))
        return (parentNames + [own]).joined(separator: "/")
    }

    /// The same with its marks.
    var nameCell: Cell {
        if isOwn, name == nil { return Cell(fullName, [.ownContainer]) }
        var cell = Cell.name(fullName, verified: verified)
        if name == nil, parentNames.isEmpty { cell.marks.insert(.unknown) }
        return cell
    }

    /// The name for a sentence. A container without a name is called by its id.
    package var nameOrID: String {
        if id == Container.ownWithoutID { return "this container" }
        return Cell.name(name == nil && parentNames.isEmpty ? shortID(id) : fullName, verified: verified).text
    }

    func idCell(truncated: Bool) -> Cell { Rendering.idCell(id, truncated: truncated) }

    /// The likely id; empty if the id is known.
    func likelyIDCell(truncated: Bool) -> Cell {
        Cell(likelyID.map { truncated ? shortID($0) : $0 } ?? "")
    }
}

extension Cell {
    static func likelyID(_ id: String) -> Cell { Cell("\(id) \(Mark.unverifiedShort.text)", [.unverifiedShort]) }
}

func idCell(_ id: String, truncated: Bool) -> Cell {
    id == Container.ownWithoutID ? .unknown : Cell(truncated ? shortID(id) : id)
}

/// The names that a command's rows have in templates, JSON and CSV, with their titles.
package struct RowKind: Sendable {
    package var titles: [(field: String, title: String)]
    /// Amounts in bytes, which JSON and CSV have beside the texts.
    package var numbers: [String] = []
    /// Yes or no, which JSON and CSV have beside the texts.
    package var flags: [String] = []
    /// Whether `.Label "key"` is known.
    package var hasLabels: Bool
    /// Fields that another option adds, by name: the hint if a template asks for one without the option.
    package var hints: [String: String] = [:]

    package static let stats = StatsRows.fields.kind
    package static let ps: RowKind = {
        var kind = ProcessRows.fields(commands: nil).kind
        kind.hints["Command"] = "to print command lines, add --command"
        return kind
    }()
    package static let psWithCommands = ProcessRows.fields(commands: [:]).kind
    package static let fit = CandidateRows.fields.kind
    package static let whose = OwnershipRows.fields.kind

    /// What the fields mean whose names do not say it, in tables that have a container's columns.
    package static let containerFields =
        ".LikelyID is the probable id of the container that plimsoll runs in, if none is certain. .Verified is false if only a "
        + "cgroup path names the container."

    /// The fields as a help text lists them: ".ID .Name …".
    package var fieldList: String {
        titles.map { ".\($0.field)" }.joined(separator: " ") + (hasLabels ? " .Label \"KEY\"" : "")
    }
}

extension RowKind {
    /// Lines of `--format csv` (RFC 4180): a header, then a record per row. Unknown amounts are empty.
    package func csv(_ rows: [Row]) -> [String] {
        let texts = titles.map(\.field).filter { !flags.contains($0) }
        let records = rows.map { row in
            texts.map { name in row[name].map { $0.plain ?? $0.text } ?? "" }
                + numbers.map { name in row.numbers.first { $0.name == name }?.value.map { String($0) } ?? "" }
                + flags.map { name in row.flag(name).map { String($0) } ?? "" }
        }
        return ([texts + numbers + flags] + records).map { $0.map(csvField).joined(separator: ",") }
    }
}

/// A field with a comma, a quote or a line break is quoted. Unsafe characters are replaced, as in every other text.
private func csvField(_ text: String) -> String {
    let text = text.cleaned
    guard text.contains(where: { ",\"\r\n".contains($0) }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
}
