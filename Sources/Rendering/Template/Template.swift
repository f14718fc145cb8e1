import Ledger

/// A Go template, as Docker's commands take it with `--format`: fields, `{{json .}}`, the functions json, upper, lower, title,
/// truncate, pad, join, split and the comparisons, and if, else, range. `table …` aligns its columns under titles.
package struct Template {
    private let nodes: [TemplateNode]
    private let kind: RowKind
    package let isTable: Bool

    /// - Throws: `TemplateError` with the position, from 1, and the reason.
    package init(_ text: String, for kind: RowKind) throws(TemplateError) {
        let prefix = "table "
        isTable = text.hasPrefix(prefix)
        self.kind = kind
        // A shell passes \t and \n on as typed. Docker interprets them, and so does Plimsoll.
        let offset = isTable ? prefix.count : 0
        var parser = TemplateParser(
            String(text.dropFirst(offset)), offset: offset, kind: kind)
        nodes = try parser.parse()
    }

    /// The lines for rows; with `table`, under a title line, in columns split at tabs.
    package func lines(_ rows: [Row]) throws(TemplateError) -> [String] {
        var texts: [String] = []
        for row in rows { texts.append(try evaluate(.row(row))) }
        guard isTable else { return texts }
        let titles = Row(fields: kind.titles.map { ($0.field, Cell($0.title)) }, numbers: [], labels: [:])
        let lines = [try evaluate(.titles(titles))] + texts
        return Self.aligned(lines.map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) })
    }

    private func evaluate(_ dot: TemplateValue) throws(TemplateError) -> String {
        var result = ""
        for node in nodes { try node.write(to: &result, dot: dot) }
        return result
    }

    private static func aligned(_ rows: [[String]]) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.map { $0.indices.contains(column) ? columns($0[column]) : 0 }.max() ?? 0
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let isLast = column == row.count - 1
                line += isLast ? cell : cell + String(repeating: " ", count: widths[column] - columns(cell) + 3)
            }
            return line
        }
    }
}

package struct TemplateError: Error, CustomStringConvertible, Equatable {
    /// Character of the template, from 1.
    package var position: Int
    package var reason: String

    package var description: String { "--format: at character \(position): \(reason)" }
}

/// The value of `.`, or the result of a function.
enum TemplateValue {
    case row(Row)
    /// The title row of a table, which functions do not change.
    case titles(Row)
    case text(String)
    /// A field or a label as a source reported it. `json` uses it as it is; all other output removes unsafe characters.
    case foreign(String)
    case number(Int)
    case truth(Bool)
    case list([String])

    var text: String {
        switch self {
        case .row(let row): row.json.text()
        case .titles: ""
        case .text(let text): text
        case .foreign(let text): text.cleaned
        case .number(let number): String(number)
        case .truth(let truth): String(truth)
        case .list(let list): "[" + list.joined(separator: " ") + "]"
        }
    }

    /// As Go's templates see it: empty and zero are false.
    var isTrue: Bool {
        switch self {
        case .row, .titles: true
        case .text(let text), .foreign(let text): !text.isEmpty
        case .number(let number): number != 0
        case .truth(let truth): truth
        case .list(let list): !list.isEmpty
        }
    }

    var isTitle: Bool {
        if case .titles = self { true } else { false }
    }
}

indirect enum TemplateNode {
    case text(String)
    case output(TemplateExpression)
    case branch(TemplateExpression, then: [TemplateNode], otherwise: [TemplateNode])
    case loop(TemplateExpression, body: [TemplateNode], otherwise: [TemplateNode])

    func write(to result: inout String, dot: TemplateValue) throws(TemplateError) {
        switch self {
        case .text(let text): result += text
        case .output(let expression): result += try expression.value(dot).text
        case .branch(let condition, let then, let otherwise):
            for node in try condition.value(dot).isTrue ? then : otherwise { try node.write(to: &result, dot: dot) }
        case .loop(let expression, let body, let otherwise):
            let value = try expression.value(dot)
            guard case .list(let elements) = value else {
                if dot.isTitle { return }
                throw TemplateError(
                    position: expression.position, reason: "range needs a list, such as the result of split")
            }
            for element in elements { for node in body { try node.write(to: &result, dot: .text(element)) } }
            if elements.isEmpty { for node in otherwise { try node.write(to: &result, dot: dot) } }
        }
    }
}

/// Something with a value: `.Name`, `"text"`, `truncate .Name 8`, `.ID | upper`.
struct TemplateExpression {
    indirect enum Kind {
        case dot
        case field(String)
        case label(String)
        case constant(TemplateValue)
        case call(TemplateFunction, [TemplateExpression])
    }

    var kind: Kind
    var position: Int

    func value(_ dot: TemplateValue) throws(TemplateError) -> TemplateValue {
        switch kind {
        case .dot: return dot
        case .constant(let value): return value
        case .field(let name):
            switch dot {
            case .row(let row), .titles(let row):
                return row.flag(name).map { .truth($0) } ?? .foreign(row[name]?.text ?? "")
            default: throw TemplateError(position: position, reason: "an element of a list has no fields")
            }
        case .label(let key):
            switch dot {
            case .row(let row): return .foreign(row.labels[key] ?? "")
            case .titles: return .text(key)
            default: throw TemplateError(position: position, reason: "an element of a list has no labels")
            }
        case .call(let function, let arguments):
            var values: [TemplateValue] = []
            for argument in arguments { values.append(try argument.value(dot)) }
            return try function.apply(values, inTitle: dot.isTitle, position: position)
        }
    }
}
