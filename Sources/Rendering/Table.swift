/// Rows under titles, laid out for a page. If the page is too narrow, long cells are cut first. Then the least important columns are
/// left out, so that a line never wraps.
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
    package var rows: [[Cell]]
    /// Blanks between columns, if there is room.
    package var gap = 3

    package init(_ columns: [Column], rows: [[Cell]], gap: Int = 3) {
        self.columns = columns
        self.rows = rows
        self.gap = gap
    }

    /// The title line and a line per row.
    package func lines(on page: Page) -> [String] { drawn(on: page).lines }

    /// The title line, a line per row, the legend, and a note about columns that were left out.
    package func linesWithLegend(on page: Page) -> [String] {
        let (lines, marks, omitted) = drawn(on: page)
        return lines + Mark.legend(for: marks, on: page) + Self.note(omitting: omitted, on: page)
    }

    /// Says which columns a narrow page leaves out; no line if there are none.
    static func note(omitting titles: [String], on page: Page) -> [String] {
        titles.isEmpty
            ? []
            : Rendering.note("columns not shown (terminal too narrow): \(titles.joined(separator: ", "))", on: page)
    }

    /// The title line and a line per row, the marks that occur in them, and the titles of the columns that were left out.
    package func drawn(on page: Page) -> (lines: [String], marks: Set<Mark>, omitted: [String]) {
        let cells = ([columns.map { Cell($0.title) }] + rows).map { row in
            row.map { Cell(shown($0.text, on: page), $0.marks) }
        }
        var widths = columns.indices.map { column in cells.map { Rendering.columns($0[column].text) }.max() ?? 0 }
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
        let cut = cells.map { row in
            zip(row, widths).enumerated().map { column, cell in
                kept.contains(column) ? cell.0.cut(to: cell.1, on: page) : Cell("")
            }
        }
        let marks = cut.reduce(into: Set<Mark>()) { marks, row in for cell in row { marks.formUnion(cell.marks) } }
        let omitted = columns.indices.filter { !kept.contains($0) }.map { columns[$0].title }
        return (cut.map { line($0, kept, widths, gap) }, marks, omitted)
    }

    /// Shrinks the widest columns first, so that short cells stay whole. Columns of equal width shrink together, until they are as
    /// narrow as the next one or as narrow as they may be.
    private func shrink(_ widths: inout [Int], _ kept: [Int], by amount: Int) {
        var left = amount
        while left > 0 {
            let long = kept.filter { widths[$0] > columns[$0].shortest ?? .max }
            guard let most = long.map({ widths[$0] }).max() else { return }
            let widest = long.filter { widths[$0] == most }
            let narrower = long.map { widths[$0] }.filter { $0 < most }.max() ?? 0
            let floor = max(narrower, widest.compactMap { columns[$0].shortest }.max() ?? 0)
            let each = min(left / widest.count, most - floor)
            for column in widest { widths[column] -= each }
            left -= each * widest.count
            guard left > 0, left < widest.count, each < most - floor else { continue }
            // Less than one column is left for each.
            for column in widest.prefix(left) { widths[column] -= 1 }
            return
        }
    }

    private func line(_ row: [Cell], _ kept: [Int], _ widths: [Int], _ gap: Int) -> String {
        var line = ""
        // Written before the next cell, so that no line ends in blanks.
        var blanks = 0
        for (index, column) in kept.enumerated() {
            if index > 0 { blanks += gap }
            let cell = row[column].text
            let space = max(0, widths[column] - Rendering.columns(cell))
            let isLeft = columns[column].alignment == .left
            if !isLeft { blanks += space }
            if !cell.isEmpty {
                line += String(repeating: " ", count: blanks) + cell
                blanks = 0
            }
            if isLeft { blanks += space }
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}
