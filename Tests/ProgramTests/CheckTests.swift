import Foundation
import TestSupport
import Testing

private func cards(_ totals: Int...) throws -> HostTree {
    let host = try HostTree()
    for (index, total) in totals.enumerated() {
        host.card("NVIDIA A10", uuid: "GPU-\(index)", total: total, processes: [], ["reservedMiB": 300])
    }
    return host
}

/// With the libraries and the device files of the host, whatever the machine that runs the tests has.
private func environment(of host: RunningHost, files: [String]) throws -> [String: String] {
    try host.environment(withDeviceFiles: files).merging(["LD_LIBRARY_PATH": host.driver.libraries]) { $1 }
}

private func check(
    _ host: RunningHost, _ more: String..., variables: [String: String] = [:],
    files: [String] = ["nvidia0", "nvidia1", "nvidiactl"]
) throws -> ProgramResult {
    try run(["check"] + more, environment: try environment(of: host, files: files).merging(variables) { $1 })
}

struct CheckTests {
    @Test("The GPUs that are here, the driver, what chose them, and where the libraries came from")
    func usable() throws {
        let host = try cards(23028, 23028).start()
        let result = try check(host, variables: ["NVIDIA_VISIBLE_DEVICES": "all", "CUDA_VISIBLE_DEVICES": "1"])
        #expect(result.code == 0)
        #expect(result.errors == "")
        for words in [
            "One of 2 GPUs can be used here.", "NVIDIA A10", "GPU-1", "NVIDIA 550.144.03, supports CUDA up to 12.4",
            "NVIDIA_VISIBLE_DEVICES=all CUDA_VISIBLE_DEVICES=1",
            "\(host.driver.libraries)/libnvidia-ml.so.1, \(host.driver.libraries)/libcuda.so.1",
            "these limits do not apply to GPU memory",
        ] { #expect(result.output.contains(words), "\(words)") }
    }

    @Test("It holds no GPU memory itself: the ledger beside it does not move")
    func holdsNothing() throws {
        let host = try cards(23028).start()
        let before = try host.plimsoll("--format", "json").document()["devices"][0]["memory"]["freeBytes"].integer
        for _ in 0..<3 {
            let told = try check(host, "--format", "json").document()
            #expect(told["devices"][0]["memory"]["freeBytes"].integer == before)
            #expect(told["devices"][0]["ledger"]["hostBytes"].integer == 0)
        }
    }

    @Test(
        "As a health check: so many GPUs, of so much memory",
        arguments: [
            (["--require", "2"], 0), (["--require", "3"], 1), (["--require-memory", "16GiB"], 0),
            (["--require-memory", "16GiB", "--require", "2"], 1), (["--require-memory", "80GiB"], 1),
        ] as [([String], Int32)])
    func gates(_ options: [String], _ code: Int32) throws {
        let host = try cards(23028, 8192).start()
        let result = try run(["check"] + options, environment: try environment(of: host, files: ["nvidia0"]))
        #expect(result.code == code)
        #expect(result.errors.contains(" required, ") == (code == 1))
    }

    @Test("Without a driver: no, and what to do")
    func nothing() throws {
        let result = try run(["check"], environment: ["DOCKER_HOST": "unix:///nowhere.sock"])
        #expect(result.code == 1)
        #expect(result.output.hasPrefix("No GPU can be used here.\n"))
        #expect(result.output.contains("libcuda.so.1: cannot open shared object file"))
        #expect(result.errors != "")
        let document = try run(
            ["check", "--format", "json"], environment: ["DOCKER_HOST": "unix:///nowhere.sock"]
        ).document()
        #expect(document["usable"].bool == false)
        #expect(document["reason"].string != nil)
        #expect(document["driver"]["version"].isNull)
        #expect(document["libraries"][0]["path"].isNull)
    }

    @Test("A GPU that is seen and cannot be used is no GPU: without CUDA's library programs have none")
    func withoutCUDA() throws {
        let host = try cards(23028).start()
        try FileManager.default.removeItem(atPath: "\(host.driver.libraries)/libcuda.so.1")
        let result = try check(host, variables: ["NVIDIA_DRIVER_CAPABILITIES": "utility"])
        #expect(result.code == 1)
        #expect(result.output.hasPrefix("No GPU can be used here.\n"))
        #expect(result.output.contains("NVIDIA A10"))
        #expect(result.errors.contains("no program can use CUDA here: libcuda.so.1: cannot open shared object file"))
        #expect(result.errors.contains("NVIDIA_DRIVER_CAPABILITIES is 'utility', but 'compute' is needed"))
        let document = try check(host, "--format", "json").document()
        #expect(document["usable"].bool == false)
        #expect(document["devices"].elements.count == 1)
    }

    @Test(
        "CUDA_VISIBLE_DEVICES chooses what programs are shown, and may choose nothing",
        arguments: [
            ("1", "One of 2 GPUs can be used here.", 0), ("1,0", "2 GPUs can be used here.", 0),
            ("0,7,1", "One of 2 GPUs can be used here.", 0), ("GPU-1", "One of 2 GPUs can be used here.", 0),
            ("", "No GPU can be used here.", 1), ("9", "No GPU can be used here.", 1),
            ("-1", "No GPU can be used here.", 1),
        ] as [(String, String, Int32)])
    func chosenByCUDA(_ chosen: String, _ heading: String, _ code: Int32) throws {
        let host = try cards(23028, 8192).start()
        let result = try check(host, variables: ["CUDA_VISIBLE_DEVICES": chosen])
        #expect(result.code == code)
        #expect(result.output.hasPrefix(heading + "\n"))
        #expect(result.output.contains("CUDA_VISIBLE_DEVICES=\(chosen.isEmpty ? "''" : chosen)\n"))
        #expect(result.errors.contains("which names none of the GPUs here") == (code == 1))
        // What is required must be among them.
        let large = try check(host, "--require-memory", "16GiB", variables: ["CUDA_VISIBLE_DEVICES": chosen])
        #expect(large.code == (["1,0", "0,7,1"].contains(chosen) ? 0 : 1))
    }

    @Test(
        "On a divided GPU a number is the GPU's first instance, a UUID any of them, and one is shown",
        arguments: [
            ("0", "One of 3 GPUs can be used here."), ("0,1", "One of 3 GPUs can be used here."),
            ("MIG-4ae8becf", "One of 3 GPUs can be used here."), ("1", "No GPU can be used here."),
        ])
    func chosenInstances(_ chosen: String, _ heading: String) throws {
        let result = try check(
            try HostTree(simulating: "a100-mig").start(), variables: ["CUDA_VISIBLE_DEVICES": chosen])
        #expect(result.output.hasPrefix(heading + "\n"))
        #expect(result.output.contains("a CUDA program sees one instance"))
    }

    @Test("CUDA without the library that tells of devices is neither yes nor no")
    func withoutNVML() throws {
        let host = try cards(23028).start()
        try FileManager.default.removeItem(atPath: "\(host.driver.libraries)/libnvidia-ml.so.1")
        let result = try check(host, variables: ["NVIDIA_DRIVER_CAPABILITIES": "compute"])
        #expect(result.code == 2)
        #expect(result.output.hasPrefix("Cannot say whether a GPU can be used here.\n"))
        #expect(result.errors.contains("NVIDIA_DRIVER_CAPABILITIES is 'compute', but 'utility' is needed"))
        #expect(try check(host, "--format", "json").document()["usable"].isNull)
    }

    @Test("A divided GPU without instances has no place for a program")
    func dividedIntoNothing() throws {
        let host = try HostTree().card("NVIDIA A100", uuid: "GPU-0", total: 40960, processes: [], ["instances": []])
            .start()
        let result = try check(host)
        #expect(result.code == 1)
        #expect(result.errors.contains("every GPU is partitioned (MIG) but has no instances"))
    }

    @Test("No engine is needed, and one that is elsewhere is nobody's trouble")
    func enginesElsewhere() throws {
        let host = try cards(23028).start()
        let result = try check(host, variables: ["DOCKER_HOST": "tcp://docker:2375"])
        #expect(result.code == 0)
        #expect(result.errors == "")
    }

    @Test("What is required and is not here is the reason, in the JSON too")
    func requiredInJSON() throws {
        let host = try cards(23028).start()
        let document = try check(host, "--require", "2", "--format", "json").document()
        #expect(document["usable"].bool == true)
        #expect(document["reason"].string == "2 GPUs required, 1 found")
    }

    @Test("Every generation of drivers is checked alike", arguments: GenerationTests.dedicated)
    func generations(_ name: String) throws {
        let host = try HostTree(simulating: name).start()
        let result = try check(host, "--format", "json")
        #expect(result.code == 0)
        let document = try result.document()
        #expect(document["usable"].bool == true)
        #expect(document["driver"]["version"].string != nil)
        #expect(document["devices"][0]["memory"]["totalBytes"].integer != nil)
        #expect(document["processesSeen"].string == "all")
    }

    @Test(
        "What is seen of others from a PID namespace of one's own: its own with a driver that tells PIDs there, else nothing"
    )
    func seenFromInside() throws {
        for (name, seen) in [("h100-r570", "own"), ("l4-r535", "none"), ("v100-r440", "none")] {
            let host = try HostTree(simulating: name).start()
            let result = try run(
                program: "/usr/bin/unshare",
                ["--pid", "--fork", "--mount-proc", Build.plimsoll, "check", "--format", "json", "--procfs", "/proc"],
                environment: try environment(of: host, files: ["nvidia0"]))
            #expect(result.code == 0)
            #expect(try result.document()["processesSeen"].string == seen, "\(name)")
        }
    }

    @Test("Shared memory, Windows' memory and a GPU that was lost are what they are here too")
    func oddHardware() throws {
        for (name, code) in [("dgx-spark", 0), ("wsl2", 0), ("a100-mig", 0), ("lost-gpu", 0)] as [(String, Int32)] {
            let host = try HostTree(simulating: name)
            try host.scratch.write("MemTotal: 125829120 kB\nMemAvailable: 104857600 kB\n", to: "proc/meminfo")
            let result = try check(try host.start(), files: [name == "wsl2" ? "dxg" : "nvidia0"])
            #expect(result.code == code, "\(name): \(result.errors)")
            #expect(!result.output.contains("No GPU"))
        }
    }

    @Test("The limits of this place are those of its cgroup and of all around it, on v2 and on v1")
    func limits() throws {
        let host = try cards(23028)
        try host.scratch.write("0::/a/b\n", to: "proc/self/cgroup")
        try host.scratch.write("cpu memory\n", to: "sys/fs/cgroup/cgroup.controllers")
        try host.scratch.write("8589934592\n", to: "sys/fs/cgroup/a/memory.max")
        try host.scratch.write("max\n", to: "sys/fs/cgroup/a/b/memory.max")
        try host.scratch.write("250000 100000\n", to: "sys/fs/cgroup/a/b/cpu.max")
        let running = try host.start()
        let unified = try check(running)
        #expect(unified.output.contains("RAM 8GiB, 2.5 CPUs; these limits do not apply to GPU memory"))
        let document = try check(running, "--format", "json").document()
        #expect(document["ramLimitBytes"].integer == 8 << 30)
        try host.scratch.write("4:memory:/d/x\n3:cpu,cpuacct:/d/x\n", to: "proc/self/cgroup")
        try host.scratch.write("4294967296\n", to: "sys/fs/cgroup/memory/d/x/memory.limit_in_bytes")
        try host.scratch.write("-1\n", to: "sys/fs/cgroup/cpu/d/x/cpu.cfs_quota_us")
        try host.scratch.write("100000\n", to: "sys/fs/cgroup/cpu/d/x/cpu.cfs_period_us")
        #expect(try check(running).output.contains("RAM 4GiB, no CPU limit; these"))
    }

    @Test("A driver that hangs is left after the time it was given")
    func hangs() throws {
        let host = try cards(23028).start()
        host.driver.sleep()
        defer { host.driver.wake() }
        let result = try check(host, "--timeout", "1")
        #expect(result.code == 1)
        #expect(result.errors.contains("did not answer within 1 s"))
        #expect(result.seconds < 4 + busyMachine)
    }

    @Test(
        "A device file of the driver must be here: its libraries alone let no program use a GPU",
        arguments: [
            ([], 1), (["nvidiactl", "nvidia-uvm", "nvidia-caps"], 1), (["nvidia0"], 0), (["dxg"], 0),
            (["nvhost-gpu"], 0),
        ] as [([String], Int32)])
    func deviceFiles(_ files: [String], _ code: Int32) throws {
        let host = try cards(23028).start()
        let result = try check(host, files: files + ["null"])
        #expect(result.code == code, "\(result.errors)")
        #expect(result.errors.contains("no GPU device file") == (code == 1))
        #expect(result.output.contains("NVIDIA A10"))
    }

    /// A libcuda.so.1 that has these functions, made by the C compiler.
    private func cuda(_ functions: String, for host: RunningHost) throws {
        let source = host.tree.scratch.path("cuda.c")
        try functions.write(toFile: source, atomically: true, encoding: .utf8)
        let made = try run(
            program: "/usr/bin/cc", ["-shared", "-o", "\(host.driver.libraries)/libcuda.so.1", source], environment: [:]
        )
        #expect(made.code == 0, "\(made.errors)")
    }

    /// What the driver API has besides; an allocation is never made.
    private static let others = [
        "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent", "cuMemAlloc_v2", "cuMemFree_v2",
        "cuMemGetInfo_v2",
    ].map { "int \($0)(void) { return 999; }\n" }.joined()

    @Test(
        "CUDA must really initialize and have a device: a library that only loads is not enough",
        arguments: [
            ("int cuInit(unsigned f) { return 0; }", "libcuda.so.1: function cuDeviceGetCount is missing"),
            (
                others + "int cuInit(unsigned f) { return 999; } int cuDeviceGetCount(int *n) { *n = 1; return 0; }",
                "cuInit: CUDA error 999"
            ),
            (
                others + "int cuInit(unsigned f) { return 0; } int cuDeviceGetCount(int *n) { *n = 0; return 0; }",
                "CUDA initializes, but has no device"
            ),
            (
                others
                    + "int cuInit(unsigned f) { return *(volatile int *)8; } int cuDeviceGetCount(int *n) { return 0; }",
                "crashes during initialization"
            ),
        ])
    func cudaFails(_ functions: String, _ why: String) throws {
        let host = try cards(23028).start()
        try cuda(functions, for: host)
        let result = try check(host, "--timeout", "1")
        #expect(result.code == 1)
        #expect(result.output.hasPrefix("No GPU can be used here.\n"))
        #expect(result.errors.contains("no program can use CUDA here: "), "\(result.errors)")
        #expect(result.errors.contains(why), "\(result.errors)")
        #expect(result.seconds < 4 + busyMachine)
        let document = try check(host, "--timeout", "1", "--format", "json").document()
        #expect(document["usable"].bool == false)
        #expect(document["cudaDevices"].integer ?? 0 == 0)
    }

    @Test("Whether CUDA works is unknown if it does not initialize in time")
    func cudaSilent() throws {
        let host = try cards(23028).start()
        let sleeps = "#include <unistd.h>\nint cuInit(unsigned f) { sleep(30); return 0; }"
        try cuda(Self.others + sleeps + " int cuDeviceGetCount(int *n) { return 0; }", for: host)
        let result = try check(host, "--timeout", "1")
        #expect(result.code == 2)
        #expect(result.output.hasPrefix("Cannot say whether a GPU can be used here.\n"))
        #expect(result.errors.contains("CUDA did not initialize within 1 s (cuInit); to wait longer, use --timeout"))
        #expect(result.seconds < 4 + busyMachine)
        let document = try check(host, "--timeout", "1", "--format", "json").document()
        #expect(document["usable"].isNull)
        #expect(document["cudaDevices"].isNull)
    }

    @Test("CUDA with fewer devices than the driver lists has no more to offer")
    func fewerDevices() throws {
        let host = try cards(23028, 8192).start()
        try cuda(
            Self.others + "int cuInit(unsigned f) { return 0; } int cuDeviceGetCount(int *n) { *n = 1; return 0; }",
            for: host)
        let result = try check(host, "--require", "2")
        #expect(result.output.hasPrefix("One of 2 GPUs can be used here.\n"))
        #expect(result.code == 1)
    }
}
