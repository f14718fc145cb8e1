import Ledger

/// The rows of `plimsoll stats`: one per container and device.
package struct StatsRows {
    let snapshot: Snapshot
    let truncates: Bool
    /// That a container holds nothing is known only where every device's lists were read.
    private let idleBytes: Bytes?

    package init(_ snapshot: Snapshot, truncates: Bool) {
        self.snapshot = snapshot
        self.truncates = truncates
        let isKnown = !snapshot.devices.isEmpty && snapshot.devices.allSatisfy(\.ledger.listsRead)
        idleBytes = isKnown && !snapshot.processes.contains { $0.holder == .hidden } ? 0 : nil
    }

    /// The rows of containers, then a row for each GPU that does not answer: what containers hold there is unknown.
    ///
    /// - Parameters:
    ///   - names: names or id prefixes to keep; empty for all containers.
    ///   - idle: whether containers without GPU memory get a row. A container that is named always gets one.
    package func rows(named names: [String], idle: Bool) -> [Row] {
        let (holding, waiting) = chosen(named: names, idle: idle)
        return holding.flatMap { container in container.usage.map { row(container, $0) } }
            + waiting.map { row($0, nil) }
            + lostRows
    }

    /// Containers that hold GPU memory, and containers that hold none but get a row all the same.
    func chosen(named names: [String], idle: Bool) -> (holding: [Container], waiting: [Container]) {
        (
            snapshot.containers.filter { $0.matches(names) },
            snapshot.idleContainers.filter { idle && names.isEmpty || !names.isEmpty && $0.matches(names) }
        )
    }

    var lostRows: [Row] { snapshot.devices.filter { !$0.answers }.map { Self.fields.row(Item(device: $0)) } }

    func row(_ container: Container, _ usage: Container.Usage?) -> Row {
        Self.fields.row(
            Item(
                container: container, usage: usage, device: usage.map { snapshot.devices[$0.device] },
                bytes: usage.map(\.bytes) ?? idleBytes, truncates: truncates))
    }
}

extension StatsRows {
    /// What a row is made from: a container and its use of a device, a container that uses none, or a GPU that does not answer.
    struct Item {
        /// nil for a GPU that does not answer.
        var container: Container?
        /// nil for a container that holds no GPU memory.
        var usage: Container.Usage?
        var device: Device?
        var bytes: Bytes?
        var truncates = true

        var total: Bytes? { container == nil ? nil : device?.memory.total }
        /// What a column about a device shows in the row of a container that uses none.
        fileprivate func ofDevice(_ cell: (Device) -> Cell) -> Cell { device.map(cell) ?? .notApplicable }
        fileprivate func ofContainer(_ cell: (Container) -> Cell) -> Cell { container.map(cell) ?? .unknown }
    }

    /// Used and total share a column, as in `docker stats`; on a narrow page the total is left out first.
    static let fields = Fields<Item>(
        list: [
            .init("ID", "CONTAINER ID", column: .id(importance: 4, field: "ID")) { item in
                item.ofContainer { $0.idCell(truncated: item.truncates) }
            },
            .init("Name", "NAME", column: TableColumn(shortest: 6, importance: 8)) { item in
                item.container?.nameCell ?? Cell(Mark.lost.text, [.lost], plain: unknown)
            },
            .init("Image", "IMAGE") { item in
                item.ofContainer { Cell(item.truncates ? $0.shownImage : $0.image) }
            },
            .init("Runtime", "RUNTIME") { $0.ofContainer { Cell($0.runtime.rawValue) } },
            .init("GPU", "GPU", column: TableColumn(importance: 6)) { $0.ofDevice { Cell($0.label) } },
            .init("UUID", "UUID") { $0.ofDevice { Cell($0.uuid) } },
            .init("GPUMem", "GPU MEM", column: memory) { item in
                item.container == nil ? .unknown : .size(item.bytes, complete: item.usage?.complete ?? true)
            },
            .init("GPUTotal", "TOTAL") { item in
                item.container == nil ? .unknown : item.ofDevice { .size($0.memory.total) }
            },
            .init("GPUPerc", "GPU MEM %", column: TableColumn(importance: 5)) { item in
                item.container == nil ? .unknown : item.ofDevice { .percent(item.bytes, of: $0.memory.total) }
            },
            .init("PIDs", "PIDS", column: TableColumn(importance: 3)) { item in
                item.ofContainer { _ in Cell(String(item.usage?.pids.count ?? 0)) }
            },
            .init("RAMLimit", "RAM LIMIT") { $0.ofContainer(ramLimit) },
            .init("LikelyID", "LIKELY ID") { item in
                item.container?.likelyIDCell(truncated: item.truncates) ?? ""
            },
            .init("GPUUtil", "GPU UTIL") { item in
                item.ofDevice { Cell($0.utilizationPercent.map { "\($0)%" }) }
            },
            // The names that `ps` has for the same.
            .init("ContainerID", "CONTAINER ID") { item in
                item.ofContainer { $0.idCell(truncated: item.truncates) }
            },
            .init("ContainerName", "CONTAINER") { item in item.ofContainer(\.nameCell) },
        ],
        numbers: [("GPUMemBytes", { $0.container == nil ? nil : $0.bytes }), ("GPUTotalBytes", { $0.total })],
        flags: [
            ("Verified", "VERIFIED", { $0.container?.verified }), ("Lost", "", { $0.container == nil }),
        ],
        labels: { $0.container?.labels ?? [:] })

    private static let memory = TableColumn(
        importance: 9, title: { isNarrow($0) ? "GPU MEM" : "GPU MEM / TOTAL" },
        shown: { row, page in
            func field(_ name: String) -> Cell { row[name] ?? .unknown }
            return isNarrow(page) ? field("GPUMem") : field("GPUMem") + " / " + field("GPUTotal")
        })

    private static func isNarrow(_ page: Page) -> Bool { (page.width ?? .max) < 60 }

    private static func ramLimit(_ container: Container) -> Cell {
        if container.ramLimitUnavailable != nil { return .unknown }
        return container.ramLimit.map { .size($0) } ?? "none"
    }

    package static func table(_ rows: [Row], on page: Page) -> Table { fields.table(rows, on: page) }
}

extension Snapshot {
    private var runningContainers: [Container] { containers + idleContainers }

    /// Names of all running containers that are known.
    package var containerNames: [String] { runningContainers.compactMap(\.name) }

    /// Those of `names` that no running container has.
    package func unmatched(_ names: [String]) -> [String] {
        let all = runningContainers
        let known = Set(all.flatMap { [$0.name, $0.id] })
        return names.filter { name in !known.contains(name) && !all.contains { $0.matches([name]) } }
    }
}

extension Container {
    /// Whether one of `names` is its name or the beginning of its id or likely id, or that of a container around it; every container if there
    /// are none.
    func matches(_ names: [String]) -> Bool {
        names.isEmpty
            || names.contains { wanted in
                wanted == name || wanted == fullName || parentNames.contains(wanted)
                    || !wanted.isEmpty && ([id, likelyID ?? ""] + parents).contains { $0.hasPrefix(wanted) }
            }
    }
}
