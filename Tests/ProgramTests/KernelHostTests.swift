import Foundation
import TestSupport
import Testing

/// Hosts whose GPUs have kernel drivers: each is a file in Tests/Hosts. The README there names the sources of the file formats.
@Suite struct KernelHostTests {
    /// Every file in Tests/Hosts.
    static let hosts: [String] = {
        let folder = Build.package.appending(path: "Tests/Hosts").path
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return files.filter { $0.hasSuffix(".host") }.map { String($0.dropLast(".host".count)) }.sorted()
    }()

    @Test func hostsAreFound() { #expect(Self.hosts.contains("radeon")) }

    @Test(arguments: hosts) func aHostIsShownAsItsGoldenFilesSay(_ name: String) throws {
        let host = try HostTree(file: name).startAsIs()
        for (arguments, file) in [
            (["ledger"], "ledger.txt"), (["ledger", "--format", "json"], "ledger.json"),
            (["stats", "--no-stream", "-a"], "stats.txt"), (["ps"], "ps.txt"),
        ] {
            let result = try host.plimsoll(arguments, environment: ["COLUMNS": "100"])
            #expect(result.code == 0, "\(arguments): \(result.errors)")
            var text = result.output + (result.errors.isEmpty ? "" : "--- standard error\n" + result.errors)
            if file.hasSuffix(".json") { text = steady(text) }
            try expectGolden(text, "hosts/\(name)/\(file)")
        }
        let recording = host.tree.scratch.path("recording.json")
        #expect(try host.plimsoll("capture", recording).code == 0)
        let (live, replayed) = (
            try host.plimsoll("ledger", "--format", "json"),
            try run(["ledger", "--format", "json", "--replay", recording])
        )
        #expect(steady(live.output) == steady(replayed.output))
    }
}

/// Without what differs from run to run.
func steady(_ json: String) -> String {
    json.replacing(#/"(time|host)": "[^"]*"/#) { "\"\($0.output.1)\": \"…\"" }
        .replacing(#/"seconds": [0-9.e-]+/#, with: "\"seconds\": 0")
        .replacing(#/\/tmp\/plimsoll-test-[0-9A-F]{8}/#, with: "…")
}
