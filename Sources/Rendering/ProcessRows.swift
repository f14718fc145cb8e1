import Ledger

/// The rows of `plimsoll ps`: one per process and device.
package enum ProcessRows {
    /// - Parameter commands: command lines by PID, where they were asked for.
    package static func rows(_ snapshot: Snapshot, truncates: Bool, commands: [UInt32: String]?) -> [Row] {
        let containers = Dictionary(snapshot.containers.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        return snapshot.processes.map { process in
            let device = snapshot.devices[process.device]
            let container = process.container.flatMap { containers[$0] }
            let elsewhere = process.container == nil ? process.elsewhere : .unknown
            let command = commands.map { [("Command", Cell($0[process.pid]))] } ?? []
            return Row(
                fields: [
                    ("PID", Cell(String(process.pid))), ("User", Cell(process.user)), ("Type", Cell(process.typeList)),
                    ("GPU", Cell(device.label)), ("UUID", Cell(device.uuid)),
                    ("GPUMem", .size(process.bytes, complete: process.complete)),
                    (
                        "ContainerID",
                        container?.idCell(truncated: truncates)
                            ?? process.container.map { idCell($0, truncated: truncates) } ?? process.elsewhere
                    ),
                    ("Container", container?.nameCell ?? elsewhere), ("Name", Cell(process.name)),
                    ("LikelyID", container?.likelyIDCell(truncated: truncates) ?? ""),
                ] + command, numbers: [("GPUMemBytes", process.bytes)], labels: [:],
                flags: [("Verified", container?.verified ?? true)])
        }
    }

    package static func table(_ rows: [Row], commands: Bool) -> Table {
        let columns: [(String, Table.Column)] = [
            ("PID", .init("PID", .right, importance: 8)), ("User", .init("USER", shortest: 6, importance: 2)),
            ("Type", .init("TYPE", importance: 1)), ("GPU", .init("GPU", importance: 6)),
            ("GPUMem", .init("GPU MEM", .right, importance: 9)),
            ("ContainerID", .init("CONTAINER ID", importance: 3)),
            ("Container", .init("CONTAINER", shortest: 6, importance: 7)),
            ("Name", .init("NAME", shortest: 6, importance: 5)),
        ]
        let all = columns + (commands ? [("Command", .init("COMMAND", shortest: 10, importance: 4))] : [])
        return Table(
            all.map(\.1),
            rows: rows.map { row in all.map { $0.0 == "ContainerID" ? row.shownID($0.0) : row[$0.0] ?? .unknown } })
    }
}

extension GPUProcess {
    /// As nvidia-smi writes them: "C", "G", "M+C".
    fileprivate var typeList: String {
        let letters: [ProcessType: String] = [.mps: "M", .compute: "C", .graphics: "G"]
        return [.mps, .compute, .graphics].filter(types.contains).compactMap { letters[$0] }.joined(separator: "+")
    }

    /// What stands where a container's name would.
    var elsewhere: Cell {
        switch holder {
        case .host where isMPSServer: Cell(Mark.mpsServer.text, [.mpsServer])
        default: holder.cell
        }
    }

    /// nvidia-cuda-mps-server, whose `comm` the kernel cuts to 15 bytes. The control daemon has the same one and no context.
    private var isMPSServer: Bool { name == "nvidia-cuda-mps" }
}

extension Holder {
    /// What stands where a container's name would.
    var cell: Cell {
        switch self {
        case .gone: Cell(Mark.gone.text, [.gone])
        case .hidden: Cell(Mark.hidden.text, [.hidden])
        case .container, .host: Cell("(\(rawValue))")
        }
    }
}
