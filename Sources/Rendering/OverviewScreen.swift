import Ledger

/// The screen of `plimsoll ledger` for many GPUs: a line per device, then a matrix of holders by GPUs.
package struct OverviewScreen {
    private let snapshot: Snapshot
    private let warn: Double
    private let matrix: OverviewMatrix

    /// Rows of the matrix at most: with eight GPUs, the screen fits a page of 40 lines.
    private static let mostRows = 20
    private static let barWidth = 22

    /// - Parameter warn: share of a GPU's memory at which the load line is drawn, 0 to 1.
    package init(_ snapshot: Snapshot, warn: Double) {
        self.snapshot = snapshot
        self.warn = warn
        matrix = OverviewMatrix(snapshot, limit: Self.mostRows)
    }

    package func lines(on page: Page) -> [String] {
        let gpus = gpuTable(on: page).drawn(on: page)
        var lines = gpus.lines
        var marks = gpus.marks
        for block in blocks(on: page) {
            let drawn = block.drawn(on: page)
            lines += [""] + drawn.lines
            marks.formUnion(drawn.marks)
        }
        let bars = snapshot.wholeGPUs.compactMap { LoadBar(snapshot.devices[$0], warn: warn) }
        lines += LoadBar.legend(for: bars, and: marks, on: page) + Table.note(omitting: gpus.omitted, on: page)
        let hint = "For the ledger of each GPU, use --detail, or name GPUs: plimsoll ledger \(example)"
        return lines + (LedgerScreen(snapshot, warn: warn).notes + [hint]).flatMap { note($0, on: page) }
    }

    /// A GPU and an instance, if there is one, as a user would type them.
    private var example: String {
        let instance = snapshot.devices.first { $0.parent != nil }?.label
        let gpu = snapshot.wholeGPUs.first.map { snapshot.devices[$0].label } ?? "0"
        return [gpu, instance].compactMap(\.self).joined(separator: " ")
    }

    private func gpuTable(on page: Page) -> Table {
        // Colors count as text in a table.
        var plain = page
        plain.colour = false
        return Table(
            [
                .init("GPU", importance: 9), .init("MEMORY", importance: 5),
                .init("USED / TOTAL", .right, importance: 8),
                .init("USED %", .right, importance: 4), .init("FREE", .right, importance: 7),
                .init("UTIL", .right, importance: 3), .init("NAME", shortest: 8, importance: 1),
            ],
            rows: snapshot.wholeGPUs.flatMap { [$0] + snapshot.instances(of: $0) }.map {
                row(of: snapshot.devices[$0], on: plain)
            },
            gap: 2)
    }

    private func row(of device: Device, on page: Page) -> [Cell] {
        let utilization = Cell(device.utilizationPercent.map { "\($0)%" })
        let memory = device.memory
        guard memory.sharedWith == nil else {
            return [Cell(device.label), "", Cell("shares memory"), "", "", utilization, Cell(device.name)]
        }
        let bar = LoadBar(device, warn: warn)?.line(on: page, width: Self.barWidth)
        return [
            Cell(device.label), Cell(bar), .size(memory.used) + " / " + .size(memory.total),
            .percent(memory.used, of: memory.total), .size(memory.free), utilization, Cell(device.name),
        ]
    }

    /// The matrix, in as many tables as the page is too narrow for one. The last table has the sums.
    private func blocks(on page: Page) -> [Table] {
        let all = Array(matrix.columns.indices)
        guard let width = page.width else { return [block(all, isLast: true)] }
        var blocks: [Table] = []
        var rest = all[...]
        while true {
            if rest.count <= 1 || fits(block(Array(rest), isLast: true), width) {
                return blocks + [block(Array(rest), isLast: true)]
            }
            var count = rest.count - 1
            while count > 1, !fits(block(Array(rest.prefix(count)), isLast: false), width) { count -= 1 }
            blocks.append(block(Array(rest.prefix(count)), isLast: false))
            rest = rest.dropFirst(count)
        }
    }

    private func fits(_ table: Table, _ width: Int) -> Bool {
        table.lines(on: Page()).allSatisfy { columns($0) <= width }
    }

    private static let longestName = 24

    private func block(_ shown: [Int], isLast: Bool) -> Table {
        var titles = [Table.Column("HOLDER", shortest: 6, importance: 9)]
        titles += shown.map { Table.Column(title(matrix.columns[$0]), .right, importance: 5) }
        if isLast { titles.append(Table.Column("SUM", .right, importance: 8)) }
        func row(_ name: Cell, _ amounts: [OverviewMatrix.Amount]) -> [Cell] {
            let cells = shown.map { amounts[matrix.columns[$0][0]].cell }
            let sum = OverviewMatrix.Amount.sum(amounts)
            return [name.cut(to: Self.longestName, on: Page())] + cells + (isLast ? [sum.cell] : [])
        }
        let usedRow: [Cell] =
            ["used"] + shown.map { used(matrix.used[matrix.columns[$0][0]]) }
            + (isLast ? [used(OverviewMatrix.Amount.sum(matrix.used))] : [])
        let rule = [[Cell("------")] + titles.dropFirst().map { _ in Cell("") }]
        return Table(
            titles, rows: matrix.rows.map { row($0.name, $0.amounts) } + rule + [usedRow], gap: 2)
    }

    /// The used memory of a GPU is printed even if it is 0.
    private func used(_ amount: OverviewMatrix.Amount) -> Cell { .size(amount.bytes, complete: amount.complete) }

    /// "GPU 0", or "GPU 1-4,6 each".
    private func title(_ column: [Int]) -> String {
        let labels = column.map { snapshot.devices[matrix.gpus[$0]].label }
        return "GPU \(ranges(labels))" + (labels.count > 1 ? " each" : "")
    }
}

/// "0-3,6": runs of neighbouring numbers shortened. Labels that are no numbers stay as they are.
func ranges(_ labels: [String]) -> String {
    var runs: [(first: String, last: String, number: Int?)] = []
    for label in labels {
        let number = Int(label)
        if let number, let run = runs.last, run.number == number - 1 {
            runs[runs.count - 1] = (run.first, label, number)
        } else {
            runs.append((label, label, number))
        }
    }
    return runs.map { run in
        guard run.first != run.last else { return run.first }
        let isPair = Int(run.first).map { $0 + 1 == run.number } ?? false
        return run.first + (isPair ? "," : "-") + run.last
    }.joined(separator: ",")
}
