import Ledger

/// The rows of `plimsoll whose`: one per process that a PID may mean.
package enum OwnershipRows {
    package static func row(_ owner: Ownership, asked: UInt32, in snapshot: Snapshot) -> Row {
        let held = owner.held.compactMap(\.bytes)
        let bytes = held.isEmpty ? nil : Bytes.sum(held)
        let devices = owner.held.map { snapshot.devices[$0.device].label }
        let elsewhere = owner.holder.cell
        return Row(
            fields: [
                ("Asked", Cell(String(asked))), ("PID", Cell(owner.hostPID.map { String($0) })),
                ("InsidePID", Cell(owner.insidePID.map { String($0) })),
                ("User", Cell(owner.process?.user)),
                ("GPU", devices.isEmpty ? .unknown : Cell(devices.joined(separator: ","))),
                ("GPUMem", .size(bytes, complete: held.count == owner.held.count && owner.held.allSatisfy(\.complete))),
                ("ContainerID", owner.container?.idCell(truncated: true) ?? elsewhere),
                ("Container", owner.container?.nameCell ?? elsewhere),
                ("Image", owner.container.map { Cell($0.shownImage) } ?? elsewhere),
                ("Name", Cell(owner.process?.name)),
                ("UnrecognizedCgroup", Cell(owner.unrecognizedCgroup ?? "")),
                ("NamespaceContainer", Cell(owner.namespaceContainer.map { shortID($0) } ?? "")),
                ("LikelyID", owner.container?.likelyIDCell(truncated: true) ?? ""),
            ], numbers: [("GPUMemBytes", bytes)], labels: [:], flags: [("Verified", owner.container?.verified ?? true)])
    }

    package static func table(_ rows: [Row]) -> Table {
        let columns: [(String, Table.Column)] = [
            ("Asked", .init("ASKED", .right, importance: 6)), ("PID", .init("HOST PID", .right, importance: 7)),
            ("InsidePID", .init("PID INSIDE", .right, importance: 2)),
            ("GPU", .init("GPU", importance: 4)), ("GPUMem", .init("GPU MEM", .right, importance: 8)),
            ("ContainerID", .init("CONTAINER ID", importance: 3)),
            ("Container", .init("CONTAINER", shortest: 6, importance: 9)),
            ("Image", .init("IMAGE", shortest: 8, importance: 1)), ("Name", .init("NAME", shortest: 6, importance: 5)),
        ]
        return Table(
            columns.map(\.1),
            rows: rows.map { row in columns.map { $0.0 == "ContainerID" ? row.shownID($0.0) : row[$0.0] ?? .unknown } })
    }

    /// What is said beside the table of a process that is the host's by its cgroup, and may not be.
    package static func remarks(_ owners: [Ownership]) -> [String] {
        owners.compactMap { owner in
            let subject = "PID \(owner.hostPID ?? owner.pid)"
            if let container = owner.namespaceContainer {
                return
                    "\(subject) is in the PID namespace of container \(shortID(container).cleaned), and its cgroup was changed: by "
                    + "its cgroup it is the host's"
            }
            return owner.unrecognizedCgroup.map {
                "\(subject): its cgroup \($0.cleaned) is of no known kind; it may be a container's"
            }
        }
    }
}
