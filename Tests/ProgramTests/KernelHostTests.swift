import Foundation
import TestSupport
import Testing

/// Hosts whose GPUs have drivers of the kernel: each a file in Tests/Hosts, where the README names what the forms of its files
/// are known from.
@Suite struct KernelHostTests {
    static let hosts = [
        "radeon", "instinct", "strix-halo", "mi300x-cpx", "arc-i915", "arc-xe", "xe-dmem", "igpu", "legacy",
        "shared-clients",
        "card10", "board", "nvidia-and-amd", "gb10", "r615-dmem",
    ]

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
