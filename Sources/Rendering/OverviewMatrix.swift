import Ledger

/// Holders by GPUs: how much each container and each other holder has of each GPU. An instance counts for its GPU. Every column adds
/// up to the GPU's used memory, and the sums add up both ways.
struct OverviewMatrix {
    /// A holder's memory on a GPU, or a sum of such amounts.
    struct Amount: Equatable {
        /// nil if nothing is known.
        var bytes: Bytes? = 0
        /// False if a part is unknown.
        var complete = true

        static let unknown = Amount(bytes: nil, complete: false)

        static func + (left: Amount, right: Amount) -> Amount {
            let known = [left.bytes, right.bytes].compactMap(\.self)
            return Amount(
                bytes: known.isEmpty ? nil : Bytes.sum(known), complete: left.complete && right.complete)
        }

        /// An unknown part makes the sum a lower limit. If every part is unknown, so is the sum.
        static func sum(_ amounts: [Amount]) -> Amount {
            guard let first = amounts.first else { return Amount() }
            return amounts.dropFirst().reduce(first, +)
        }

        var cell: Cell {
            if bytes == 0, complete { return "" }
            return bytes == 0 ? .unknown : .size(bytes, complete: complete || bytes == nil)
        }
    }

    struct Row: Equatable {
        var name: Cell
        /// By GPU, in the order of `gpus`.
        var amounts: [Amount]

        var sum: Amount { Amount.sum(amounts) }
    }

    /// Indices into the snapshot's devices.
    let gpus: [Int]
    /// Indices into `gpus`: GPUs whose amounts look the same in every row share a column.
    let columns: [[Int]]
    /// Containers, largest first; then (host), (gone), (hidden) and (unattributed).
    let rows: [Row]
    /// Used memory by GPU, as the driver reports it.
    let used: [Amount]

    /// - Parameter limit: rows at most. The last row is then the sum of the smallest holders.
    init(_ snapshot: Snapshot, limit: Int) {
        let gpus = snapshot.wholeGPUs
        let families = gpus.map { gpu in [gpu] + snapshot.instances(of: gpu) }
        let containers = Self.containerRows(snapshot, families)
        let others = Self.otherRows(snapshot, families)
        let rows = Self.limited(containers, to: max(1, limit - others.count)) + others
        let used = gpus.map { gpu in
            let bytes = snapshot.devices[gpu].memory.used
            return Amount(bytes: bytes, complete: bytes != nil)
        }
        columns = Self.groups(
            gpus.indices.map { index in (rows.map { $0.amounts[index] } + [used[index]]).map(\.cell) })
        (self.gpus, self.rows, self.used) = (gpus, rows, used)
    }

    /// Indices of columns with the same text, in the order of the first of each.
    private static func groups(_ columns: [[Cell]]) -> [[Int]] {
        var groups: [[Int]] = []
        for index in columns.indices {
            if let group = groups.firstIndex(where: { columns[$0[0]] == columns[index] }) {
                groups[group].append(index)
            } else {
                groups.append([index])
            }
        }
        return groups
    }

    private static func containerRows(_ snapshot: Snapshot, _ families: [[Int]]) -> [Row] {
        let rows = snapshot.containers.map { container in
            Row(
                name: container.matrixName,
                amounts: families.map { family in
                    if family.contains(where: { snapshot.devices[$0].hidesHolders }) { return .unknown }
                    return Amount.sum(
                        container.usage.filter { family.contains($0.device) }.map {
                            Amount(bytes: $0.bytes, complete: $0.complete && $0.bytes != nil)
                        })
                })
        }
        return sorted(rows)
    }

    private static func otherRows(_ snapshot: Snapshot, _ families: [[Int]]) -> [Row] {
        func row(_ name: Cell, _ amount: (Int) -> Amount) -> Row? {
            let known = families.map { family in Amount.sum(family.map(amount)) }
            guard known.contains(where: { $0 != Amount() }) else { return nil }
            let amounts = zip(families, known).map { family, amount in
                family.contains { snapshot.devices[$0].hidesHolders } ? .unknown : amount
            }
            return Row(name: name, amounts: amounts)
        }
        let listed = Dictionary(grouping: snapshot.processes.filter(\.isCounted), by: \.device)
        func held(by holder: Holder) -> Row? {
            row(holder.cell) { device in
                Amount.sum(
                    (listed[device] ?? []).filter { $0.holder == holder }.map {
                        Amount(bytes: $0.bytes, complete: $0.complete && $0.bytes != nil)
                    })
            }
        }
        let unattributed = row(Cell(Mark.unattributed.text, [.unattributed])) { device in
            let memory = snapshot.devices[device].memory
            guard memory.sharedWith == nil, memory.kind == .dedicated, !memory.isSum,
                !snapshot.devices[device].hidesHolders
            else { return Amount() }
            let bytes = snapshot.devices[device].ledger.unattributed
            return Amount(bytes: bytes, complete: bytes != nil)
        }
        return [held(by: .host), held(by: .gone), held(by: .hidden), unattributed].compactMap(\.self)
    }

    private static func sorted(_ rows: [Row]) -> [Row] {
        let keyed = rows.map { row in (row, row.sum.bytes ?? -1) }
        return keyed.sorted { ($0.1, $1.0.name.text) > ($1.1, $0.0.name.text) }.map(\.0)
    }

    private static func limited(_ rows: [Row], to limit: Int) -> [Row] {
        guard rows.count > limit else { return rows }
        let rest = rows[(limit - 1)...]
        let amounts = rest[rest.startIndex].amounts.indices.map { gpu in Amount.sum(rest.map { $0.amounts[gpu] }) }
        return rows.prefix(limit - 1) + [Row(name: Cell("\(rest.count) more containers"), amounts: amounts)]
    }
}

extension Container {
    /// The name, or the short id of a container without a name.
    fileprivate var matrixName: Cell {
        name == nil && parentNames.isEmpty && !isOwn ? Cell.name(shortID(id), verified: verified) : nameCell
    }
}

extension Snapshot {
    /// Devices that are no instances, by index.
    var wholeGPUs: [Int] {
        let known = Set(devices.compactMap(\.uuid))
        return devices.indices.filter { devices[$0].parent.map { !known.contains($0) } ?? true }
    }

    /// Instances of a GPU, by index.
    func instances(of gpu: Int) -> [Int] {
        guard let uuid = devices[gpu].uuid else { return [] }
        return devices.indices.filter { devices[$0].parent == uuid }
    }
}

extension Device {
    /// Whether the device's process lists could not be read, so that the holders of its memory are unknown.
    var hidesHolders: Bool { memory.sharedWith == nil && ledger.containers == nil }
}
