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

    /// The last rows are those of GPUs that do not answer: what containers hold there is unknown, also of those that are named.
    ///
    /// - Parameters:
    ///   - names: names or id prefixes to keep; all where there are none.
    ///   - idle: whether containers that hold nothing have a row too. One that is asked for by name always has.
    package func rows(named names: [String], idle: Bool) -> [Row] {
        let holding = snapshot.containers.filter { $0.matches(names) }
        let waiting = snapshot.idleContainers.filter { idle && names.isEmpty || !names.isEmpty && $0.matches(names) }
        return holding.flatMap { container in container.usage.map { row(container, $0) } }
            + waiting.map { row($0, nil) } + snapshot.devices.filter { !$0.answers }.map(lost)
    }

    private func lost(_ device: Device) -> Row {
        Row(
            fields: [
                ("ID", .unknown), ("Name", Cell(Mark.lost.text, [.lost], plain: unknown)), ("Image", .unknown),
                ("Runtime", .unknown),
                ("GPU", Cell(device.label)), ("UUID", Cell(device.uuid)), ("GPUMem", .unknown), ("GPUTotal", .unknown),
                ("GPUPerc", .unknown), ("PIDs", .unknown), ("RAMLimit", .unknown), ("LikelyID", ""),
            ], numbers: [("GPUMemBytes", nil), ("GPUTotalBytes", nil)], labels: [:], flags: [("Lost", true)])
    }

    /// Those of `names` that no running container has.
    package func unmatched(_ names: [String]) -> [String] {
        let all = snapshot.containers + snapshot.idleContainers
        let known = Set(all.flatMap { [$0.name, $0.id] })
        return names.filter { name in !known.contains(name) && !all.contains { $0.matches([name]) } }
    }

    private func row(_ container: Container, _ usage: Container.Usage?) -> Row {
        let device = usage.map { snapshot.devices[$0.device] }
        let bytes = usage.map(\.bytes) ?? idleBytes
        let total = device?.memory.total
        return Row(
            fields: [
                ("ID", container.idCell(truncated: truncates)), ("Name", container.nameCell),
                ("Image", Cell(truncates ? container.shownImage : container.image)),
                ("Runtime", Cell(container.runtime.rawValue)),
                ("GPU", Cell(device?.label)), ("UUID", Cell(device?.uuid)),
                ("GPUMem", .size(bytes, complete: usage?.complete ?? true)), ("GPUTotal", .size(total)),
                ("GPUPerc", .percent(bytes, of: total)), ("PIDs", Cell(String(usage?.pids.count ?? 0))),
                ("RAMLimit", ramLimit(container)), ("LikelyID", container.likelyIDCell(truncated: truncates)),
            ], numbers: [("GPUMemBytes", bytes), ("GPUTotalBytes", total)], labels: container.labels,
            flags: [("Verified", container.verified), ("Lost", false)])
    }

    private func ramLimit(_ container: Container) -> Cell {
        if container.ramLimitUnavailable != nil { return .unknown }
        return container.ramLimit.map { .size($0) } ?? "none"
    }
}

extension StatsRows {
    /// The table that is shown unasked. Used and total share a column, as in `docker stats`; on a narrow page the total
    /// goes first.
    package static func table(_ rows: [Row], on page: Page) -> Table {
        let isNarrow = (page.width ?? .max) < 60
        return Table(
            [
                .init("CONTAINER ID", importance: 4), .init("NAME", shortest: 6, importance: 8),
                .init("GPU", importance: 6), .init(isNarrow ? "GPU MEM" : "GPU MEM / TOTAL", importance: 9),
                .init("GPU MEM %", importance: 5), .init("PIDS", importance: 3),
            ],
            rows: rows.map { row in
                func field(_ name: String) -> Cell { row[name] ?? .unknown }
                let memory = isNarrow ? field("GPUMem") : field("GPUMem") + " / " + field("GPUTotal")
                return [row.shownID("ID"), field("Name"), field("GPU"), memory, field("GPUPerc"), field("PIDs")]
            })
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
