import Ledger

/// The fields of a command's rows, in one list. The list makes the rows, the default table, the names that `--format` knows, the
/// CSV header and the field list in the help text. To add a column, add one line to the command's list.
package struct Fields<Item>: Sendable {
    /// A value of a row: text for people, and its name in templates and JSON.
    package struct Field: Sendable {
        let name: String
        let title: String
        /// Layout in the default table; nil if that table leaves the field out.
        let column: TableColumn?
        let cell: @Sendable (Item) -> Cell

        init(
            _ name: String, _ title: String, column: TableColumn? = nil, _ cell: @escaping @Sendable (Item) -> Cell
        ) {
            self.name = name
            self.title = title
            self.column = column
            self.cell = cell
        }
    }

    /// Text fields, in the order of JSON and CSV.
    var list: [Field]
    /// The order of the default table, by field name; nil for the order of `list`.
    var tableOrder: [String]?
    /// Amounts in bytes, beside the texts in JSON and CSV.
    var numbers: [(name: String, value: @Sendable (Item) -> Bytes?)] = []
    /// Beside the texts in JSON, CSV and templates.
    var flags: [(name: String, title: String, value: @Sendable (Item) -> Bool?)] = []
    /// Container labels, for `.Label "key"`; nil if the rows have none.
    var labels: (@Sendable (Item) -> [String: String])?

    func row(_ item: Item) -> Row {
        Row(
            fields: list.map { ($0.name, $0.cell(item)) }, numbers: numbers.map { ($0.name, $0.value(item)) },
            labels: labels?(item) ?? [:],
            flags: flags.compactMap { flag in flag.value(item).map { (flag.name, $0) } })
    }

    /// Names and titles, without the values.
    package var kind: RowKind {
        RowKind(
            titles: list.map { ($0.name, $0.title) } + flags.map { ($0.name, $0.title) }.filter { !$0.1.isEmpty },
            numbers: numbers.map(\.name), flags: flags.map(\.name), hasLabels: labels != nil)
    }

    func table(_ rows: [Row], on page: Page) -> Table {
        let shown: [Field] =
            tableOrder.map { order in order.compactMap { name in list.first { $0.name == name } } } ?? list
        let columns = shown.compactMap { field in field.column.map { (field, $0) } }
        return Table(
            columns.map { field, column in
                Table.Column(
                    column.title(page) ?? field.title, column.alignment, shortest: column.shortest,
                    importance: column.importance)
            },
            rows: rows.map { row in columns.map { $1.shown?(row, page) ?? row[$0.name] ?? .unknown } })
    }
}

/// The layout of a field's column in a default table.
package struct TableColumn: Sendable {
    var alignment: Table.Alignment
    /// The width it may be cut to; nil for a column that is shown whole or not at all.
    var shortest: Int?
    /// On a page that is too narrow, the least important column is left out first.
    var importance: Int
    /// nil for the field's own title.
    var title: @Sendable (Page) -> String?
    /// What the column shows instead of the field's own text.
    var shown: (@Sendable (Row, Page) -> Cell)?

    init(
        _ alignment: Table.Alignment = .left, shortest: Int? = nil, importance: Int,
        title: @escaping @Sendable (Page) -> String? = { _ in nil }, shown: (@Sendable (Row, Page) -> Cell)? = nil
    ) {
        self.alignment = alignment
        self.shortest = shortest
        self.importance = importance
        self.title = title
        self.shown = shown
    }

    /// A container id. If the id is unknown, the likely id with its mark.
    static func id(importance: Int, field: String) -> TableColumn {
        TableColumn(importance: importance, shown: { row, _ in row.shownID(field) })
    }
}
