import Ledger

/// The rows of `plimsoll whose`: one per process that a PID may mean.
package enum OwnershipRows {
    /// What a row is made from.
    struct Item {
        /// The PID as it was typed.
        var asked: UInt32
        var owner: Ownership
        /// Labels of the devices that the process uses.
        var devices: [String]
        /// nil if nothing is known.
        var bytes: Bytes?
        var isComplete: Bool
    }

    package static func row(_ owner: Ownership, asked: UInt32, in snapshot: Snapshot) -> Row {
        let held = owner.held.compactMap(\.bytes)
        return fields.row(
            Item(
                asked: asked, owner: owner, devices: owner.held.map { snapshot.devices[$0.device].label },
                bytes: held.isEmpty ? nil : Bytes.sum(held),
                isComplete: held.count == owner.held.count && owner.held.allSatisfy(\.complete)))
    }

    static let fields = Fields<Item>(
        list: [
            .init("Asked", "ASKED", column: TableColumn(.right, importance: 6)) { Cell(String($0.asked)) },
            .init("PID", "HOST PID", column: TableColumn(.right, importance: 7)) {
                Cell($0.owner.hostPID.map { String($0) })
            },
            .init("InsidePID", "PID INSIDE", column: TableColumn(.right, importance: 2)) {
                $0.owner.isInHostPIDNamespace ? .noInsidePID : Cell($0.owner.insidePID.map { String($0) })
            },
            .init("User", "USER") { Cell($0.owner.process?.user) },
            .init("GPU", "GPU", column: TableColumn(importance: 4)) {
                $0.devices.isEmpty ? .unknown : Cell($0.devices.joined(separator: ","))
            },
            .init("GPUMem", "GPU MEM", column: TableColumn(.right, importance: 8)) {
                .size($0.bytes, complete: $0.isComplete)
            },
            .init("ContainerID", "CONTAINER ID", column: .id(importance: 3, field: "ContainerID")) {
                $0.owner.container?.idCell(truncated: true) ?? $0.owner.holder.cell
            },
            .init("Container", "CONTAINER", column: TableColumn(shortest: 6, importance: 9)) {
                $0.owner.container?.nameCell ?? $0.owner.holder.cell
            },
            .init("Image", "IMAGE", column: TableColumn(shortest: 8, importance: 1)) {
                $0.owner.container.map { Cell($0.shownImage) } ?? $0.owner.holder.cell
            },
            .init("Name", "NAME", column: TableColumn(shortest: 6, importance: 5)) { Cell($0.owner.process?.name) },
            .init("UnrecognizedCgroup", "UNRECOGNIZED CGROUP") { Cell($0.owner.unrecognizedCgroup ?? "") },
            .init("NamespaceContainer", "NAMESPACE OF") { Cell($0.owner.namespaceContainer.map { shortID($0) } ?? "") },
            .init("LikelyID", "LIKELY ID") { $0.owner.container?.likelyIDCell(truncated: true) ?? "" },
            .init("ContainerName", "CONTAINER") { $0.owner.container?.nameCell ?? $0.owner.holder.cell },
        ],
        numbers: [("GPUMemBytes", { $0.bytes })],
        flags: [("Verified", "VERIFIED", { $0.owner.container?.verified ?? true })])

    package static func table(_ rows: [Row], on page: Page) -> Table { fields.table(rows, on: page) }

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
                "\(subject): Plimsoll does not know its cgroup \($0.cleaned); it may be in a container although it is shown as (host)"
            }
        }
    }
}
