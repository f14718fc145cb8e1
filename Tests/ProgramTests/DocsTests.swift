import Foundation
import TestSupport
import Testing

/// docs/*.md are for people who look something up: what they show is what the program prints, and their links lead somewhere.
struct DocsTests {
    static let pages = DocsPage.all

    /// `RENEW_GOLDEN=1 swift test` writes what the program prints into the pages.
    @Test("What a page shows is what the program prints", arguments: pages)
    func examples(_ page: DocsPage) throws {
        var text = try String(contentsOf: page.file, encoding: .utf8)
        for example in page.examples {
            guard example.command.contains("--replay") else {
                #expect(example.output == "", "\(page): '\(example.command)' shows an output that nobody can check")
                continue
            }
            let output = try shell(example.command)
            let line = "$ \(example.command)\n"
            text = text.replacing(line + example.output, with: line + output, maxReplacements: 1)
            if !isRenewing { #expect(output == example.output, "\(page): \(example.command)") }
        }
        if isRenewing { try text.write(to: page.file, atomically: true, encoding: .utf8) }
    }

    private let isRenewing = ProcessInfo.processInfo.environment["RENEW_GOLDEN"] != nil

    @Test("The pages that explain show something")
    func showSomething() {
        for name in ["blank-nvidia-smi.md", "sum-differs.md", "reading-the-screen.md"] {
            let page = Self.pages.first { $0.description == "docs/\(name)" }
            #expect((page?.examples.filter { $0.output != "" }.count ?? 0) > 3, "docs/\(name)")
        }
    }

    @Test("Every link within the repository leads to a file, and to a heading of it", arguments: pages + [.readme])
    func links(_ page: DocsPage) {
        for link in page.links where !link.contains("://") && !link.hasPrefix("mailto:") {
            let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let target = parts[0].isEmpty ? page.file : page.file.deletingLastPathComponent().appending(path: parts[0])
            #expect(FileManager.default.fileExists(atPath: target.path), "\(page): \(link)")
            guard parts.count == 2 else { continue }
            #expect(DocsPage(target).anchors.contains(parts[1]), "\(page): \(link)")
        }
    }

    @Test("Every name in square brackets has its address, and every address its use", arguments: pages)
    func references(_ page: DocsPage) {
        #expect(page.references.used == page.references.defined, "\(page)")
    }

    @Test("Every page is reached from the README")
    func reached() {
        let links = Set(DocsPage.readme.links)
        for page in Self.pages { #expect(links.contains(page.description), "\(page)") }
    }

    @Test("Anchors are those that GitHub makes of headings")
    func anchors() {
        #expect(DocsPage.anchor("The driver's own memory") == "the-drivers-own-memory")
        #expect(DocsPage.anchor("Context, caches and rounding") == "context-caches-and-rounding")
        #expect(DocsPage.anchor("`--format json`: WSL2 (WDDM)") == "--format-json-wsl2-wddm")
    }

    /// As in a terminal of 98 columns, in the repository, with both of its streams.
    private func shell(_ command: String) throws -> String {
        let script = "cd '\(Build.package.path)' && exec 2>&1\n\(command)\n"
        return try run(
            program: "/bin/sh", ["-c", script],
            environment: ["COLUMNS": "98", "PATH": "\(Build.folder.path):/usr/local/bin:/usr/bin:/bin"]
        ).output
    }
}

/// A page of Markdown, taken apart.
struct DocsPage: Sendable, CustomTestStringConvertible, CustomStringConvertible {
    let file: URL
    private let lines: [String]

    /// One that is not there is empty.
    init(_ file: URL) {
        self.file = file
        lines = ((try? String(contentsOf: file, encoding: .utf8)) ?? "").components(separatedBy: "\n")
    }

    static let readme = DocsPage(Build.package.appending(path: "README.md"))

    static let all: [DocsPage] = {
        let folder = Build.package.appending(path: "docs")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasSuffix(".md") }.sorted().map { DocsPage(folder.appending(path: $0)) }
    }()

    /// "docs/installing.md".
    var description: String { String(file.path.dropFirst(Build.package.path.count).drop { $0 == "/" }) }
    var testDescription: String { description }

    struct Example {
        var command: String
        var output: String
    }

    /// Of blocks that begin with a command of ours: each command, and what stands under it.
    var examples: [Example] {
        var examples: [Example] = []
        for block in blocks
        where ["$ plimsoll", "$ docker gpu"].contains(where: { block.first?.hasPrefix($0) ?? false }) {
            for line in block {
                if line.hasPrefix("$ ") {
                    examples.append(Example(command: String(line.dropFirst(2)), output: ""))
                } else {
                    examples[examples.count - 1].output += line + "\n"
                }
            }
        }
        return examples
    }

    private var blocks: [[String]] {
        parts.filter(\.isCode).map(\.lines)
    }

    private var prose: [String] { parts.filter { !$0.isCode }.flatMap(\.lines) }

    private var parts: [(isCode: Bool, lines: [String])] {
        var parts: [(isCode: Bool, lines: [String])] = [(false, [])]
        for line in lines {
            if line.hasPrefix("```") {
                parts.append((!parts[parts.count - 1].isCode, []))
            } else {
                parts[parts.count - 1].lines.append(line)
            }
        }
        return parts
    }

    /// What stands in round brackets behind square ones.
    var links: [String] {
        prose.flatMap { $0.matches(of: /\]\(([^()\s]+(?:\([^()]*\))?)\)/).map { String($0.1) } }
    }

    /// Names of `[text][name]`, and of `[name]: address`.
    var references: (used: Set<String>, defined: Set<String>) {
        let used = prose.flatMap { $0.matches(of: /\]\[([^\]]+)\]/).map { String($0.1) } }
        let defined = prose.compactMap { $0.prefixMatch(of: /\[([^\]]+)\]: http/).map { String($0.1) } }
        return (Set(used), Set(defined))
    }

    var anchors: Set<String> {
        Set(prose.compactMap { $0.prefixMatch(of: /#+ (.+)/).map { Self.anchor(String($0.1)) } })
    }

    /// Lower case, without punctuation, hyphens for spaces.
    static func anchor(_ heading: String) -> String {
        let kept = heading.lowercased().filter { $0.isLetter || $0.isNumber || " -_".contains($0) }
        return kept.replacing(" ", with: "-")
    }

    /// Rows of tables by the title of their first column; a row is its cells.
    var tables: [(title: String, rows: [[String]])] {
        var tables: [(title: String, rows: [[String]])] = []
        var isInside = false
        for line in prose {
            guard line.hasPrefix("|") else {
                isInside = false
                continue
            }
            let cells = line.replacing("\\|", with: "\u{0}").split(separator: "|").map {
                $0.replacing("\u{0}", with: "|").trimmingCharacters(in: .whitespaces)
            }
            if !isInside {
                tables.append((cells[0], []))
            } else if !cells[0].hasPrefix("---") {
                tables[tables.count - 1].rows.append(cells)
            }
            isInside = true
        }
        return tables
    }

    /// What stands between backticks.
    static func codes(in text: String) -> [String] {
        text.matches(of: /`([^`]+)`/).map { String($0.1) }
    }
}
