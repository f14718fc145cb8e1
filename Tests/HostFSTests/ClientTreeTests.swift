import Foundation
import Ledger
import SeededGenerator
import TestSupport
import Testing

@testable import HostFS

/// Made-up /proc trees with clients that are shared, doubled and alike on several devices, and what the ledger must say of them,
/// worked out client by client.
struct ClientTreeTests {
    private struct Client {
        var device: Int
        var id: Int
        var bytes: Int
        var holders: [Int]
    }

    private static func id(_ container: Int) -> String { HostTree.id(container) }

    /// One amount, told in the ways that kernels have told it, the later ones beside a total that is larger.
    private static func memory(_ bytes: Int, _ generator: inout SeededGenerator) -> String {
        let amount = [
            "\(bytes)", "\(bytes >> 10) KiB", bytes % (1 << 20) == 0 ? "\(bytes >> 20) MiB" : "\(bytes >> 10) KiB",
        ][generator.up(to: 2)]
        switch generator.up(to: 3) {
        case 0: return "drm-memory-vram:\t\(amount)\n"
        case 1: return "drm-total-vram:\t\(bytes * 3)\ndrm-resident-vram:\t\(amount)\n"
        case 2:
            return
                "drm-total-vram:\t\(bytes * 2)\ndrm-shared-vram:\t\(amount)\ndrm-resident-vram:\t\(amount)\n"
                + "drm-memory-vram:\t\(amount)\ndrm-resident-gtt:\t999 MiB\n"
        default: return "drm-total-vram0:\t0\ndrm-resident-vram: \t\(amount)\ndrm-total-cycles-vram:\t77\n"
        }
    }

    @Test("No client counts twice, and each with who opened it", arguments: 0..<120)
    func tree(_ seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed) &+ 0x9E37)
        let host = try HostTree()
        let devices = 1 + generator.up(to: 2)
        var started: [Int: Int] = [:]
        var place: [Int: Int] = [:]
        for _ in 0...(3 + generator.up(to: 8)) {
            let pid = 10 + generator.up(to: 500)
            guard started[pid] == nil else { continue }
            started[pid] = 100 + generator.up(to: 20)
            place[pid] = generator.up(to: 3)
            let cgroup = place[pid] == 0 ? "0::/user.slice" : "0::/docker/\(Self.id(place[pid]!))"
            try host.process(pid, "p\(pid)", cgroup: cgroup, started: Double(started[pid]!))
            try host.scratch.link("proc/\(pid)/fd/0", to: "/dev/null")
            try host.scratch.link("proc/\(pid)/fd/1", to: "/home/renderD128")
        }
        let pids = started.keys.sorted()
        var clients: [Client] = []
        for _ in 0...generator.up(to: 12) {
            let client = Client(
                device: generator.up(to: devices - 1), id: 1 + generator.up(to: 5),
                bytes: (1 + generator.up(to: 4000)) << 10,
                holders: Array(Set((0...generator.up(to: 2)).map { _ in pids[generator.up(to: pids.count - 1)] }))
                    .sorted())
            if clients.contains(where: { $0.device == client.device && $0.id == client.id }) { continue }
            clients.append(client)
            for pid in client.holders {
                for _ in 0...generator.up(to: 2) {
                    let fd = 1000 + client.device * 1000 + client.id * 100 + generator.up(to: 99)
                    if FileManager.default.fileExists(atPath: host.scratch.path("proc/\(pid)/fdinfo/\(fd)")) {
                        continue
                    }
                    let node = generator.up(to: 3) == 0 ? "card\(client.device)" : "renderD\(128 + client.device)"
                    try host.scratch.link("proc/\(pid)/fd/\(fd)", to: "/dev/dri/\(node)")
                    try host.scratch.write(
                        "drm-driver:\tamdgpu\ndrm-client-id:\t\(client.id)\ndrm-pdev:\t0000:0\(client.device + 1):00.0\n"
                            + Self.memory(client.bytes, &generator), to: "proc/\(pid)/fdinfo/\(fd)")
                }
            }
        }

        let proc = ProcFS(root: host.scratch.path("proc"))
        let list = try ClientScan(proc).read()
        let snapshot = Snapshot(
            Observation(
                time: 0, host: "", view: ProcessView(),
                devices: (0..<devices).map { device in
                    ObservedDevice(
                        index: "\(device)", vendor: .amd, uuid: "\(device)", pci: "0000:0\(device + 1):00.0",
                        memory: .unknown(.fact(.notAsked)), driver: "amdgpu",
                        minors: [UInt32(device), UInt32(128 + device)],
                        utilizationPercent: .unknown(.fact(.notAsked)), compute: .absent)
                },
                processes: pids.compactMap { proc.process(UInt32($0)) }, clients: .known(list)))

        for device in 0..<devices {
            let there = clients.filter { $0.device == device }
            var owed: [Int: Int] = [:]
            for client in there {
                let owner = client.holders.min { (started[$0]!, $0) < (started[$1]!, $1) }!
                owed[place[owner]!, default: 0] += client.bytes
            }
            let ledger = snapshot.devices[device].ledger
            #expect(ledger.host == Bytes(owed[0] ?? 0), "the host's on \(device)")
            #expect(
                ledger.containers == Bytes(owed.filter { $0.key > 0 }.values.reduce(0, +)), "containers on \(device)")
            #expect(snapshot.devices[device].memory.used == Bytes(there.map(\.bytes).reduce(0, +)), "sum of \(device)")
            for container in 1...3 {
                let usage = snapshot.containers.first { $0.id == Self.id(container) }?.usage.first {
                    $0.device == device
                }
                #expect((usage?.bytes ?? 0) == Bytes(owed[container] ?? 0), "container \(container) on \(device)")
            }
        }
    }

    @Test("What told nothing is not opened again while its process lives, and a new file under its number is")
    func silent() throws {
        let host = try HostTree()
        try host.process(50, "x", cgroup: "0::/", started: 10)
        try host.scratch.link("proc/50/fd/3", to: "/dev/dri/card0")
        try host.scratch.write("pos:\t0\n", to: "proc/50/fdinfo/3")
        let scan = ClientScan(ProcFS(root: host.scratch.path("proc")))
        #expect(try scan.read().clients.map(\.regions) == [[]])
        let client = "drm-driver:\tamdgpu\ndrm-client-id:\t1\ndrm-resident-vram:\t1 MiB\n"
        try host.scratch.write(client, to: "proc/50/fdinfo/3")
        #expect(try scan.read().clients.map(\.regions) == [[]])
        try FileManager.default.removeItem(atPath: host.scratch.path("proc/50/fd/3"))
        try host.scratch.link("proc/50/fd/3", to: "/dev/dri/renderD129")
        #expect(try scan.read().clients.map(\.minor) == [129])
        // Another process with its PID.
        try FileManager.default.removeItem(atPath: host.scratch.path("proc/50/fd/3"))
        try host.scratch.link("proc/50/fd/3", to: "/dev/dri/card0")
        try host.process(50, "y", cgroup: "0::/", started: 20)
        #expect(try scan.read().clients.map(\.startTick) == [2000])
    }
}

struct FDInfoTests {
    private func info(_ text: String) -> FDInfo { FDInfo(Array(text.utf8)[...]) }

    @Test(
        "An amount has a unit or counts bytes; what is none is unknown",
        arguments: [
            ("44564 KiB", 44564 << 10), ("3 MiB", 3 << 20), ("0", 0), ("0 KiB", 0), ("\t\t12  KiB  ", 12 << 10),
            ("77", 77),
            ("5 kB", 5 << 10), ("", nil), ("KiB", nil), ("-4 KiB", nil), ("4 KB", nil),
            ("18446744073709551615 KiB", nil),
            ("99999999999999999999", nil), ("1.5 MiB", nil),
        ] as [(String, UInt64?)])
    func amounts(_ text: String, _ bytes: UInt64?) {
        #expect(info("drm-resident-vram:\(text)\n").regions.first?.resident == bytes)
    }

    @Test("Cycles are no region, a blank before the tab is none of the key, and the first client id counts")
    func keys() {
        let told = info(
            "drm-driver:\txe\ndrm-client-id:\t7\ndrm-client-id:\t9\ndrm-total-cycles-rcs:\t5\ndrm-cycles-ccs:\t1\n"
                + "drm-memory-gtt: \t8 KiB\ndrm-engine-capacity-bcs:\t16\ndrm-engine-copy:\t4 ns\n")
        #expect(told.client == 7)
        #expect(told.regions == [DRMRegion(name: "gtt", memory: 8192)])
        #expect(told.hasComputed && !told.hasDrawn)
    }

    /// Captures and documents: rpi-gpu-usage (v3d), the commit "drm/v3d: Expose memory stats through fdinfo", the kernel's
    /// Documentation/gpu/panfrost.rst, and msm's keys, which are those of drm_show_memory_stats.
    @Test(
        "Boards' drivers tell no address, and resident where they have it, else total",
        arguments: [
            (
                "drm-driver:\tv3d\ndrm-client-id:\t14\ndrm-engine-csd:\t0 ns\ndrm-engine-render:\t1400777565939 ns\n"
                    + "drm-total-memory:\t74864 KiB\ndrm-shared-memory:\t31600 KiB\ndrm-active-memory:\t0\n"
                    + "drm-resident-memory:\t43264 KiB\ndrm-purgeable-memory:\t0\n", "v3d", 43264 << 10
            ),
            (
                "drm-driver:\tv3d\ndrm-client-id:\t3\nv3d-jobs-bin:\t98 jobs\ndrm-total-memory:\t15168 KiB\n"
                    + "drm-shared-memory:\t9336 KiB\ndrm-active-memory:\t0\n", "v3d", 15168 << 10
            ),
            (
                "drm-driver:\tpanfrost\ndrm-client-id:\t14\ndrm-engine-fragment:\t1846584880 ns\n"
                    + "drm-cycles-fragment:\t1424359409\ndrm-maxfreq-fragment:\t799999987 Hz\n"
                    + "drm-total-memory:\t290 MiB\ndrm-shared-memory:\t0 MiB\ndrm-active-memory:\t226 MiB\n"
                    + "drm-resident-memory:\t36496 KiB\ndrm-purgeable-memory:\t128 KiB\n", "panfrost", 36496 << 10
            ),
            (
                "drm-driver:\tmsm\ndrm-client-id:\t7\ndrm-engine-gpu:\t1734371319 ns\ndrm-cycles-gpu:\t1153645024\n"
                    + "drm-maxfreq-gpu:\t800000000 Hz\ndrm-total-memory:\t48 MiB\ndrm-resident-memory:\t32 MiB\n",
                "msm",
                32 << 20
            ),
        ] as [(String, String, UInt64)])
    func boards(_ text: String, _ driver: String, _ bytes: UInt64) {
        let told = info(text)
        #expect(told.driver == driver)
        #expect(told.pci == nil)
        #expect(told.regions.map(\.bytes) == [bytes])
        #expect(told.regions[0].isHosts)
        #expect(told.hasDrawn == !text.contains("jobs-bin"))
    }

    @Test("Resident before memory before total, never their sum")
    func order() {
        #expect(DRMRegion(name: "vram", resident: 1, memory: 2, total: 4).bytes == 1)
        #expect(DRMRegion(name: "vram", memory: 2, total: 4).bytes == 2)
        #expect(DRMRegion(name: "vram", total: 4).bytes == 4)
        #expect(DRMRegion(name: "vram").bytes == nil)
    }

    @Test("A node's address leaves the partition out, and numbers beyond 2⁶³ are whole")
    func node() throws {
        let text = "simd_count 152\nlocation_id 2563\ndomain 1\ndrm_render_minor 131\nunique_id 16404946649897475633\n"
        let node = try #require(KFDNode(kfdProperties(text), number: 5))
        #expect((node.pci, node.partition, node.renderMinor) == ("0001:0a:00.0", 3, 131))
        #expect(node.uniqueID == 16_404_946_649_897_475_633)
        #expect(KFDNode(kfdProperties("simd_count 0\nlocation_id 1\n"), number: 0) == nil)
    }

    @Test("Limits of max are no limit, and a region may be called anything")
    func dmem() {
        #expect(
            dmemTable("drm/0000:03:00.0/vram0 max\nnvidia/00000000:02:00.0/vidmem 5\ndmem_selftest 7\nx\n")
                == ["nvidia/00000000:02:00.0/vidmem": 5, "dmem_selftest": 7])
    }
}

extension SeededGenerator {
    /// 0 to `most`.
    fileprivate mutating func up(to most: Int) -> Int { below(most + 1) }
}
