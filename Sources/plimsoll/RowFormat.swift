import Rendering

/// `--format`, for commands whose answer is rows.
enum RowFormat {
    case table
    case json
    case csv(RowKind)
    case template(Template)

    static let help = "table, json (one object per line), csv, or a Go template."

    init(_ text: String, for kind: RowKind) throws {
        switch text {
        case "table", "": self = .table
        case "json": self = .json
        case "csv": self = .csv(kind)
        case _ where !text.contains("{{") && !text.hasPrefix("table "):
            throw Failure.usage(
                "unknown format '\(text)'; use table, json, csv, or a template such as '\(Self.example(text, kind))'")
        default:
            do throws(TemplateError) {
                self = .template(try Template(text, for: kind))
            } catch {
                throw Failure.usage(error)
            }
        }
    }

    /// A template, made of the fields that were typed without braces.
    private static func example(_ text: String, _ kind: RowKind) -> String {
        let names = text.split(separator: " ").map { $0.hasPrefix(".") ? String($0.dropFirst()) : String($0) }
        let known = names.filter { name in kind.titles.contains { $0.field == name } }
        let shown = known.isEmpty ? [kind.titles[0].field] : known
        return shown.map { "{{.\($0)}}" }.joined(separator: " ")
    }

    /// - Parameters:
    ///   - notes: sentences below the table; JSON, CSV and templates leave them out.
    ///   - table: the default table of the rows.
    func lines(
        _ rows: [Row], on page: Page, notes: [String] = [], table: ([Row], Page) -> Table
    ) throws -> [String] {
        switch self {
        case .table:
            let notes = notes.flatMap { paragraph(shown($0, on: page), on: page, indent: 2) }
            return table(rows, page).linesWithLegend(on: page) + (notes.isEmpty ? [] : [""] + notes)
        case .json: return rows.map { $0.json.text() }
        case .csv(let kind): return kind.csv(rows)
        case .template(let template):
            do throws(TemplateError) {
                // Leave out GPUs that do not answer: a template is written for containers and would show such a GPU as
                // one.
                let lines = try template.lines(rows.filter { !$0.isLost })
                return Screen.isTerminal ? lines.map { fitted($0, page, isTable: template.isTable) } : lines
            } catch {
                throw Failure.usage(error)
            }
        }
    }

    /// A template's output for a terminal: without characters that the terminal cannot show, and no wider than the terminal.
    private func fitted(_ text: String, _ page: Page, isTable: Bool) -> String {
        let text = page.unicode ? text : String(text.unicodeScalars.map { $0.isASCII ? Character($0) : "?" })
        guard isTable, let width = page.width else { return text }
        return text.split(separator: "\n", omittingEmptySubsequences: false).map {
            cut(String($0), to: width, on: page)
        }.joined(separator: "\n")
    }
}

extension RowFilter {
    /// The help text of `--filter`.
    static func help(_ keys: [Key]) -> String {
        let names = keys.map(\.rawValue).joined(separator: ", ")
        return
            "Show only rows that match; keys: \(names). Can be repeated: values of one key are alternatives, different keys "
            + "must all match."
    }

    /// - Throws: wrong usage.
    static func parsed(_ texts: [String], keys: [Key]) throws -> RowFilter {
        do throws(Refusal) { return try RowFilter(texts, keys: keys) } catch { throw Failure.usage(error.text) }
    }
}
