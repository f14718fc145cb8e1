import Ledger

/// The rows of `plimsoll ps`: one per process and device.
package enum ProcessRows {
    /// What a row is made from.
    struct Item {
        var process: GPUProcess
        var device: Device
        /// nil for a process in no container.
        var container: Container?
        var truncates: Bool

        /// What the container's columns show for a process in no container.
        fileprivate var elsewhere: Cell { process.container == nil ? process.elsewhere : .unknown }
        fileprivate func ofContainer(_ cell: (Container) -> Cell) -> Cell { container.map(cell) ?? elsewhere }
    }

    /// - Parameters:
    ///   - names: names or id prefixes of containers to keep; all processes if empty.
    ///   - commands: command lines by PID; nil without `--command`.
    package static func rows(
        _ snapshot: Snapshot, named names: [String] = [], truncates: Bool, commands: [UInt32: String]?
    ) -> [Row] {
        let containers = Dictionary(snapshot.containers.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let fields = fields(commands: commands)
        return snapshot.processes.compactMap { process in
            let container = process.container.flatMap { containers[$0] }
            guard names.isEmpty || container?.matches(names) == true else { return nil }
            return fields.row(
                Item(
                    process: process, device: snapshot.devices[process.device], container: container,
                    truncates: truncates))
        }
    }

    /// - Parameter commands: command lines by PID; nil without `--command`.
    static func fields(commands: [UInt32: String]?) -> Fields<Item> {
        var fields = Self.fields
        if let commands {
            fields.list.append(
                .init("Command", "COMMAND", column: TableColumn(shortest: 10, importance: 4)) { item in
                    Cell(commands[item.process.pid])
                })
        }
        return fields
    }

    private static let fields = Fields<Item>(
        list: [
            .init("PID", "PID", column: TableColumn(.right, importance: 8)) { Cell(String($0.process.pid)) },
            .init("User", "USER", column: TableColumn(shortest: 6, importance: 2)) { Cell($0.process.user) },
            .init("Type", "TYPE", column: TableColumn(importance: 1)) { Cell($0.process.typeList) },
            .init("GPU", "GPU", column: TableColumn(importance: 6)) { Cell($0.device.label) },
            .init("UUID", "UUID") { Cell($0.device.uuid) },
            .init("GPUMem", "GPU MEM", column: TableColumn(.right, importance: 9)) {
                .size($0.process.bytes, complete: $0.process.complete)
            },
            .init("ContainerID", "CONTAINER ID", column: .id(importance: 3, field: "ContainerID")) { item in
                item.container?.idCell(truncated: item.truncates)
                    ?? item.process.container.map { idCell($0, truncated: item.truncates) } ?? item.process.elsewhere
            },
            .init("Container", "CONTAINER", column: TableColumn(shortest: 6, importance: 7)) {
                $0.ofContainer(\.nameCell)
            },
            .init("Name", "NAME", column: TableColumn(shortest: 6, importance: 5)) { Cell($0.process.name) },
            .init("LikelyID", "LIKELY ID") { item in
                item.container?.likelyIDCell(truncated: item.truncates) ?? ""
            },
            // The names that `stats` has for the same.
            .init("ContainerName", "CONTAINER") { $0.ofContainer(\.nameCell) },
            .init("Image", "IMAGE") { item in
                item.ofContainer { Cell(item.truncates ? $0.shownImage : $0.image) }
            },
            .init("Runtime", "RUNTIME") { $0.ofContainer { Cell($0.runtime.rawValue) } },
            .init("GPUTotal", "TOTAL") { .size($0.device.memory.total) },
            .init("GPUPerc", "GPU MEM %") { .percent($0.process.bytes, of: $0.device.memory.total) },
        ],
        numbers: [("GPUMemBytes", { $0.process.bytes }), ("GPUTotalBytes", { $0.device.memory.total })],
        flags: [("Verified", "VERIFIED", { $0.container?.verified ?? true })])

    package static func table(_ rows: [Row], on page: Page, commands: Bool = false) -> Table {
        fields(commands: commands ? [:] : nil).table(rows, on: page)
    }
}

extension GPUProcess {
    /// As nvidia-smi writes them: "C", "G", "M+C".
    fileprivate var typeList: String {
        let letters: [ProcessType: String] = [.mps: "M", .compute: "C", .graphics: "G"]
        return [.mps, .compute, .graphics].filter(types.contains).compactMap { letters[$0] }.joined(separator: "+")
    }

    /// The text of the container columns for a process in no container.
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
    /// The text of the container columns for a process of this holder.
    var cell: Cell {
        switch self {
        case .gone: Cell(Mark.gone.text, [.gone])
        case .hidden: Cell(Mark.hidden.text, [.hidden])
        case .container, .host: Cell("(\(rawValue))")
        }
    }
}
