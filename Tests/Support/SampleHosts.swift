import Foundation

/// The two hosts whose recordings are in samples/: made up, after what people tell of theirs.
package enum SampleHost: String, CaseIterable, Sendable {
    case workstation, server

    package func make() throws -> HostTree {
        switch self {
        case .workstation: try Self.makeWorkstation()
        case .server: try Self.makeServer()
        }
    }

    /// People of these hosts; the numbers have no name on the machine that runs the tests.
    package static let users = ["65001": "mia", "65002": "jonas"]

    /// Two cards and six containers of Compose, on cgroup v2 with systemd, and a desktop.
    private static func makeWorkstation() throws -> HostTree {
        let host = try HostTree(uptime: "100000.00 1.00")
        let containers: [(seed: Int, name: String, image: String, project: String)] = [
            (1, "ollama", "ollama/ollama:0.12.6", "ai"), (2, "comfyui", "yanwk/comfyui-boot:cu126-slim", "ai"),
            (3, "immich_machine_learning", "ghcr.io/immich-app/immich-machine-learning:v2.1.0-cuda", "immich"),
            (4, "whisper", "onerahmet/openai-whisper-asr-webservice:latest-gpu", "ai"),
            (5, "frigate", "ghcr.io/blakeblackshear/frigate:0.16.2-tensorrt", "frigate"),
            (6, "jupyter", "quay.io/jupyter/pytorch-notebook:cuda12-latest", "lab"),
            (7, "immich_postgres", "ghcr.io/immich-app/postgres:14-vectorchord0.4.3", "immich"),
        ]
        for container in containers {
            let labels = [
                "com.docker.compose.project": container.project, "com.docker.compose.service": container.name,
                "traefik.http.middlewares.auth.basicauth.users": "mia:secret",
            ]
            host.container(HostTree.id(container.seed), container.name, container.image, labels: labels)
        }
        func scope(_ seed: Int) -> String { "/system.slice/docker-\(HostTree.id(seed)).scope" }
        try host.process(4242, "ollama", cgroup: "0::" + scope(1), started: 51_234, inside: [87])
            .process(4310, "python3", cgroup: "0::" + scope(2), started: 51_240, inside: [1])
            .process(4377, "python", cgroup: "0::" + scope(3), started: 51_251.5, inside: [12])
            .process(4420, "python3", cgroup: "0::" + scope(4), started: 51_300, inside: [1])
            .process(4501, "ffmpeg", cgroup: "0::" + scope(5), started: 60_000, inside: [311])
            .process(4502, "ffmpeg", cgroup: "0::" + scope(5), started: 60_001, inside: [312])
            .process(4433, "frigate.detecto", cgroup: "0::" + scope(5), started: 51_320, inside: [140])
            .process(7001, "python3.12", cgroup: "0::" + scope(6), started: 90_000, inside: [402], user: 65001)
            .process(1212, "Xorg", cgroup: "0::/user.slice/user-1000.slice/session-2.scope", started: 40)
            .process(
                1344, "gnome-shell", cgroup: "0::/user.slice/user-1000.slice/user@1000.service/session.slice/x.service",
                started: 44, user: 65001)
        for seed in 1...6 {
            try host.ramLimit(seed == 2 ? "34359738368" : "max", cgroup: scope(seed) + "/memory.max")
        }
        return host.card(
            "NVIDIA GeForce RTX 4090", uuid: "GPU-5d1f0c7e-31a4-4f0b-9a55-0e2f3c1b7a01", total: 24564,
            processes: [
                HostTree.listed(4242, 12_886), HostTree.listed(4310, 5204), HostTree.listed(4377, 1190),
                HostTree.listed(1212, 312, ["graphics"]), HostTree.listed(1344, 145, ["graphics", "compute"]),
            ], ["reservedMiB": 390, "unattributedMiB": 36, "utilization": 64]
        ).card(
            "NVIDIA GeForce RTX 3060", uuid: "GPU-a3c82f64-7be0-4c0d-8d0f-62b1c5d7ee02", total: 12288,
            processes: [
                HostTree.listed(4420, 3420), HostTree.listed(4501, 388), HostTree.listed(4502, 402),
                HostTree.listed(4433, 611), HostTree.listed(7001, 6012),
            ], ["reservedMiB": 247, "unattributedMiB": 21, "utilization": 7])
    }

    /// Eight GPUs on cgroup v1: Docker, a Kubernetes pod that Docker does not know, one GPU divided, a removed container
    /// whose memory is still held (vllm-omni#2317), and a process of which the driver does not tell how much.
    private static func makeServer() throws -> HostTree {
        let host = try HostTree(uptime: "100000.00 1.00")
        let containers: [(seed: Int, name: String, image: String)] = [
            (11, "train-llm", "nvcr.io/nvidia/pytorch:25.09-py3"), (12, "vllm-70b", "vllm/vllm-openai:v0.11.0"),
            (13, "embeddings", "ghcr.io/huggingface/text-embeddings-inference:1.8"),
            (14, "notebook-mia", "lab/notebook:7"), (15, "notebook-jonas", "lab/notebook:7"), (16, "redis", "redis:8"),
        ]
        for container in containers {
            host.container(HostTree.id(container.seed), container.name, container.image)
        }
        func docker(_ seed: Int) -> String {
            let id = HostTree.id(seed)
            return
                "12:memory:/docker/\(id)\n11:devices:/docker/\(id)\n1:name=systemd:/docker/\(id)\n0::/system.slice/containerd.service"
        }
        let pod =
            "12:memory:/kubepods/burstable/pod690705f9-df6e-11e9-8dc5-025000000001/\(HostTree.id(21))\n0::/"
        for (rank, pid) in (30_100..<30_104).enumerated() {
            try host.process(pid, "python3", cgroup: docker(11), started: 70_000 + Double(rank), inside: [41 + rank])
        }
        try host.process(41_000, "VLLM::Worker_TP", cgroup: docker(12), started: 80_000, inside: [211])
            .process(41_001, "VLLM::Worker_TP", cgroup: docker(12), started: 80_000.5, inside: [212])
            .process(42_000, "text-embeddings", cgroup: docker(13), started: 81_000, inside: [1])
            .process(43_000, "python3", cgroup: docker(14), started: 95_000, inside: [77], user: 65001)
            .process(43_500, "python3", cgroup: docker(15), started: 96_000, inside: [91], user: 65002)
            .process(44_000, "tritonserver", cgroup: pod, started: 82_000, inside: [1])
            .process(2100, "nv-hostengine", cgroup: "1:name=systemd:/system.slice/dcgm.service\n0::/", started: 60)
        let pods = "/memory/kubepods/burstable/pod690705f9-df6e-11e9-8dc5-025000000001/\(HostTree.id(21))"
        for folder in (11...15).map({ "/memory/docker/\(HostTree.id($0))" }) + [pods] {
            let isTrainer = folder.contains(HostTree.id(11))
            try host.ramLimit(
                isTrainer ? "549755813888" : "9223372036854771712", cgroup: folder + "/memory.limit_in_bytes")
        }
        func card(_ index: Int, _ processes: [[String: Any]], _ more: [String: Any] = [:]) {
            var all: [String: Any] = ["reservedMiB": 593, "unattributedMiB": 4, "utilization": index < 6 ? 99 : 12]
            all.merge(more) { $1 }
            host.card(
                "NVIDIA A100-SXM4-80GB", uuid: "GPU-e4f8a0\(index)0-2c11-4f6e-8b0a-5f1d9c3a770\(index)", total: 81920,
                processes: processes, all)
        }
        for (index, pid) in (30_100..<30_104).enumerated() {
            card(index, [HostTree.listed(pid, 71_404 + 2 * index)])
        }
        card(4, [HostTree.listed(41_000, 74_210)])
        card(5, [HostTree.listed(41_001, 51_680), HostTree.listed(39_999, 22_528)])
        card(6, [HostTree.listed(42_000, 2318), HostTree.listed(44_000, 9876), HostTree.listed(2100, nil)])
        let instances: [[String: Any]] = [
            [
                "uuid": "MIG-0b8a6b3c-7d0e-5a1f-9c55-1f2e3d4c5b01", "slot": 0, "gpuInstance": 1, "computeInstance": 0,
                "totalMiB": 40192, "unattributedMiB": 38, "processes": [HostTree.listed(43_000, 18_422)],
            ],
            [
                "uuid": "MIG-6f1c2d3e-4b5a-5697-8899-aabbccddee02", "slot": 1, "gpuInstance": 2, "computeInstance": 0,
                "totalMiB": 40192, "unattributedMiB": 38, "processes": [HostTree.listed(43_500, 3154)],
            ],
        ]
        card(7, [], ["instances": instances])
        return host
    }
}
