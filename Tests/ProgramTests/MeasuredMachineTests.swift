import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20

/// Real machines: what `measure` reported of them, and what was recorded there.
struct MeasuredMachineTests {
    @Test("The simulated H100 has the amounts that a real one had, step by step")
    func simulated() throws {
        let file = Build.package.appending(path: "docs/measured/h100-580.159.04.json").path
        let real = try JSONDocument(String(contentsOfFile: file, encoding: .utf8))
        let steps = [
            "memory-calls", "reserved", "ledger", "check", "context", "rounding", "killed-holder", "ipc", "managed",
        ]
        let simulated = try MeasureHost(try HostTree(simulating: "h100-r580")).measure(steps)
        for step in real["steps"].elements where steps.contains(step["name"].string ?? "") {
            let name = step["name"].string!
            let (ours, theirs) = (amounts(simulated.step(name)), amounts(step))
            #expect(ours == theirs && !theirs.isEmpty, "\(name)")
        }
    }

    /// What does not depend on time.
    private func amounts(_ step: JSONDocument?) -> [String] {
        (step?["seen"].elements ?? []).flatMap { item -> [String] in
            let name = item["name"].string ?? ""
            if let bytes = item["bytes"].integer { return ["\(name) \(bytes)"] }
            return item["charges"].elements.map { "\($0["askedBytes"].integer!) \($0["chargedBytes"].integer!)" }
        }
    }

    @Test(
        "A recording of a real H100: the ledger has what nvidia-smi showed at that moment, and 3 GiB of managed memory as nobody's"
    )
    func recording() throws {
        let path = Build.package.appending(path: "Tests/Recordings/h100-580.159.04.json").path
        let document = try run(["--format", "json", "--replay", path]).document()
        let device = document["devices"][0]
        // nvidia-smi: 81559, 11816, 480 and 69263 MiB.
        #expect(device["memory"]["totalBytes"].integer == 81559 * mebibyte)
        #expect(device["memory"]["reservedBytes"].integer == 480 * mebibyte)
        #expect(abs((device["memory"]["usedBytes"].integer ?? 0) - 11816 * mebibyte) <= mebibyte)
        let held = document["processes"].elements.map {
            ($0["pid"].integer ?? 0, ($0["bytes"].integer ?? 0) / mebibyte)
        }
        #expect(held.map(\.0) == [1929, 1915, 1917])
        #expect(held.map(\.1) == [6662, 1544, 518])
        let unattributed = device["ledger"]["unattributedBytes"].integer ?? 0
        #expect(unattributed > 3072 * mebibyte && unattributed < 3200 * mebibyte)
    }

    @Test("docs/measured.md is what the reports in docs/measured say")
    func page() throws {
        let script = Build.package.appending(path: "scripts/measured.py").path
        let result = try run(program: "/usr/bin/env", ["python3", script, "--check"])
        #expect(result.code == 0, "\(result.errors)")
    }

    @Test(
        "Reports are merged: a row for each machine and verdict, the newest of each; what is no report is refused by name"
    )
    func merged() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        func write(_ file: String, time: String, driver: String, _ verdict: String, bytes: Int) throws -> String {
            let seen = verdict == "not-tried" ? "" : #"{"name": "process", "bytes": \#(bytes)}"#
            try scratch.write(
                """
                {"schemaVersion": 1, "time": "\(time)", "kernel": "6.8", "nvidiaDriver": "\(driver)",
                 "gpus": [{"name": "NVIDIA A2"}],
                 "steps": [{"name": "context", "assumed": "93 to 555 MiB", "command": "plimsoll alloc", "verdict": "\(verdict)",
                            "seen": [\(seen)]}]}
                """, to: file)
            return scratch.path(file)
        }
        let files = [
            try write("a.json", time: "2026-11-01", driver: "550.1", "agrees", bytes: 100 << 20),
            try write("b.json", time: "2026-11-02", driver: "550.1", "differs", bytes: 700 << 20),
            try write("c.json", time: "2026-11-03", driver: "550.1", "not-tried", bytes: 0),
            try write("d.json", time: "2026-11-02", driver: "560.2", "agrees", bytes: 200 << 20),
        ]
        let script = Build.package.appending(path: "scripts/measured.py").path
        let table = try run(program: "/usr/bin/env", ["python3", script] + files).output
        let rows = table.split(separator: "\n").filter { $0.contains("NVIDIA A2") }
        #expect(
            rows == [
                "| `context` | 93 to 555 MiB | agrees | process 100MiB | NVIDIA A2, driver 550.1 |",
                "| | | **differs** | process 700MiB | NVIDIA A2, driver 550.1 |",
                "| | | agrees | process 200MiB | NVIDIA A2, driver 560.2 |",
            ])
        try scratch.write("{}", to: "bad.json")
        let bad = try run(program: "/usr/bin/env", ["python3", script, scratch.path("bad.json")])
        #expect(bad.code == 1)
        #expect(bad.errors.contains("bad.json is no report of plimsoll measure"))
    }
}
