import FoundationEssentials
import Glibc
import Ledger
import Rendering
import Sampling

extension Target {
    /// Of the samples, as they are in the repository: this program is run from its top.
    private static let samples = [
        "workstation", "server", "wsl2", "mps", "shared-memory", "unified-memory", "in-container",
    ]

    static let recording = Target(
        name: "recording", inputs: 120_000,
        corpus: Corpus(
            seeds: samples.map { name in
                guard let text = try? String(contentsOf: URL(filePath: "samples/\(name).json"), encoding: .utf8) else {
                    print("fuzz: samples/\(name).json is not here; run this from the top of the repository")
                    exit(64)
                }
                return text
            },
            words: [
                "\"", "{", "}", "[", "]", ",", ":", "null", "true", "false", "\"value\" : ", "\"reason\" : ",
                "\"pid\" : ",
                "\"bytes\" : ", "\"index\" : \"0\"", "\"parentIndex\" : \"0\"", "\"gpuInstance\" : 1", "\\u0000",
                "\\u001b",
                "\"total\" : ", "\"time\" : ", "\"ticksPerSecond\" : ", "\"cgroup\" : ",
            ], limit: 32768)
    ) { input in
        guard let observation = try? Recording.decode(input, path: "r.json") else { return nil }
        // Every second one redacted: it holds as much.
        let taken = input.count % 2 == 0 ? observation : observation.redacted
        return wrongSnapshot(Snapshot(taken), width: 1 + input.count % 200)
    }
}

/// The JSON of a snapshot is JSON, and its numbers are the snapshot's.
func readingBack(_ snapshot: Snapshot) -> String? {
    struct Document: Decodable {
        struct Device: Decodable {
            struct Memory: Decodable { var usedBytes: Int64? }
            struct Ledger: Decodable { var unattributedBytes: Int64? }
            var index: String
            var memory: Memory
            var ledger: Ledger
        }
        struct Process: Decodable {
            var pid: Int64
            var bytes: Int64?
        }
        var devices: [Device]
        var processes: [Process]
    }
    let text = snapshot.json.text(indented: true)
    guard let document = try? JSONDecoder().decode(Document.self, from: Data(text.utf8)) else {
        return "the JSON is none: \(text.prefix(2000))"
    }
    guard document.devices.map(\.memory.usedBytes) == snapshot.devices.map(\.memory.used),
        document.devices.map(\.ledger.unattributedBytes) == snapshot.devices.map(\.ledger.unattributed),
        document.devices.map(\.index) == snapshot.devices.map(\.index),
        document.processes.map(\.bytes) == snapshot.processes.map(\.bytes)
    else { return "the JSON tells other numbers than the snapshot" }
    return nil
}
