import Foundation
import Glibc
import TestSupport
import Testing

private let canHang = Comment(rawValue: HangingFile.absence ?? "")

/// Bad days of GPUs that the kernel's drivers run: rights, drivers that hang, files that are not what they were.
struct KernelTroubleTests {
    private func program(_ host: RunningHost, as user: String, _ arguments: [String]) throws -> ProgramResult {
        chmod(host.tree.scratch.url.path, 0o755)
        chmod(host.engine.path, 0o777)
        return try run(
            program: "/usr/bin/setpriv", user.split(separator: " ").map(String.init) + [Build.plimsoll] + arguments,
            environment: host.environment)
    }

    /// As /proc has them: the links are their owner's alone.
    private func close(_ folder: String, _ pids: [Int], on host: RunningHost) {
        for pid in pids { chmod(host.tree.scratch.path("proc/\(pid)/\(folder)"), 0o500) }
    }

    @Test(
        "What is not ours to read is counted and told, and the ledger is incomplete",
        .enabled(if: getuid() == 0, "other users' files are made by root"), arguments: [[4242], [4242, 5501, 812]])
    func rights(_ pids: [Int]) throws {
        let host = try HostTree(file: "radeon").startWithoutNVIDIA()
        for folder in ["fd", "fdinfo"] { close(folder, pids, on: host) }
        // Kernel threads and zombies have nothing open, and are not counted.
        try host.tree.process(2, "kthreadd", cgroup: "0::/", started: 0.01, flags: 0x0020_8040)
        try host.tree.process(77, "dead", cgroup: "0::/", started: 5, state: "Z")
        for pid in [2, 77] {
            try FileManager.default.createDirectory(
                atPath: host.tree.scratch.path("proc/\(pid)/fd"), withIntermediateDirectories: true)
            close("fd", [pid], on: host)
        }
        let nobody = "--reuid=65534 --regid=65534 --clear-groups"
        let result = try program(host, as: nobody, ["--format", "json"])
        let count = pids.count == 1 ? "1 process" : "3 processes"
        let sentence = "\(count) could not be read; run as root or with CAP_SYS_PTRACE"
        #expect(result.errors.contains("plimsoll: drm: \(sentence)\n"))
        #expect(result.code == 0)
        let ledger = try result.document()
        #expect(ledger["sources"].elements.first { $0["name"].string == "drm" }?["error"].string == sentence)
        #expect(ledger["devices"][0]["ledger"]["complete"].bool == false)
        // KFD's own list is for everybody.
        #expect(ledger["devices"][0]["ledger"]["containersBytes"].integer! >= 12_884_901_888)
        // Who has no row may hold some.
        let stats = try program(host, as: nobody, ["stats", "--no-stream", "-a"])
        #expect(stats.output.contains(#/postgres +-- +-- /#))
        #expect(try host.plimsoll("--format", "json").document()["devices"][0]["ledger"]["complete"].bool == true)
    }

    @Test("Where the links are not ours and fdinfo is, as with CAP_SYS_PTRACE, nothing is missing")
    func linksAlone() throws {
        let host = try HostTree(file: "radeon").startWithoutNVIDIA()
        let whole = try host.plimsoll("ps", "--format", "{{.PID}} {{.GPUMem}}")
        try #require(getuid() == 0, "other users' files are made by root")
        close("fd", [4242, 5501, 812, 1344], on: host)
        let result = try program(
            host, as: "--reuid=65534 --regid=65534 --clear-groups", ["ps", "--format", "{{.PID}} {{.GPUMem}}"])
        #expect(result.errors == "")
        #expect(result.output == whole.output)
    }

    @Test(
        "Root without CAP_SYS_PTRACE, as in a container with --pid=host, is told that it cannot read others' files",
        .enabled(if: getuid() == 0, "only root can give the right up"))
    func rootWithoutRights() throws {
        let host = try HostTree(file: "card10").startWithoutNVIDIA()
        let other = try launch(
            program: "/usr/bin/setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "60"])
        defer { other.terminate() }
        let name = "/proc/\(other.processIdentifier)/comm"
        #expect(waitUntil { (try? String(contentsOfFile: name, encoding: .utf8)) == "sleep\n" })
        chmod(host.tree.scratch.url.path, 0o755)
        let result = try run(
            program: "/usr/bin/setpriv",
            ["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", Build.plimsoll, "--format", "json"],
            environment: host.environment.merging(["PLIMSOLL_PROCFS": "/proc"]) { $1 })
        #expect(result.errors.contains("could not be read; run as root or with CAP_SYS_PTRACE"))
        #expect(try result.document()["devices"][0]["ledger"]["complete"].bool == false)
    }

    private func makeHang(_ path: String, on host: RunningHost) throws -> HangingFile {
        try HangingFile(over: host.tree.scratch.path(path))
    }

    @Test(
        "A card whose driver hangs is told, and the others are shown", .enabled(if: HangingFile.absence == nil, canHang)
    )
    func hangingCard() throws {
        let amd = try HostTree(file: "instinct").startWithoutNVIDIA()
        let hanging = try makeHang("sys/class/drm/card3/device/mem_info_vram_used", on: amd)
        defer { hanging.end() }
        let result = try amd.plimsoll("--timeout", "0.5", "--format", "json")
        #expect(result.seconds < 3 + busyMachine)
        #expect(result.errors.contains("drm: GPU 2: the driver did not answer within 0.5 s"))
        #expect(result.code == 0)
        let devices = try result.document()["devices"].elements
        #expect(devices.count == 8)
        #expect(devices[2]["name"].string == "AMD Instinct MI210")
        #expect(devices[2]["ledger"]["containersBytes"].isNull)
        #expect(devices[0]["ledger"]["containersBytes"].integer == 60 << 30)
    }

    @Test(
        "A process whose files hang takes the lists away, and neither the cards' totals nor KFD's list",
        .enabled(if: HangingFile.absence == nil, canHang))
    func hangingDescriptor() throws {
        let host = try HostTree(file: "radeon").startWithoutNVIDIA()
        let hanging = try makeHang("proc/5501/fdinfo/4", on: host)
        defer { hanging.end() }
        let result = try host.plimsoll("--timeout", "0.5", "--format", "json")
        #expect(result.seconds < 3 + busyMachine)
        #expect(result.errors.contains("drm: open files of processes: the driver did not answer within 0.5 s"))
        let device = try result.document()["devices"][0]
        #expect(device["memory"]["usedBytes"].integer == 15_728_640_000)
        #expect(device["ledger"]["containersBytes"].integer == 12_884_901_888)
        #expect(device["ledger"]["complete"].bool == false)
    }

    @Test(
        "Without KFD's list a card whose clients are unknown has no terms at all",
        .enabled(if: HangingFile.absence == nil, canHang))
    func hangingDescriptorAlone() throws {
        let host = try HostTree(file: "arc-i915").startWithoutNVIDIA()
        let hanging = try makeHang("proc/7100/fdinfo/5", on: host)
        defer { hanging.end() }
        let result = try host.plimsoll("--timeout", "0.5", "--format", "json")
        let arc = try result.document()["devices"][1]
        #expect(arc["memory"]["totalBytes"].integer == 17_028_874_240)
        #expect(arc["ledger"]["containersBytes"].isNull)
        #expect(arc["ledger"]["unattributedBytes"].isNull)
    }

    @Test(
        "A stream goes on while a card hangs, and has it again when it answers",
        .enabled(if: HangingFile.absence == nil, canHang))
    func hangingStream() throws {
        let host = try HostTree(file: "card10").startWithoutNVIDIA()
        let name = "sys/class/drm/card10/device/mem_info_vram_used"
        let (output, errors) = (host.tree.scratch.path("out"), host.tree.scratch.path("err"))
        for path in [output, errors] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        let process = try launch(
            ["stats", "--interval", "0.1", "--timeout", "0.3", "--format", "{{.Name}} {{.GPUMem}}"],
            environment: host.environment.merging(["LANG": "C.UTF-8"]) { $1 },
            output: FileHandle(forWritingAtPath: output), errors: FileHandle(forWritingAtPath: errors))
        defer { process.terminate() }
        func lines() throws -> Int { try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n").count }
        #expect(try waitUntil { try lines() > 2 })
        let hanging = try makeHang(name, on: host)
        #expect(
            try waitUntil {
                try String(contentsOfFile: errors, encoding: .utf8).contains("drm: GPU 0: the driver did not answer")
            })
        let before = try lines()
        hanging.end()
        // The child that sleeps there is left behind; a new one asks.
        #expect(try waitUntil { try lines() > before + 2 })
        #expect(process.isRunning)
    }

    @Test(
        "Files that are not what they were are unknown, and never 0",
        arguments: [
            ("mem_info_vram_total", "none\n"), ("mem_info_vram_total", ""), ("mem_info_vram_used", "-1\n"),
            ("gpu_busy_percent", "250\n"), ("mem_info_vram_total", "99999999999999999999999\n"),
        ])
    func nonsense(_ file: String, _ content: String) throws {
        let host = try HostTree(file: "radeon").startWithoutNVIDIA()
        try host.tree.scratch.write(content, to: "sys/class/drm/card1/device/\(file)")
        let device = try host.plimsoll("--format", "json").document()["devices"][0]
        switch file {
        case "mem_info_vram_total":
            #expect(device["memory"]["totalBytes"].isNull)
            #expect(device["memory"]["unavailable"].string != nil)
        case "mem_info_vram_used": #expect(device["memory"]["freeBytes"].isNull)
        default: #expect(device["utilizationPercent"].isNull)
        }
    }

    @Test("A sleeping card is not asked what would wake it")
    func sleeping() throws {
        let host = try HostTree(file: "radeon").startWithoutNVIDIA()
        try host.tree.scratch.write("suspended\n", to: "sys/class/drm/card1/device/power/runtime_status")
        let busy = "sys/class/drm/card1/device/gpu_busy_percent"
        try host.tree.scratch.write("42\n", to: busy)
        let result = try host.plimsoll("--timeout", "2", "--format", "json")
        #expect(result.errors == "")
        #expect(try result.document()["devices"][0]["utilizationPercent"].isNull)
    }
}

/// `check` and `run` where the GPU is not NVIDIA's.
struct KernelPlaceTests {
    @Test("A device file that opens is a GPU that can be used, and what HIP needs beside it is told")
    func usable() throws {
        let host = try HostTree(file: "radeon").startWithoutNVIDIA()
        try host.tree.scratch.write("amdgpu 0\n", to: "dev/dri/renderD128")
        try host.tree.scratch.write("6.14.2-arch1-1\n", to: "proc/sys/kernel/osrelease")
        let result = try host.plimsoll("check")
        #expect(result.code == 0, "\(result.errors)")
        for words in [
            "One GPU can be used here.\n", "AMD Radeon RX 7900", "amdgpu of Linux 6.14.2-arch1-1",
            "no HIP program can use the GPU: /dev/kfd: ", "none of the NVIDIA driver",
            "every process on these GPUs is visible from here",
        ] { #expect(result.output.contains(words), "\(words)") }
        let document = try host.plimsoll("check", "--format", "json").document()
        #expect(document["usable"].bool == true)
        #expect(document["driver"]["version"].isNull)
        #expect(document["driver"]["kernel"].string == "6.14.2-arch1-1")
        #expect(document["processesSeen"].string == "all")
        #expect(try host.plimsoll("check", "--require-memory", "20GiB").code == 0)
        #expect(try host.plimsoll("check", "--require-memory", "30GiB").code == 1)
    }

    @Test("A GPU that /sys shows and /dev does not is none, and which option gives it is told")
    func notGiven() throws {
        let host = try HostTree(file: "radeon").startWithoutNVIDIA()
        let result = try host.plimsoll("check")
        #expect(result.code == 1)
        #expect(result.output.hasPrefix("No GPU can be used here.\n"))
        #expect(result.errors.contains("this host has a GPU, but "))
    }

    @Test("A device file that is others' names the group", .enabled(if: getuid() == 0, "the file is made by root"))
    func forbidden() throws {
        let host = try HostTree(file: "radeon").startWithoutNVIDIA()
        try host.tree.scratch.write("amdgpu 0\n", to: "dev/dri/renderD128")
        chmod(host.tree.scratch.path("dev/dri/renderD128"), 0o600)
        chmod(host.tree.scratch.url.path, 0o755)
        let result = try run(
            program: "/usr/bin/setpriv",
            ["--reuid=65534", "--regid=65534", "--clear-groups", Build.plimsoll, "check"], environment: host.environment
        )
        #expect(result.code == 1)
        #expect(result.errors.contains("/dev/dri/renderD128: Permission denied; add the user to the group"))
    }

    @Test("With a card of each vendor either will do")
    func either() throws {
        let host = try HostTree(file: "nvidia-and-amd").startAsIs()
        let libraries = try host.environment(withDeviceFiles: ["nvidia0"])
            .merging(["LD_LIBRARY_PATH": host.driver.libraries]) { $1 }
        let one = try host.plimsoll(["check"], environment: libraries)
        #expect(one.output.hasPrefix("One GPU can be used here.\n"))
        try host.tree.scratch.write("amdgpu 0\n", to: "dev/dri/renderD129")
        let both = try host.plimsoll(["check"], environment: libraries)
        #expect(both.output.hasPrefix("2 GPUs can be used here.\n"))
        #expect(both.output.contains("NVIDIA 570.133.07, supports CUDA up to 12.4; amdgpu"))
        let hidden = try host.plimsoll(["check"], environment: libraries.merging(["CUDA_VISIBLE_DEVICES": ""]) { $1 })
        #expect(hidden.output.hasPrefix("One of 2 GPUs can be used here.\n"))
        #expect(hidden.code == 0)
    }

    @Test("A device is chosen among several vendors' by the vendor's name and its number there")
    func chosen() throws {
        let host = try HostTree(file: "nvidia-and-amd").startAsIs()
        #expect(
            try host.plimsoll("fit", "1GiB", "--device", "amd:0", "--format", "{{.GPU}} {{.Free}}").output
                == "amd:0 15.98GiB\n")
        #expect(try host.plimsoll("fit", "1GiB", "--device", "nvidia:0", "--format", "{{.GPU}}").output == "nvidia:0\n")
        #expect(try host.plimsoll("fit", "1GiB", "--device", "0", "--format", "{{.GPU}}").output == "amd:0\nnvidia:0\n")
    }

    @Test("run tells what a command has of a Radeon, by the files that its processes have open")
    func ofACommand() throws {
        let host = try HostTree(file: "radeon").startWithoutNVIDIA()
        // The command stands in the made-up /proc as its own parent's child, with a client of the card.
        let script = """
            p="$PLIMSOLL_PROCFS/$$"; mkdir -p "$p/fd" "$p/fdinfo"
            echo "$$ (hip) S $PPID 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 9000000 0 0 1" > "$p/stat"
            echo "0::/user.slice/session-9.scope" > "$p/cgroup"
            printf 'Uid:\\t0\\t0\\t0\\t0\\nNSpid:\\t%s\\n' $$ > "$p/status"
            printf 'drm-driver:\\tamdgpu\\ndrm-client-id:\\t99\\ndrm-pdev:\\t0000:03:00.0\\ndrm-resident-vram:\\t2048 MiB\\n' \
                > "$p/fdinfo/7"
            ln -s /dev/dri/renderD128 "$p/fd/7"
            sleep 0.6
            """
        let report = host.tree.scratch.path("report.json")
        let result = try host.plimsoll(
            "run", "--interval", "50ms", "--report", report, "--", "sh", "-c", script)
        #expect(result.code == 0, "\(result.errors)")
        let device = try JSONDocument(String(contentsOfFile: report, encoding: .utf8))["devices"][0]
        #expect(device["name"].string == "AMD Radeon RX 7900")
        #expect(device["peakBytes"].integer == 2 << 30, "\(result.errors)")
        #expect(device["measuredBy"].string == "process")
    }
}
