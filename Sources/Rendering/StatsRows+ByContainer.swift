import Ledger

extension StatsRows {
    /// One row per container, summed over its devices; then a row per GPU that does not answer.
    ///
    /// - Parameters: as for `rows(named:idle:)`.
    package func rowsByContainer(named names: [String], idle: Bool) -> [Row] {
        let (holding, waiting) = chosen(named: names, idle: idle)
        return holding.map { Self.summary.row(Summary($0, $0.usage, self)) } + waiting.map { row($0, nil) } + lostRows
    }

    /// The sum of all containers that hold GPU memory, over all GPUs.
    package var totalRow: Row {
        let usage = snapshot.containers.flatMap(\.usage)
        var total = Summary(nil, usage, self)
        let answering = snapshot.wholeGPUs.map { snapshot.devices[$0].memory }
        let totals = answering.compactMap(\.total)
        total.total = totals.count == answering.count ? Bytes.sum(totals) : nil
        total.gpu = Cell("")
        // What is held on a GPU that does not answer is missing.
        if snapshot.devices.contains(where: \.hidesHolders) { total.complete = false }
        return Self.summary.row(total)
    }

    /// A container's memory over several devices, or the memory of all containers.
    struct Summary {
        /// nil for the row of all containers.
        var container: Container?
        var bytes: Bytes?
        var complete: Bool
        /// Total memory of the devices, each counted once; nil if a total is unknown.
        var total: Bytes?
        var gpu: Cell
        var pids: Int
        var truncates: Bool

        init(_ container: Container?, _ usage: [Container.Usage], _ rows: StatsRows) {
            let known = usage.compactMap(\.bytes)
            self.container = container
            bytes = known.isEmpty && !usage.isEmpty ? nil : Bytes.sum(known)
            complete = known.count == usage.count && usage.allSatisfy(\.complete)
            let devices = rows.snapshot.devices
            let owners = Set(usage.map { rows.snapshot.memoryOwner(of: $0.device) })
            let totals = owners.compactMap { devices[$0].memory.total }
            total = totals.count == owners.count ? Bytes.sum(totals) : nil
            gpu = Cell(ranges(usage.map(\.device).sorted().map { devices[$0].label }))
            pids = Set(usage.flatMap(\.pids)).count
            truncates = rows.truncates
        }
    }

    /// The fields of `fields`, for sums.
    private static let summary: Fields<Summary> = {
        var summary = Fields<Summary>(
            list: fields.list.map { field in
                .init(field.name, field.title) { sum in
                    guard let container = sum.container else { return field.name.hasSuffix("Name") ? "total" : "" }
                    return field.cell(Item(container: container, truncates: sum.truncates))
                }
            },
            numbers: [("GPUMemBytes", \.bytes), ("GPUTotalBytes", \.total)],
            flags: [("Verified", "VERIFIED", { $0.container?.verified }), ("Lost", "", { _ in false })],
            labels: { $0.container?.labels ?? [:] })
        summary.set("GPU") { $0.gpu }
        summary.set("UUID") { _ in "" }
        summary.set("GPUUtil") { _ in "" }
        summary.set("GPUMem") { .size($0.bytes, complete: $0.complete) }
        summary.set("GPUTotal") { .size($0.total) }
        summary.set("GPUPerc") { .percent($0.bytes, of: $0.total) }
        summary.set("PIDs") { Cell(String($0.pids)) }
        return summary
    }()
}

extension Fields {
    fileprivate mutating func set(_ name: String, _ cell: @escaping @Sendable (Item) -> Cell) {
        guard let index = list.firstIndex(where: { $0.name == name }) else { return }
        list[index] = Field(name, list[index].title, cell)
    }
}
