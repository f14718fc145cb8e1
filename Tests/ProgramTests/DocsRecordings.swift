import Foundation
import TestSupport
import Testing

/// The hosts that docs/ explains things with: made up, after what people tell of theirs.
/// `RENEW_GOLDEN=1 swift test` writes their recordings in samples/ anew.
enum DocsHost: String, CaseIterable, Sendable {
    case inContainer = "in-container"
    case inContainerOldDriver = "in-container-old-driver"
    case wsl2
    case mps
    case sharedMemory = "shared-memory"
    case managedMemory = "managed-memory"
    case unifiedMemory = "unified-memory"

    func make() throws -> HostTree {
        switch self {
        case .inContainer: try Self.insideComfyUI(processes: [HostTree.listed(1, 5204)], others: 14_569)
        case .inContainerOldDriver: try Self.insideComfyUI(processes: Self.ofWorkstation, others: 36)
        case .wsl2: try Self.windows()
        case .mps: try Self.multiProcessService()
        case .sharedMemory: try Self.sharing()
        case .managedMemory: try Self.managed()
        case .unifiedMemory: try Self.unified()
        }
    }

    /// What the driver says of itself, and whether an engine can be asked.
    var driver: String { self == .inContainerOldDriver ? "525.147.05" : "550.144.03" }
    var hasEngine: Bool { self != .inContainer && self != .inContainerOldDriver }

    /// MiB of the first GPU that the driver lists for two processes. The simulator itself lists memory for one.
    var sharedMiB: Int { self == .sharedMemory ? 8192 : 0 }

    /// A container of Docker on cgroup v2, without a RAM limit, and its one process.
    private static func run(
        _ seed: Int, _ name: String, _ image: String, _ pid: Int, _ process: String, inside: Int = 1, on host: HostTree
    ) throws {
        let scope = "/system.slice/docker-\(HostTree.id(seed)).scope"
        host.container(HostTree.id(seed), name, image)
        try host.process(pid, process, cgroup: "0::" + scope, inside: [inside])
        try host.ramLimit("max", cgroup: scope + "/memory.max")
    }

    /// The first card of samples/workstation.json.
    private static var ofWorkstation: [[String: Any]] {
        [
            HostTree.listed(4242, 12_886), HostTree.listed(4310, 5204), HostTree.listed(4377, 1190),
            HostTree.listed(1212, 312, ["graphics"]), HostTree.listed(1344, 145, ["graphics", "compute"]),
        ]
    }

    /// The same workstation at the same moment, read inside its container `comfyui`, which was started without --pid=host.
    private static func insideComfyUI(processes: [[String: Any]], others: Int) throws -> HostTree {
        let host = try HostTree()
        try host.process(1, "python3", cgroup: "0::/", started: 51_240)
        let id = HostTree.id(2)
        try host.scratch.write(
            "812 790 8:1 /var/lib/docker/containers/\(id)/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw\n",
            to: "proc/self/mountinfo")
        let namespaces = host.scratch.path("proc/self/ns")
        let files = FileManager.default
        try files.createDirectory(atPath: namespaces, withIntermediateDirectories: true)
        for (name, inode) in [("pid", "4026532801"), ("cgroup", "4026532803")] {
            try files.createSymbolicLink(atPath: "\(namespaces)/\(name)", withDestinationPath: "\(name):[\(inode)]")
        }
        return host.card(
            "NVIDIA GeForce RTX 4090", uuid: "GPU-5d1f0c7e-31a4-4f0b-9a55-0e2f3c1b7a01", total: 24564,
            processes: processes, ["reservedMiB": 390, "unattributedMiB": others, "utilization": 64])
    }

    /// A list with a process and no amount, as on nvtop's issue 432.
    private static func windows() throws -> HostTree {
        let host = try HostTree()
        try host.scratch.write("Linux version 6.6.87.2-microsoft-standard-WSL2 (root@x) #1 SMP\n", to: "proc/version")
        try run(31, "ollama", "ollama/ollama:0.12.6", 812, "ollama", on: host)
        return host.card(
            "NVIDIA GeForce RTX 4070", uuid: "GPU-0f6a1d52-6a0e-4f0c-8d3b-7c1b2a9e4f01", total: 12282,
            processes: [HostTree.listed(812, nil)],
            ["reservedMiB": 240, "unattributedMiB": 8913, "utilization": 31])
    }

    /// The amounts of nvidia-docker's issue 868: the server's own context, and clients that `nvidia-smi` calls M+C.
    private static func multiProcessService() throws -> HostTree {
        let host = try HostTree()
        try run(41, "nbody-1", "nvidia/samples:nbody", 51_818, "nbody", on: host)
        try run(42, "nbody-2", "nvidia/samples:nbody", 51_902, "nbody", on: host)
        try host.process(45_865, "nvidia-cuda-mps", cgroup: "0::/system.slice/nvidia-mps.service", started: 300)
        return host.card(
            "Tesla V100-SXM2-16GB", uuid: "GPU-9b1c7d20-52f1-4a3e-b1d7-1f0e5a6c8d01", total: 16160,
            processes: [
                HostTree.listed(45_865, 418), HostTree.listed(51_818, 438, ["compute", "mps"]),
                HostTree.listed(51_902, 438, ["compute", "mps"]),
            ], ["reservedMiB": 332, "unattributedMiB": 2, "utilization": 100])
    }

    /// A model that one container loads and another opens over CUDA IPC.
    private static func sharing() throws -> HostTree {
        let host = try HostTree()
        try run(51, "trainer", "lab/rl:3", 6100, "python3", on: host)
        try run(52, "sampler", "lab/rl:3", 6200, "python3", on: host)
        return host.card(
            "NVIDIA RTX A6000", uuid: "GPU-3e7f9a14-0c2b-4d58-9e61-5b8a7c3d2f01", total: 49140,
            processes: [HostTree.listed(6100, 17_512), HostTree.listed(6200, 9042)],
            ["reservedMiB": 548, "unattributedMiB": 36, "utilization": 88])
    }

    /// The amounts of pynvml's issue 63: 60 GB from cudaMallocManaged, of which the driver tells 5 GB of the process.
    private static func managed() throws -> HostTree {
        let host = try HostTree()
        try run(61, "solver", "lab/solver:1", 7100, "solver", on: host)
        return host.card(
            "NVIDIA A100-SXM4-80GB", uuid: "GPU-c2d4e6f8-1a3b-4c5d-8e9f-0a1b2c3d4e01", total: 81920,
            processes: [HostTree.listed(7100, 4768)],
            ["reservedMiB": 593, "unattributedMiB": 52_460, "utilization": 100])
    }

    /// DGX Spark: the device tells no totals, and its processes have amounts (nvitop, issue 208; nvtop, issue 411).
    private static func unified() throws -> HostTree {
        let host = try HostTree()
        try host.scratch.write("MemTotal: 125526672 kB\nMemAvailable: 61865984 kB\n", to: "proc/meminfo")
        try run(71, "vllm", "vllm/vllm-openai:v0.11.0", 8100, "VLLM::EngineCor", inside: 92, on: host)
        try host.process(1900, "Xorg", cgroup: "0::/user.slice/user-1000.slice/session-2.scope", started: 40)
        return host.card(
            "NVIDIA GB10", uuid: "GPU-7a5b3c1d-9e8f-4a6b-8c7d-2e1f0a9b8c01", total: 0,
            processes: [HostTree.listed(8100, 41_216), HostTree.listed(1900, 88, ["graphics"])],
            ["faults": ["memory": 3], "utilization": 22])
    }
}

struct DocsRecordingTests {
    @Test("The recordings that docs/ replays are what capture writes of those hosts", arguments: DocsHost.allCases)
    func recorded(_ sample: DocsHost) throws {
        let host = try sample.make().start(["driver": sample.driver])
        let socket = host.tree.scratch.path("none.sock")
        let captured = try host.plimsoll(
            "capture", "-", environment: sample.hasEngine ? [:] : ["DOCKER_HOST": "unix://\(socket)"])
        #expect(captured.code == 0)
        #expect(captured.errors.isEmpty == sample.hasEngine)
        var text = SampleTests.settled(captured.output, .workstation)
        text.replace("\"host\" : \"workstation\"", with: "\"host\" : \"\(sample.rawValue)\"")
        text.replace(socket, with: "/var/run/docker.sock")
        try expectGolden(Self.shared(sample.sharedMiB << 20, in: text), "../../samples/\(sample.rawValue).json")
    }

    /// The recording of a card on which so many bytes were counted with two processes: used once, and the rest is free.
    private static func shared(_ bytes: Int, in json: String) -> String {
        guard bytes > 0 else { return json }
        return json.replacing(/"(used|free|total)" : (\d+)/) { match in
            let amount = (Int(match.2) ?? 0) + (match.1 == "used" ? -bytes : match.1 == "free" ? bytes : 0)
            return "\"\(match.1)\" : \(amount)"
        }
    }
}
