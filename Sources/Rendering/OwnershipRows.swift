import Ledger

/// The rows of `plimsoll whose`: one per process that a PID may mean.
package enum OwnershipRows {
    package static func row(_ owner: Ownership, asked: UInt32, in snapshot: Snapshot) -> Row {
        let held = owner.held.compactMap(\.bytes)
        let bytes = held.isEmpty ? nil : Bytes.sum(held)
        let devices = owner.held.map { snapshot.devices[$0.device].label }
        let inside = owner.process.flatMap { $0.namespacePIDs.count > 1 ? $0.namespacePIDs.last : nil }
        let elsewhere = "(\(owner.holder.rawValue))"
        return Row(
            fields: [
                ("Asked", String(asked)), ("PID", String(owner.pid)),
                ("InsidePID", inside.map { String($0) } ?? unknown),
                ("User", owner.process?.user ?? unknown),
                ("GPU", devices.isEmpty ? unknown : devices.joined(separator: ",")),
                ("GPUMem", sum(bytes, complete: held.count == owner.held.count)),
                ("ContainerID", owner.container.map { shortID($0.id) } ?? elsewhere),
                ("Container", owner.container?.shownName ?? elsewhere),
                ("Image", owner.container?.shownImage ?? elsewhere),
                ("Name", owner.process?.name ?? unknown),
            ], numbers: [("GPUMemBytes", bytes)], labels: [:],
            container: owner.container?.named(in: "Container") ?? Row.Named(field: "Container", name: elsewhere))
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
        return Table(columns.map(\.1), rows: rows.map { row in columns.map { row[$0.0] ?? unknown } })
    }
}
