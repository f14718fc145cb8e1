import Ledger

/// The rows of one device: its holders, largest first, then the remainders, so that the column adds up to the total.
struct LedgerRows {
    private let snapshot: Snapshot
    private let device: Int
    private let listed: [GPUProcess]
    private let processNames: [UInt32: String]
    private let truncates: Bool

    /// - Parameters:
    ///   - listed: the processes of this device.
    ///   - truncates: whether ids and image names are shortened.
    init(_ snapshot: Snapshot, device: Int, listed: [GPUProcess], truncates: Bool) {
        self.truncates = truncates
        self.snapshot = snapshot
        self.device = device
        self.listed = listed
        processNames = Dictionary(
            listed.compactMap { process in process.name.map { (process.pid, $0) } },
            uniquingKeysWith: { first, _ in first })
    }

    var table: Table {
        let holders = (containers + processes).sorted { ($0.bytes ?? .min, $1.order) > ($1.bytes ?? .min, $0.order) }
        let sum = remainders
        let rule: [[Cell]] = sum.isEmpty ? [] : [[Cell(String(repeating: "-", count: 8)), "", "", "", "", ""], total]
        return Table(
            [
                .init("MEMORY", .right, importance: 9), .init("MEM %", .right, importance: 5),
                .init("NAME", shortest: 6, importance: 8), .init("IMAGE", shortest: 8, importance: 3),
                .init("ID", importance: 4), .init("PROCESSES", shortest: 9, importance: 2),
            ], rows: holders.map(cells) + sum + rule, gap: 2)
    }

    private struct Row {
        var bytes: Bytes?
        var complete = true
        var name: Cell
        var image: Cell = ""
        var id: Cell = ""
        var processes = ""
        /// Sorts rows of equal size, so that their order is stable.
        var order: String
    }

    private var total: [Cell] {
        let total = snapshot.devices[device].memory.total
        return [.size(total), .percent(total, of: total), "total", "", "", ""]
    }

    private func cells(_ row: Row) -> [Cell] {
        let whole = snapshot.devices[device].memory.total
        return [
            .size(row.bytes, complete: row.complete), .percent(row.bytes, of: whole), row.name, row.image, row.id,
            Cell(row.processes),
        ]
    }

    private var containers: [Row] {
        snapshot.containers.flatMap { container in
            container.usage.filter { $0.device == device }.map { usage in
                Row(
                    bytes: usage.bytes, complete: usage.complete, name: container.nameCell,
                    image: Cell(truncates ? container.shownImage : container.image),
                    id: container.likelyID.map { .likelyID(truncates ? shortID($0) : $0) }
                        ?? container.idCell(truncated: truncates),
                    processes: names(usage.pids),
                    order: container.id)
            }
        }
    }

    private var processes: [Row] {
        listed.filter { $0.holder != .container && $0.isCounted }.map { process in
            Row(
                bytes: process.bytes, complete: process.complete || process.bytes == nil,
                name: Cell(process.name ?? "PID \(process.pid)"), image: process.elsewhere,
                processes: String(process.pid), order: String(process.pid))
        }
    }

    private var remainders: [[Cell]] {
        let memory = snapshot.devices[device].memory
        let ledger = snapshot.devices[device].ledger
        guard memory.sharedWith == nil, memory.total != nil else { return [] }
        func row(_ bytes: Bytes?, _ name: Cell) -> [Cell] {
            [.size(bytes), .percent(bytes, of: memory.total), name, "", "", ""]
        }
        func row(_ bytes: Bytes?, _ mark: Mark) -> [Cell] { row(bytes, Cell(mark.text, [mark])) }
        var rows: [[Cell]] = []
        if let instances = ledger.instances, instances != 0 { rows.append(row(instances, .instances)) }
        if memory.kind == .shared {
            if let carveout = memory.carveout { rows.append(row(-carveout, .carveout)) }
            return rows + [row(memory.otherUse, .otherHostUse), row(memory.free, "(free)")]
        }
        if memory.isSum {
            let rest = memory.total.flatMap { total in memory.used.map(total.subtracting) }
            return rows + [row(rest, .freeOrUnreported)]
        }
        let remainder = ledger.unattributed
        rows.append((remainder ?? 0) < 0 ? row(remainder, .overlap) : row(remainder, .unattributed))
        if let contradiction = memory.contradiction {
            // The driver's figures contradict each other, so the rest is not called reserved.
            rows.append(row(contradiction.rest, .contradictory))
        } else if let reserved = memory.reserved {
            rows.append(row(reserved, .reserved))
        }
        rows.append(row(memory.free, "(free)"))
        return rows
    }

    private func names(_ pids: [UInt32]) -> String {
        let named = pids.prefix(2).map { pid in
            processNames[pid].map { "\($0) \(pid)" } ?? String(pid)
        }
        return named.joined(separator: ", ") + (pids.count > 2 ? " +\(pids.count - 2)" : "")
    }
}

extension Device.Memory {
    /// Unified memory that is in use, but not by the device. The page cache counts as free.
    var otherUse: Bytes? {
        guard let total, let used, let free else { return nil }
        return total.subtracting(free).subtracting(used.subtracting(carveout ?? 0))
    }
}

extension GPUProcess {
    /// False if the process holds only files that another process already accounts for: it adds nothing to the column.
    var isCounted: Bool { countedWith == nil || bytes != 0 }
}
