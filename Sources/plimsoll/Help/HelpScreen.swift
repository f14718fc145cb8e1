import ArgumentParser
import FoundationEssentials
import Rendering

/// A help screen in the style of Docker's: usage, purpose, own options by group, common options last, examples.
struct HelpScreen {
    /// How the program was called: `plimsoll`, or `docker gpu`.
    private let program: String
    private let name: String
    private let info: CommandInfo
    private let help: CommandHelp
    private let subcommands: [CommandInfo]

    /// - Parameter command: nil for the program itself.
    init(_ command: (any DocumentedCommand.Type)?, program: String) {
        let root = Self.root
        self.program = program
        if let command,
            let info = root.subcommands?.first(where: { $0.commandName == command.configuration.commandName })
        {
            self.info = info
            help = command.help
            name = "\(program) \(info.commandName)"
            subcommands = []
        } else {
            info = root
            help = CommandHelp(synopsis: "[OPTIONS] [COMMAND]", examples: Plimsoll.examples)
            name = program
            subcommands = root.subcommands ?? []
        }
    }

    /// "--format", "--no-trunc", …
    var optionNames: [String] { (info.arguments ?? []).filter { $0.kind != "positional" }.map { "--\($0.longName)" } }

    var usage: String { "Usage:  \(name) \(help.synopsis)" }

    /// Columns of a help screen at most. Longer lines are hard to read.
    private static let widest = 100

    func lines(on page: Page) -> [String] {
        var page = page
        page.width = min(page.width ?? Self.widest, Self.widest)
        var lines = [usage, ""] + paragraphs(info.abstract ?? "", on: page)
        if let discussion = info.discussion { lines += [""] + paragraphs(discussion, on: page) }
        for (title, entries) in sections where !entries.isEmpty {
            lines += ["", "\(title):"] + Self.columns(entries, on: page)
        }
        if !help.examples.isEmpty {
            lines += ["", "Examples:"]
            for (index, example) in help.examples.enumerated() {
                if index > 0 { lines.append("") }
                lines += folded(
                    ["  # \(example.purpose)", "  " + example.command.replacing("plimsoll", with: program)], on: page)
            }
        }
        if !subcommands.isEmpty { lines += ["", "Run '\(program) COMMAND --help' for more information on a command."] }
        return lines
    }

    private func paragraphs(_ text: String, on page: Page) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { paragraph(String($0), on: page) }
    }

    private typealias Entry = (left: String, text: String)

    private var sections: [(title: String, entries: [Entry])] {
        let arguments = (info.arguments ?? []).filter(\.shouldDisplay)
        let named = arguments.filter { $0.kind != "positional" }
        func isCommon(_ argument: ArgumentInfo) -> Bool {
            argument.sectionTitle == Self.commonTitle || argument.longName == "help" || argument.longName == "version"
        }
        let grouped = Set(help.groups.flatMap(\.options))
        var sections: [(String, [Entry])] = [
            ("Commands", subcommands.filter { $0.commandName != "help" }.map { ($0.commandName, $0.abstract ?? "") }),
            ("Arguments", arguments.filter { $0.kind == "positional" }.map(\.entry)),
        ]
        for group in help.groups {
            sections.append((group.title, named.filter { group.options.contains($0.longName) }.map(\.entry)))
        }
        sections.append(("Options", named.filter { !isCommon($0) && !grouped.contains($0.longName) }.map(\.entry)))
        let common = named.filter(isCommon).map(\.entry)
        sections.append((name == program ? "Options" : Self.commonTitle, common))
        return sections
    }

    static let commonTitle = "Common options"

    /// The left side in a column, the text beside it.
    private static func columns(_ entries: [Entry], on page: Page) -> [String] {
        let widest = min(entries.map(\.left.count).max() ?? 0, 28)
        let indent = widest + 5
        return entries.flatMap { entry -> [String] in
            let text = paragraph(entry.text, on: page.narrowed(by: indent))
            let isLong = entry.left.count > widest
            let first = "  " + entry.left + String(repeating: " ", count: max(0, widest - entry.left.count + 3))
            let rest = text.dropFirst(isLong ? 0 : 1).map { String(repeating: " ", count: indent) + $0 }
            return [isLong ? "  " + entry.left : first + (text.first ?? "")] + rest
        }
    }

    private static var root: CommandInfo {
        let dump = Data(Plimsoll._dumpHelp().utf8)
        return (try? JSONDecoder().decode(ToolInfo.self, from: dump).command) ?? CommandInfo(commandName: "plimsoll")
    }
}

/// What ArgumentParser knows of a command (swift-argument-parser, ToolInfoV0).
private struct ToolInfo: Decodable { var command: CommandInfo }

private struct CommandInfo: Decodable {
    var commandName: String
    var abstract: String?
    var discussion: String?
    var arguments: [ArgumentInfo]?
    var subcommands: [CommandInfo]?
}

private struct ArgumentInfo: Decodable {
    struct Name: Decodable {
        var kind: String
        var name: String

        var typed: String { (kind == "long" ? "--" : "-") + name }
    }

    var kind: String
    var shouldDisplay: Bool
    var sectionTitle: String?
    var isRepeating: Bool
    var names: [Name]?
    var valueName: String?
    var defaultValue: String?
    var abstract: String?

    var longName: String { names?.first { $0.kind == "long" }?.name ?? "" }

    /// "-a, --all", "    --format FORMAT".
    var entry: (left: String, text: String) {
        let value = valueName.map { $0.uppercased() } ?? ""
        let text = (abstract?.droppingPeriod ?? "") + (shownDefault.map { " (default: \($0))" } ?? "")
        if kind == "positional" { return (value + (isRepeating ? "..." : ""), text) }
        let names = (names ?? []).sorted { $0.kind == "short" && $1.kind != "short" }
        let hasShort = names.first?.kind == "short"
        let typed = names.map(\.typed).joined(separator: ", ")
        return ((hasShort ? "" : "    ") + typed + (kind == "option" ? " " + value : ""), text)
    }

    /// nil if the text names the default itself.
    private var shownDefault: String? {
        guard let defaultValue, kind == "option", abstract?.contains("default: ") != true else { return nil }
        return defaultValue
    }
}

extension String {
    /// Without the period at the end, as Docker's help texts of options.
    fileprivate var droppingPeriod: String { hasSuffix(".") ? String(dropLast()) : self }
}
