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

    /// - Parameters:
    ///   - names: names or id prefixes to keep; all where there are none.
    ///   - idle: whether containers that hold nothing have a row too. One that is asked for by name always has.
    package func rows(named names: [String], idle: Bool) -> [Row] {
        let holding = snapshot.containers.filter { $0.matches(names) }
        let waiting = snapshot.idleContainers.filter { idle && names.isEmpty || !names.isEmpty && $0.matches(names) }
        return holding.flatMap { container in container.usage.map { row(container, $0) } }
            + waiting.map { row($0, nil) }
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
                ("ID", truncates ? shortID(container.id) : container.id), ("Name", container.shownName),
                ("Image", truncates ? container.shownImage : container.image ?? unknown),
                ("Runtime", container.runtime.rawValue),
                ("GPU", device?.label ?? unknown), ("UUID", device?.uuid ?? unknown),
                ("GPUMem", sum(bytes, complete: usage?.complete ?? true)), ("GPUTotal", size(total)),
                ("GPUPerc", percent(bytes, of: total)), ("PIDs", String(usage?.pids.count ?? 0)),
                ("RAMLimit", ramLimit(container)),
            ], numbers: [("GPUMemBytes", bytes), ("GPUTotalBytes", total)], labels: container.labels,
            container: container.named(in: "Name"))
    }

    private func ramLimit(_ container: Container) -> String {
        if container.ramLimitUnavailable != nil { return unknown }
        return container.ramLimit.map { size($0) } ?? "none"
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
                func field(_ name: String) -> String { row[name] ?? unknown }
                let memory = field("GPUMem") + (isNarrow ? "" : " / \(field("GPUTotal"))")
                return [field("ID"), field("Name"), field("GPU"), memory, field("GPUPerc"), field("PIDs")]
            })
    }
}

extension Container {
    /// Whether one of `names` is its name or the beginning of its id; every container where there are none.
    func matches(_ names: [String]) -> Bool {
        names.isEmpty || names.contains { name == $0 || (!$0.isEmpty && id.hasPrefix($0)) }
    }
}
