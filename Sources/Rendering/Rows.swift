import Ledger

/// A row of `stats` or `ps`: its fields by the names that templates know.
package struct Row {
    package var fields: [(name: String, value: Cell)]
    /// Beside the texts, in JSON.
    package var numbers: [(name: String, value: Bytes?)]
    package var labels: [String: String]
    /// The container that the row is about or in; nil if rows of this kind have none.
    package var container: Named?

    /// A container's name without a mark, and whether it is verified that what the row tells is this container's.
    package struct Named {
        /// Which field has the name, with the mark.
        var field: String
        /// As that field has it.
        var name: String
        var verified = true

        static let verified = "Verified"
    }

    /// Names have no mark: programs that read this compare names, and have `Verified` beside them.
    package var json: JSON {
        let texts = fields.map { field in
            (field.name, JSON.string(field.name == container?.field ? container?.name : field.value.text))
        }
        let verified = container.map { [(Named.verified, JSON.bool($0.verified))] } ?? []
        return .object(texts + numbers.map { ($0.name, .integer($0.value)) } + verified)
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

    func named(in field: String) -> Row.Named { Row.Named(field: field, name: fullName, verified: verified) }

    /// That it is this container is certain, even if its id is not.
    func idCell(truncated: Bool) -> Cell {
        guard let likelyID else { return Rendering.idCell(id, truncated: truncated) }
        let likely = Rendering.idCell(likelyID, truncated: truncated)
        return Cell("\(likely.text) \(Mark.unverifiedShort.text)", [.unverifiedShort])
    }
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
            ("RAMLimit", "RAM LIMIT"), (Row.Named.verified, "VERIFIED"),
        ], hasLabels: true)

    package static let ps = RowKind(
        titles: [
            ("PID", "PID"), ("User", "USER"), ("Type", "TYPE"), ("GPU", "GPU"), ("UUID", "UUID"), ("GPUMem", "GPU MEM"),
            ("ContainerID", "CONTAINER ID"), ("Container", "CONTAINER"), ("Name", "NAME"),
            (Row.Named.verified, "VERIFIED"),
        ], hasLabels: false)

    package static let fit = RowKind(
        titles: [("GPU", "GPU"), ("UUID", "UUID"), ("Name", "NAME"), ("Free", "FREE"), ("Total", "TOTAL")],
        hasLabels: false)

    package static let whose = RowKind(
        titles: [
            ("Asked", "ASKED"), ("PID", "HOST PID"), ("InsidePID", "PID INSIDE"), ("User", "USER"), ("GPU", "GPU"),
            ("GPUMem", "GPU MEM"), ("ContainerID", "CONTAINER ID"), ("Container", "CONTAINER"), ("Image", "IMAGE"),
            ("Name", "NAME"), ("UnrecognizedCgroup", "UNRECOGNIZED CGROUP"), ("NamespaceContainer", "NAMESPACE OF"),
            (Row.Named.verified, "VERIFIED"),
        ], hasLabels: false)
}
