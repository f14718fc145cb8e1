import Foundation
import TestSupport
import Testing

/// Names that are wider than they have characters. TextWidthTests has more.
private let names: [(kind: String, name: String)] = [
    ("Hangul", String(repeating: "\u{1100}", count: 26)), ("emoji", String(repeating: "✅", count: 26)),
]
/// As we are, and as root the first also as a user without rights.
private let attacks: [(kind: String, name: String, user: String?)] =
    names.map { ($0.kind, $0.name, nil) } + (getuid() == 0 ? [(names[0].kind, names[0].name, "65534")] : [])
private let forged = "plimsoll:forged"

@Suite("No line wraps on a terminal, so that no name begins one", .serialized)
struct TerminalTextTests {
    /// A host with a container that only its cgroup names, as any user can make one who has a cgroup, and a process.
    private func host(_ name: String) throws -> RunningHost {
        let tree = try HostTree()
        try tree.process(4242, name + forged, cgroup: "0::/lxc.payload.\(name)\(forged)", user: 1000)
        try tree.process(4343, name + forged, cgroup: "0::/user.slice", user: 1000)
        tree.card(
            "RTX", uuid: "GPU-0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", total: 24564,
            processes: [HostTree.listed(4242, 2048), HostTree.listed(4343, 1024)])
        return try tree.start()
    }

    /// What a person sees who types these commands: the lines that they wrote, without what steers the terminal.
    private func lines(
        of commands: [[String]], _ host: RunningHost, columns: UInt16, as user: String? = nil,
        environment more: [String: String] = [:]
    ) throws -> [String] {
        let terminal = try PseudoTerminal(columns: columns, rows: columns == 0 ? 0 : 40)
        chmod(host.tree.scratch.url.path, 0o755)
        chmod(host.engine.path, 0o777)
        let script = commands.map { command in
            ([Build.plimsoll] + command).map { "'\($0)'" }.joined(separator: " ")
        }.joined(separator: "\n")
        let words =
            (user.map { ["/usr/bin/setpriv", "--reuid=\($0)", "--regid=\($0)", "--clear-groups"] } ?? [])
            + ["/bin/sh", "-c", script]
        let process = try launch(
            program: words[0], Array(words.dropFirst()),
            environment: host.environment.merging(["LANG": "C.UTF-8", "TERM": "xterm"]) { $1 }
                .merging(more) { $1 }, input: FileHandle.nullDevice, output: terminal.slave, errors: terminal.slave)
        let text = terminal.reader.read { _ in !process.isRunning } + terminal.reader.rest()
        let plain = text.replacing(/\u{1B}\[[0-9]*[A-Za-z]/, with: "\n")
        return plain.unicodeScalars.split { ["\r", "\n"].contains($0) }.map { String($0) }
    }

    private let few = [["ledger"], ["fit", "1TiB"], ["wait", "22GiB", "--for", "1"]]

    private func expectFit(_ lines: [String], _ columns: Int, _ what: String) {
        #expect(!lines.isEmpty, "\(what)")
        for line in lines {
            #expect(TerminalWidth.columns(line) <= columns, "\(what): \(line)")
            #expect(!line.hasPrefix(forged), "\(what): \(line)")
        }
    }

    @Test(
        "Every row and every message stays on its line, however wide a name's characters are", arguments: attacks)
    func wideNames(_ attack: (kind: String, name: String, user: String?)) throws {
        try #require(TerminalWidth.isKnown, "this machine has no UTF-8 locale")
        let host = try host(attack.name)
        let commands = [
            ["ledger"], ["stats", "--no-stream"], ["ps"], ["whose", "4242"], ["fit", "1TiB"], ["fit", "1GiB"],
            ["stats", "--no-stream", "--format", #"table {{.Name}}\t{{.GPUMem}}"#],
            ["stats", "--no-stream", attack.name],
            ["capture", "/nowhere/\(attack.name)/\(attack.name)\(forged)"], ["wait", "22GiB", "--for", "1"],
        ]
        for columns in [120, 60] {
            let shown = try lines(of: commands, host, columns: UInt16(columns), as: attack.user)
            expectFit(shown, columns, "\(attack.kind) on \(columns) columns")
            let letter = attack.name.unicodeScalars.first
            #expect(shown.joined().unicodeScalars.filter { $0 == letter }.count > 100, "\(shown)")
        }
    }

    @Test("A message is folded on a terminal, with nothing left out; in a pipe it stays on its line")
    func folded() throws {
        let host = try host("a-name-of-many-letters-that-takes-a-whole-line-together-with-the-rest-")
        let piped = try host.plimsoll("fit", "22GiB").errors
        #expect(piped.split(separator: "\n").count == 1)
        let shown = try lines(of: [["fit", "22GiB"]], host, columns: 60)
        expectFit(shown, 60, "fit")
        #expect(shown.count > 1)
        #expect(shown.dropFirst().allSatisfy { $0.hasPrefix("  ") })
        #expect(shown.joined().filter { $0 != " " } == piped.filter { $0 != " " && $0 != "\n" })
    }

    @Test("A terminal that does not tell its width is taken for one of 80 columns, or of COLUMNS")
    func unknownWidth() throws {
        let host = try host(String(repeating: "a", count: 60))
        expectFit(try lines(of: few, host, columns: 0), 80, "no width")
        expectFit(try lines(of: few, host, columns: 0, environment: ["COLUMNS": "50"]), 50, "COLUMNS")
    }

    @Test("A terminal that is not in UTF-8 gets no other characters, in messages too")
    func otherCharacters() throws {
        let host = try host("größe\u{1100}")
        let shown = try lines(of: few, host, columns: 80, environment: ["LANG": "C"])
        #expect(shown.count > 5 && shown.joined().unicodeScalars.allSatisfy { $0.isASCII }, "\(shown)")
    }
}
