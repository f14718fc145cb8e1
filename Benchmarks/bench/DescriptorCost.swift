import FoundationEssentials
import Glibc
import Ledger
import Sampling

/// What a warm sample costs where every process's descriptors have to be looked at: 2,000 processes with ten each, of which 500 are a
/// Radeon's. They stand in a made-up /proc, since no real one has a GPU here.
struct DescriptorCost {
    let place: Workplace

    private static let processes = 2000
    private static let descriptors = 10
    private static let clients = 500
    private static let pause: UInt32 = 50
    private static let warmUp = 3

    func measure(_ report: inout Report, samples: Int) throws {
        let root = try makeHost()
        let sampler = Sampler(
            SamplingPlan(
                procfs: "\(root)/proc", sysfs: "\(root)/sys", nvmlLibrary: nil, deviceTimeout: 10, engineTimeout: 2),
            notify: { _ in })
        defer { sampler.finish() }
        var taken: [Double] = []
        for round in 0..<Self.warmUp + samples {
            try Interruption.check()
            usleep(Self.pause * 1000)
            let start = ContinuousClock.now
            let snapshot = Snapshot(sampler.observe())
            let took = (ContinuousClock.now - start) / .milliseconds(1)
            guard snapshot.processes.count == Self.clients / 2 else {
                throw Failure("a sample saw \(snapshot.processes.count) processes with clients")
            }
            if round >= Self.warmUp { taken.append(took) }
        }
        let told = try run(
            place.program("bench-descriptors"),
            ["\(root)/proc", String(Self.warmUp + samples), String(Self.pause)])
        let floor = told.split(whereSeparator: \.isNewline).dropFirst(Self.warmUp).compactMap { Double($0) }
        guard floor.count >= samples else { throw Failure("the floor of descriptors says: \(told)") }
        report.compare(
            "warm: 2,000 processes, 20,000 descriptors, 500 of a GPU", median(taken),
            median(Array(floor.prefix(samples))) / 1000,
            "ms", atMost: 2)
    }

    private func makeHost() throws -> String {
        let root = try place.makeFolder("descriptors")
        func write(_ text: String, to name: String) throws {
            try Data(text.utf8).write(to: URL(filePath: "\(root)/\(name)"))
        }
        func folder(_ name: String) throws { _ = try place.makeFolder("descriptors/\(name)") }
        let device = "sys/class/drm/card0/device"
        try folder(device)
        try folder("sys/class/drm/renderD128")
        try write("DRIVER=amdgpu\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0\n", to: "\(device)/uevent")
        try write("25753026560\n", to: "\(device)/mem_info_vram_total")
        try write("9663676416\n", to: "\(device)/mem_info_vram_used")
        symlink("../card0/device", "\(root)/sys/class/drm/renderD128/device")
        for number in 0..<Self.processes {
            let pid = "proc/\(1000 + number)"
            try folder("\(pid)/fd")
            try folder("\(pid)/fdinfo")
            try write(
                "\(1000 + number) (program) S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 5000 0 0 18446744073709551615\n",
                to: "\(pid)/stat")
            try write("0::/system.slice/program-\(number).service\n", to: "\(pid)/cgroup")
            try write("Uid:\t0\t0\t0\t0\nNSpid:\t\(1000 + number)\n", to: "\(pid)/status")
            for descriptor in 0..<Self.descriptors {
                let isClient = number < Self.clients / 2 && descriptor < 2
                let target =
                    isClient ? "/dev/dri/renderD128" : descriptor < 5 ? "/dev/null" : "socket:[\(number)\(descriptor)]"
                symlink(target, "\(root)/\(pid)/fd/\(descriptor)")
                guard isClient else { continue }
                try write(Self.fdinfo(number * 2 + descriptor), to: "\(pid)/fdinfo/\(descriptor)")
            }
        }
        return root
    }

    /// As a kernel of 6.13 or later writes it.
    private static func fdinfo(_ client: Int) -> String {
        var text = "pos:\t0\nflags:\t02400002\nmnt_id:\t26\nino:\t284\ndrm-driver:\tamdgpu\ndrm-client-id:\t\(client)\n"
        text += "drm-pdev:\t0000:03:00.0\npasid:\t32785\n"
        for region in ["cpu", "gtt", "vram", "gds", "gws", "oa", "doorbell"] {
            for kind in ["total", "shared", "active", "resident", "purgeable"] {
                text += "drm-\(kind)-\(region):\t\(region == "vram" ? "16384 KiB" : "0")\n"
            }
        }
        text +=
            "drm-memory-vram:\t16384 KiB\ndrm-memory-gtt: \t0 KiB\ndrm-memory-cpu: \t0 KiB\namd-evicted-vram:\t0 KiB\n"
        return text + "amd-requested-vram:\t16384 KiB\namd-requested-gtt:\t0 KiB\ndrm-engine-gfx:\t19291217545 ns\n"
    }
}
