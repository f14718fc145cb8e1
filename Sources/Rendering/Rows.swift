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

    subscript(name: String) -> Cell? {
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

    /// The same in a sentence, where a container without a name goes by its id.
    package var nameOrID: String {
        if id == Container.ownWithoutID { return "this container" }
        return Cell.name(name == nil && parentNames.isEmpty ? shortID(id) : fullName, verified: verified).text
    }

    func idCell(truncated: Bool) -> Cell { Rendering.idCell(id, truncated: truncated) }

    /// Empty if the id is known. That it is this container is certain all the same.
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

/// A kind of rows: what its fields are called in a title line, and which make the table that is shown unasked.
package struct RowKind: Sendable {
    package var titles: [(field: String, title: String)]
    package var hasLabels: Bool

    package static let stats = RowKind(
        titles: [
            ("ID", "CONTAINER ID"), ("Name", "NAME"), ("Image", "IMAGE"), ("Runtime", "RUNTIME"), ("GPU", "GPU"),
            ("UUID", "UUID"), ("GPUMem", "GPU MEM"), ("GPUTotal", "TOTAL"), ("GPUPerc", "GPU MEM %"), ("PIDs", "PIDS"),
            ("RAMLimit", "RAM LIMIT"), ("LikelyID", "LIKELY ID"), ("Verified", "VERIFIED"),
        ], hasLabels: true)

    package static let ps = RowKind(
        titles: [
            ("PID", "PID"), ("User", "USER"), ("Type", "TYPE"), ("GPU", "GPU"), ("UUID", "UUID"), ("GPUMem", "GPU MEM"),
            ("ContainerID", "CONTAINER ID"), ("Container", "CONTAINER"), ("Name", "NAME"),
            ("LikelyID", "LIKELY ID"), ("Verified", "VERIFIED"),
        ], hasLabels: false)

    package static let fit = RowKind(
        titles: [("GPU", "GPU"), ("UUID", "UUID"), ("Name", "NAME"), ("Free", "FREE"), ("Total", "TOTAL")],
        hasLabels: false)

    package static let whose = RowKind(
        titles: [
            ("Asked", "ASKED"), ("PID", "HOST PID"), ("InsidePID", "PID INSIDE"), ("User", "USER"), ("GPU", "GPU"),
            ("GPUMem", "GPU MEM"), ("ContainerID", "CONTAINER ID"), ("Container", "CONTAINER"), ("Image", "IMAGE"),
            ("Name", "NAME"), ("UnrecognizedCgroup", "UNRECOGNIZED CGROUP"), ("NamespaceContainer", "NAMESPACE OF"),
            ("LikelyID", "LIKELY ID"), ("Verified", "VERIFIED"),
        ], hasLabels: false)
}
