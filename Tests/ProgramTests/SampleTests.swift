import Foundation
import TestSupport
import Testing

/// samples/ holds what the real `plimsoll capture` writes of the sample hosts; `RENEW_GOLDEN=1 swift test` writes it anew.
struct SampleTests {
    @Test("On a page of a few columns no line is wider than it", arguments: 1...12)
    func narrowest(_ columns: Int) throws {
        // Found by fuzzing: the bar had five columns on any page.
        for arguments in [["ledger"], ["stats"], ["ps"], ["fit", "1GiB"]] {
            let file = Build.package.appending(path: "samples/server.json").path
            let output = try run(arguments + ["--replay", file], environment: ["COLUMNS": String(columns)]).output
            for line in output.split(separator: "\n") { #expect(line.count <= columns, "\(arguments): \(line)") }
        }
    }

    @Test("The recordings in samples/ are what capture writes of those hosts", arguments: SampleHost.allCases)
    func recorded(_ sample: SampleHost) throws {
        let host = try sample.make().start()
        let captured = try host.plimsoll("capture", "-")
        #expect(captured.code == 0)
        #expect(captured.errors == "")
        #expect(!captured.output.contains("secret"))
        try expectGolden(Self.settled(captured.output, sample), "../../samples/\(sample.rawValue).json")
    }

    /// What is of the moment and the machine that ran the test is put to what the sample tells.
    static func settled(_ json: String, _ sample: SampleHost) -> String {
        var text = json
        text.replace(/"time" : \d+/, with: "\"time\" : 1793591200000")
        text.replace(/"host" : "[^"]*"/, with: "\"host\" : \"\(sample.rawValue)\"")
        text.replace(/"seconds" : [-0-9.e]+/, with: "\"seconds\" : 0.003")
        text.replace(/"owner" : \d+/, with: "\"owner\" : 0")
        text.replace(/("[^"]*:\\?\/[^"]*") : \d+/) { "\($0.1) : 0" }
        for (number, name) in SampleHost.users {
            text.replace("\"user\" : \"\(number)\"", with: "\"user\" : \"\(name)\"")
        }
        return text
    }
}

/// Every output shape of the real program, at the widths that people have.
struct GoldenTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        var name: String
        var arguments: [String]
        var testDescription: String { name }
    }

    static let shapes = [
        Shape(name: "ledger", arguments: ["ledger"]), Shape(name: "stats", arguments: ["stats", "--all"]),
        Shape(name: "ps", arguments: ["ps"]),
    ]

    struct Look: Sendable {
        var name: String
        var environment: [String: String]
    }

    static let looks = [
        Look(name: "80", environment: ["COLUMNS": "80"]), Look(name: "120", environment: ["COLUMNS": "120"]),
        Look(name: "20", environment: ["COLUMNS": "20"]), Look(name: "pipe", environment: [:]),
        Look(name: "ascii", environment: ["COLUMNS": "80", "LANG": "C"]),
    ]

    private func replay(_ sample: SampleHost, _ arguments: [String], _ environment: [String: String] = [:]) throws
        -> String
    {
        let file = Build.package.appending(path: "samples/\(sample.rawValue).json").path
        let result = try run(arguments + ["--replay", file], environment: environment)
        #expect(result.code == 0)
        #expect(result.errors == "")
        return result.output
    }

    @Test("Tables at every width", arguments: SampleHost.allCases, shapes)
    func tables(_ sample: SampleHost, _ shape: Shape) throws {
        for look in Self.looks {
            let output = try replay(sample, shape.arguments, look.environment)
            try expectGolden(output, "\(sample.rawValue)/\(shape.name)-\(look.name).txt")
            if let width = look.environment["COLUMNS"].flatMap({ Int($0) }) {
                let longest = output.split(separator: "\n").map(\.count).max() ?? 0
                #expect(longest <= width, "\(shape.name) at \(look.name)")
            }
            if look.name == "ascii" { #expect(output.utf8.allSatisfy { $0 < 0x80 }) }
        }
    }

    @Test("JSON, and what Docker's templates make", arguments: SampleHost.allCases)
    func machineReadable(_ sample: SampleHost) throws {
        try expectGolden(replay(sample, ["ledger", "--format", "json"]), "\(sample.rawValue)/ledger.json")
        try expectGolden(replay(sample, ["stats", "--format", "json"]), "\(sample.rawValue)/stats.jsonl")
        try expectGolden(replay(sample, ["ps", "--format", "json"]), "\(sample.rawValue)/ps.jsonl")
        let template =
            #"table {{.Name}}\t{{.GPU}}\t{{.GPUMem}}\t{{.RAMLimit}}\t{{.Label "com.docker.compose.project"}}"#
        try expectGolden(replay(sample, ["stats", "--format", template]), "\(sample.rawValue)/stats-template.txt")
    }

    @Test("Whose a PID is, of the host and from inside a container")
    func whose() throws {
        try expectGolden(replay(.workstation, ["whose", "4242", "87", "1212"]), "workstation/whose.txt")
        try expectGolden(replay(.server, ["whose", "39999", "211"]), "server/whose.txt")
    }

    @Test("Every device's column adds up to the card, to the byte", arguments: SampleHost.allCases)
    func addsUp(_ sample: SampleHost) throws {
        let json = try replay(sample, ["ledger", "--format", "json"])
        let document = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        for device in try #require(document["devices"] as? [[String: Any]]) {
            let memory = try #require(device["memory"] as? [String: Any])
            let ledger = try #require(device["ledger"] as? [String: Any])
            func bytes(_ object: [String: Any], _ key: String) throws -> Int64 {
                try #require(object[key] as? NSNumber).int64Value
            }
            let terms = try ["containers", "host", "gone", "hidden", "instances", "unattributed"].map {
                try bytes(ledger, $0 + "Bytes")
            }
            #expect(terms.reduce(0, +) == (try bytes(memory, "usedBytes")))
            let parts = try ["used", "reserved", "free"].map { try bytes(memory, $0 + "Bytes") }
            #expect(parts.reduce(0, +) == (try bytes(memory, "totalBytes")))
        }
    }
}

struct DocumentTests {
    @Test("The README shows what the program prints")
    func readme() throws {
        let readme = try String(contentsOf: Build.package.appending(path: "README.md"), encoding: .utf8)
        let file = Build.package.appending(path: "samples/workstation.json").path
        let output = try run(["--replay", file], environment: ["COLUMNS": "98"]).output
        let first = output.components(separatedBy: "\n\n")[0]
        #expect(readme.contains("$ plimsoll\n\(first)\n```"))
    }

    @Test("The manual page is what the help texts say")
    func manual() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let script = Build.package.appending(path: "scripts/manual.sh").path
        let made = try run(program: "/bin/sh", [script, scratch.url.path])
        #expect(made.code == 0, "\(made.errors)")
        let written = try String(contentsOf: Build.package.appending(path: "docs/man/plimsoll.1"), encoding: .utf8)
        #expect(try String(contentsOfFile: scratch.path("plimsoll.1"), encoding: .utf8) == written)
    }
}
