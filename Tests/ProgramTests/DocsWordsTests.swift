import Foundation
import TestSupport
import Testing

/// docs/reading-the-screen.md explains the program's words: they are the program's, and none of them is left out.
struct DocsWordsTests {
    private let page = DocsPage(Build.package.appending(path: "docs/reading-the-screen.md"))

    /// What the page's tables explain; those of exit codes and of the JSON are told apart by their first title.
    private var explained: [String] {
        let tables = page.tables.filter { !["exit code", "on the screen"].contains($0.title) }
        let marks = tables.filter { $0.title == "mark" }.flatMap(\.rows).flatMap { DocsPage.codes(in: $0[1]) }
        return marks + tables.flatMap(\.rows).flatMap { DocsPage.codes(in: $0[0]) }
    }

    @Test("Every word that is explained is one that the program prints")
    func printed() throws {
        let literals = try Self.literals(in: ["Sources"])
        let words = try rendered()
        #expect(explained.count > 60)
        for label in explained {
            #expect(words.contains(label) || literals.contains { $0.matches(label) }, "\(label)")
        }
    }

    @Test("A word that the program does not print would be noticed")
    func noticed() throws {
        let literals = try Self.literals(in: ["Sources"])
        let words = try rendered()
        for label in [
            "(unallocated)", "(evicted)", "GPU 0: nothing of the kind is told of it", "VRAM %", "the driver sells …",
        ] {
            #expect(!words.contains(label) && !literals.contains { $0.matches(label) }, "\(label)")
        }
    }

    @Test("Every column, every row in brackets, every line under a table and every reason is explained")
    func complete() throws {
        let rendering = try Self.literals(in: ["Sources/Rendering"])
        let labels = rendering.filter { $0.text.wholeMatch(of: /\([a-zM][^()%]*\)/) != nil && !$0.hasHoles }
        #expect(labels.count > 6)
        let legend = try Self.literals(in: ["Sources/Rendering/Cell.swift"]).filter {
            $0.text.contains(/\S  [a-z]/)
        }
        #expect(legend.count > 5)
        let sources = try Self.sources(["Sources/Rendering"])
        let fields = sources.flatMap { $0.matches(of: /\.init\("[A-Za-z]+", "([^"]+)", column:/).map { String($0.1) } }
        let columns = sources.flatMap {
            $0.matches(of: /(?:\.init|Table\.Column)\(\s*"([A-Z][^"]*)", (?:\.right|shortest|importance)/).map {
                String($0.1)
            }
        }
        let titles = (fields + columns).map { Literal($0) }
        #expect(titles.count > 20)
        let told = try Self.sources(["Sources/Rendering/ReasonText.swift"])[0]
            .matches(of: /case \.unreported[^:]*:\s*("[^"]*")/).flatMap { Literal.all(in: String($0.1)) }
        #expect(told.count == 4)
        let codes = explained + page.tables.flatMap(\.rows).flatMap { DocsPage.codes(in: $0[0]) }
        for literal in labels + legend + titles + told {
            #expect(codes.contains { literal.matches($0) || literal.text == $0 }, "\(literal.text)")
        }
    }

    @Test("Every place of the JSON is named, and every place that is named is there")
    func json() throws {
        let file = Build.package.appending(path: "samples/server.json").path
        let text = try run(["--format", "json", "--replay", file]).output
        let document = try JSONSerialization.jsonObject(with: Data(text.utf8))
        let table = try #require(page.tables.first { $0.title == "on the screen" })
        let named = Set(table.rows.flatMap { DocsPage.codes(in: $0[1]) }).subtracting(
            ["shared", "dedicated", "compute", "graphics", "mps", "nvml", "fdinfo", "kfd", "dmem", "+"])
        #expect(named == Self.places(document, ""))
    }

    /// Every path that ends in a value: `devices[].memory.usedBytes`.
    private static func places(_ value: Any, _ path: String) -> Set<String> {
        if let object = value as? [String: Any] {
            return object.reduce(into: []) {
                $0.formUnion(places($1.value, path.isEmpty ? $1.key : "\(path).\($1.key)"))
            }
        }
        if let array = value as? [Any], let first = array.first, first is [String: Any] {
            return array.reduce(into: []) { $0.formUnion(places($1, path + "[]")) }
        }
        return [path]
    }

    /// The words of all that the recordings show.
    private func rendered() throws -> Set<String> {
        let folder = Build.package.appending(path: "samples").path
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".json") }
        var words: Set<String> = []
        for file in files {
            for command in [["ledger"], ["ps"], ["stats", "--all"]] {
                let output = try run(command + ["--replay", "\(folder)/\(file)"]).output
                for line in output.split(separator: "\n") {
                    words.formUnion(line.split(separator: "  ").map { $0.trimmingCharacters(in: .whitespaces) })
                }
            }
        }
        return words
    }

    private static func sources(_ places: [String]) throws -> [String] {
        try places.flatMap { place in
            let url = Build.package.appending(path: place)
            if place.hasSuffix(".swift") { return [try String(contentsOf: url, encoding: .utf8)] }
            let names = try FileManager.default.subpathsOfDirectory(atPath: url.path).filter { $0.hasSuffix(".swift") }
            return try names.map { try String(contentsOf: url.appending(path: $0), encoding: .utf8) }
        }
    }

    private static func literals(in places: [String]) throws -> [Literal] {
        try sources(places).flatMap(Literal.all)
    }
}

/// A string literal of Swift, with a hole for each value that is put into it.
struct Literal {
    private static let hole: Character = "\u{FFFC}"
    let text: String
    private let characters: [Character]

    init(_ text: String) {
        self.text = text
        characters = Array(text)
    }

    var hasHoles: Bool { characters.contains(Self.hole) }

    /// Whether a text is this one with values in its holes. One that ends in `…` is its beginning. At least half of what is
    /// quoted has to be the literal's own: a literal of holes alone would match everything.
    func matches(_ quoted: String) -> Bool {
        let isCut = quoted.hasSuffix("…") && text != quoted
        let text = Array(isCut ? quoted.dropLast().trimmingCharacters(in: .whitespaces) : quoted)
        return Self.matches(characters[...], text[...], isCut, owing: (text.count + 1) / 2)
    }

    /// - Parameter owing: how many characters that are no hole's have yet to match.
    private static func matches(
        _ pattern: ArraySlice<Character>, _ text: ArraySlice<Character>, _ isCut: Bool, owing: Int
    ) -> Bool {
        guard let next = pattern.first, !text.isEmpty else {
            return text.isEmpty && owing <= 0 && (isCut || pattern.isEmpty)
        }
        if next == hole {
            return text.indices.contains { matches(pattern.dropFirst(), text[($0 + 1)...], isCut, owing: owing) }
        }
        return text.first == next && matches(pattern.dropFirst(), text.dropFirst(), isCut, owing: owing - 1)
    }

    /// Of a source file, those inside of others' holes too. A literal of several lines is one for each line that it makes.
    static func all(in source: String) -> [Literal] {
        var scanner = Scanner(source)
        return scanner.literals().flatMap { $0.split(separator: "\n").map { Literal(String($0)) } }
    }

    private struct Scanner {
        private let source: [Character]
        private var place = 0
        private var found: [String] = []

        init(_ source: String) {
            self.source = Array(source)
        }

        mutating func literals() -> [String] {
            code(until: nil)
            return found
        }

        private func sees(_ text: String) -> Bool { source[place...].starts(with: text) }

        /// Swift outside of a literal, up to the bracket that closes a hole.
        private mutating func code(until end: Character?) {
            var depth = 0
            while place < source.count {
                if sees("//") {
                    place = source[place...].firstIndex(of: "\n") ?? source.count
                } else if source[place] == "\"" {
                    literal()
                } else {
                    if source[place] == end, depth == 0 { return }
                    if source[place] == "(" { depth += 1 }
                    if source[place] == ")" { depth -= 1 }
                    place += 1
                }
            }
        }

        private mutating func literal() {
            let mark = sees("\"\"\"") ? "\"\"\"" : "\""
            place += mark.count
            var text = ""
            while place < source.count, !sees(mark) {
                if sees("\\(") {
                    place += 2
                    code(until: ")")
                    place += 1
                    text.append(Literal.hole)
                } else if sees("\\\n") {
                    place += 2
                    while place < source.count, source[place] == " " { place += 1 }
                } else if source[place] == "\\" {
                    place += 2
                } else {
                    text.append(source[place])
                    place += 1
                    if text.hasSuffix("\n") { while place < source.count, source[place] == " " { place += 1 } }
                }
            }
            place += mark.count
            found.append(text)
        }
    }
}
