/// Rows under titles, laid out for a page: where it is too narrow, long cells are cut first and then the least important
/// columns left out, so that a line never wraps.
package struct Table {
    package struct Column {
        package var title: String
        package var alignment: Alignment
        /// The width it may be cut to; nil for a column that is shown whole or not at all.
        package var shortest: Int?
        /// The column with the least goes first.
        package var importance: Int

        package init(_ title: String, _ alignment: Alignment = .left, shortest: Int? = nil, importance: Int) {
            self.title = title
            self.alignment = alignment
            self.shortest = shortest
            self.importance = importance
        }
    }

    package enum Alignment { case left, right }

    package var columns: [Column]
    package var rows: [[String]]
    /// Columns between columns, where there is room.
    package var gap = 3

    package init(_ columns: [Column], rows: [[String]], gap: Int = 3) {
        self.columns = columns
        self.rows = rows
        self.gap = gap
    }

    /// The title line and a line per row.
    package func lines(on page: Page) -> [String] {
        let cells = ([columns.map(\.title)] + rows).map { row in row.map { shown($0, on: page) } }
        var widths = columns.indices.map { column in cells.map { Rendering.columns($0[column]) }.max() ?? 0 }
        var kept = Array(columns.indices)
        var gap = gap
        if let width = page.width {
            func total() -> Int { kept.map { widths[$0] }.reduce(0, +) + gap * (kept.count - 1) }
            if total() > width { gap = min(gap, 2) }
            while total() > width {
                let tooMuch = total() - width
                let room = kept.map { column in columns[column].shortest.map { max(0, widths[column] - $0) } ?? 0 }
                if room.reduce(0, +) >= tooMuch {
                    shrink(&widths, kept, by: tooMuch)
                } else if kept.count > 1, let least = kept.min(by: { columns[$0].importance < columns[$1].importance })
                {
                    kept.removeAll { $0 == least }
                } else {
                    widths[kept[0]] = width
                }
            }
        }
        return cells.map { line($0, kept, widths, gap, page) }
    }

    /// Takes from the widest first, a column at a time, so that short cells stay whole.
    private func shrink(_ widths: inout [Int], _ kept: [Int], by amount: Int) {
        for _ in 0..<amount {
            let long = kept.filter { widths[$0] > columns[$0].shortest ?? .max }
            let widest = long.max { widths[$0] < widths[$1] }
            if let widest { widths[widest] -= 1 }
        }
    }

    private func line(_ row: [String], _ kept: [Int], _ widths: [Int], _ gap: Int, _ page: Page) -> String {
        var line = ""
        for (place, column) in kept.enumerated() {
            if place > 0 { line += String(repeating: " ", count: gap) }
            let cell = UnverifiedMark.cutCell(row[column], to: widths[column], on: page)
            let space = String(repeating: " ", count: max(0, widths[column] - Rendering.columns(cell)))
            line += columns[column].alignment == .left ? cell + space : space + cell
        }
        return String(line.reversed().drop { $0 == " " }.reversed())
    }
}
