import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20

struct MeasureTests {
    @Test("Every step has a name, a command, what is assumed and a verdict; one that was not tried says why")
    func everyStep() throws {
        let host = try MeasureHost(["accounting": true])
        let measured = try host.measure()
        let steps = measured.report["steps"].elements
        #expect(steps.map { $0["name"].string } == MeasureHost.steps)
        for step in steps {
            let name = step["name"].string ?? ""
            #expect(step["command"].string?.isEmpty == false && step["assumed"].string?.isEmpty == false, "\(name)")
            let isTried = step["verdict"].string != "not-tried"
            #expect(step["reason"].isNull == isTried && step["seen"].elements.isEmpty != isTried, "\(name)")
        }
        let tried = steps.filter { $0["verdict"].string == "agrees" }.compactMap { $0["name"].string }
        let timed = ["run-cost"]
        #expect(measured.verdict("pytorch") == "agrees", "\(measured.result.output)")
        #expect(
            tried.filter { !timed.contains($0) } == [
                "first-call", "record-size", "memory-calls", "reserved", "ledger", "nvidia-smi", "check", "context",
                "rounding", "killed-holder", "ipc", "managed", "pid-namespace", "accounting", "pytorch",
            ])
        #expect(["agrees", "differs"].contains(measured.verdict("run-cost")))
        #expect(measured.report["complete"].bool == true)
        // The same for people.
        for name in MeasureHost.steps { #expect(measured.result.output.contains("\(name): "), "\(name)") }
        #expect(try host.freeBytes() == (4096 - 200) * mebibyte, "everything is free again")
    }

    @Test("What was seen, in bytes")
    func amounts() throws {
        let host = try MeasureHost(["unattributedMiB": 36])
        let measured = try host.measure([
            "memory-calls", "reserved", "ledger", "context", "rounding", "ipc", "managed", "killed-holder",
        ])
        #expect(measured.result.code == 0, "\(measured.result.output)")
        #expect(measured.bytes("memory-calls", "used, first call") == (36 + 100 + 256 + 200) * mebibyte)
        #expect(measured.bytes("memory-calls", "used, second call") == (36 + 100 + 256) * mebibyte)
        #expect(measured.bytes("reserved", "with an allocation") == 200 * mebibyte)
        #expect(measured.bytes("ledger", "process, plimsoll") == 164 * mebibyte)
        #expect(measured.bytes("context", "process") == 100 * mebibyte)
        let charges = measured.seen("rounding", "charged")?["charges"].elements ?? []
        #expect(charges.map { $0["askedBytes"].integer }.first == 1)
        #expect(charges.map { $0["chargedBytes"].integer }.first == 2 * mebibyte)
        #expect(charges.map { $0["chargedBytes"].integer }.last == 1 << 30)
        #expect(measured.bytes("ipc", "importer's rose by") == 0)
        #expect(measured.bytes("managed", "process rose by") == 0)
        #expect(measured.bytes("managed", "used memory of the GPU rose by") == 256 * mebibyte)
        #expect(measured.bytes("killed-holder", "held") == 612 * mebibyte)
    }

    @Test("A driver that does otherwise than assumed differs, with exit code 1")
    func differs() throws {
        let host = try MeasureHost(["contextMiB": 700, "usedMiB": 100])
        let measured = try host.measure(["memory-calls", "context"])
        #expect(measured.result.code == 1)
        #expect(measured.verdict("memory-calls") == "differs")
        #expect(measured.verdict("context") == "differs")
        #expect(measured.result.output.contains("context: DIFFERS"))
    }

    // MARK: Drivers

    @Test(
        "Every generation of drivers: the steps that it can take agree",
        arguments: [
            ("v100-r440", ["reserved"]), ("t4-r470", ["reserved"]), ("a10-r525", []), ("rtx3090-r535", []),
            ("l4-r535", []), ("h100-r570", []), ("short-records", []), ("third-lists-fail", []), ("no-mps-list", []),
            ("count-succeeds", []),
        ] as [(String, [String])])
    func generation(_ name: String, _ lacking: [String]) throws {
        let host = try MeasureHost(try HostTree(simulating: name))
        let steps = MeasureHost.steps.filter { !["run-cost", "pytorch"].contains($0) }
        let measured = try host.measure(steps)
        let expected = [
            "first-call", "record-size", "memory-calls", "reserved", "ledger", "nvidia-smi", "check", "rounding",
            "killed-holder", "ipc", "managed", "pid-namespace",
        ].filter { !lacking.contains($0) }
        for step in expected {
            // A record size that the symbols do not tell is what `short-records` plays.
            let verdict = name == "short-records" && step == "record-size" ? "differs" : "agrees"
            #expect(measured.verdict(step) == verdict, "\(step): \(measured.reason(step) ?? "")")
        }
        for step in lacking { #expect(measured.verdict(step) == "not-tried", "\(step)") }
    }

    @Test("Drivers that do not tell: the steps that need it say so, and nothing is made up")
    func unreported() throws {
        let windows = try MeasureHost(try HostTree(simulating: "wsl2")).measure(["context", "ipc", "managed"])
        #expect(windows.result.code == 2)
        #expect(windows.reason("context") == "the driver does not report what our own process holds")
        let unified = try MeasureHost(try HostTree(simulating: "dgx-spark")).measure(["memory-calls", "context"])
        #expect(unified.verdict("context") == "agrees")
        #expect(unified.reason("memory-calls")?.contains("NOT_SUPPORTED") == true)
        let lost = try MeasureHost(try HostTree(simulating: "lost-gpu")).measure(["first-call", "context"])
        #expect(lost.reason("first-call")?.contains("GPU_IS_LOST") == true)
        #expect(lost.verdict("context") == "agrees", "the other GPU is well")
    }

    @Test("No driver: every step says so, exit code 2")
    func noDriver() throws {
        let host = try MeasureHost(HostTree())
        let measured = try host.measure(
            [], [], environment: ["PLIMSOLL_NVML_LIBRARY": "/nonexistent/libnvidia-ml.so.1"])
        #expect(measured.result.code == 2)
        #expect(measured.report["steps"].elements.allSatisfy { $0["verdict"].string == "not-tried" })
        #expect(measured.reason("context") == "no NVIDIA GPU with a working driver")
        #expect(measured.result.output.contains("Steps: 28 not tried"))
    }

    @Test("A partitioned GPU: its instance is used, whose list has the process")
    func mig() throws {
        let instance: [String: Any] = [
            "uuid": "MIG-1f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", "slot": 0, "gpuInstance": 1, "computeInstance": 0,
            "totalMiB": 4000,
        ]
        let measured = try MeasureHost(["totalMiB": 8192, "instances": [instance]]).measure([
            "mig", "context", "ledger", "memory-calls",
        ])
        #expect(measured.result.code == 0, "\(measured.result.output)")
        #expect(measured.verdict("mig") == "agrees")
    }

    @Test("With an MPS server a client is listed itself; without one the step cannot be tried")
    func mps() throws {
        let measured = try MeasureHost(["mps": true]).measure(["mps"])
        #expect(measured.verdict("mps") == "agrees")
        #expect(measured.bytes("mps", "client") == 100 * mebibyte)
        #expect(try MeasureHost().measure(["mps"]).reason("mps") == "no MPS server runs")
    }

    @Test(
        "R615: the limits of our cgroup and of the one around it are read, and what is charged to it rises with a holder"
    )
    func cgroups() throws {
        let tree = try HostTree()
        try tree.scratch.write("cpu memory dmem\n", to: "sys/fs/cgroup/cgroup.controllers")
        try tree.scratch.write("0::/batch/job\n", to: "proc/self/cgroup")
        let charges = "sys/fs/cgroup/batch/job/dmem.current"
        try tree.scratch.write("nvidia/00000000:01:00.0/vidmem 0\n", to: charges)
        try MeasureHost.addCard(to: tree, ["chargesTo": tree.scratch.path(charges)], driver: "615.71.09")
        let host = try MeasureHost(tree)
        let measured = try host.measure(
            ["dmem-charge", "limits"], [], environment: ["PLIMSOLL_PROCFS": tree.scratch.path("proc")])
        #expect(measured.verdict("dmem-charge") == "agrees", "\(measured.result.output)")
        #expect(measured.bytes("dmem-charge", "charge rose by") == 164 * mebibyte)
        #expect(measured.verdict("limits") == "agrees")
        #expect(measured.seen("limits", "answer for our cgroup")?["count"].integer == 3)
    }

    // MARK: Tools

    @Test(
        "Without a tool the steps that need it say so, and the others go on",
        arguments: [
            ("nvidia-smi", "nvidia-smi", "nvidia-smi is not installed"),
            ("unshare", "pid-namespace", "unshare is not installed"),
            ("docker", "container", "docker is not installed"), ("python3", "pytorch", "python3 is not installed"),
        ])
    func missing(_ tool: String, _ step: String, _ reason: String) throws {
        let measured = try MeasureHost(without: [tool]).measure([step, "context"])
        #expect(measured.reason(step) == reason)
        #expect(measured.verdict("context") == "agrees")
        #expect(measured.result.code == 0)
    }

    @Test("A tool that hangs, fails, or answers something else")
    func badTools() throws {
        let host = try MeasureHost(without: ["nvidia-smi", "unshare", "python3"])
        try host.write(tool: "nvidia-smi", "exec /bin/sleep 60")
        try host.write(tool: "unshare", "echo no >&2; exit 1")
        try host.write(tool: "python3", "exit 1")
        try host.write(tool: "docker", "exit 1")
        let measured = try host.measure(
            ["nvidia-smi", "pid-namespace", "pytorch", "container", "context"], ["--timeout", "1"])
        #expect(measured.reason("nvidia-smi") == "nvidia-smi gave no answer within 1 s")
        #expect(
            measured.reason("pid-namespace")
                == "unshare cannot make a PID namespace here; it needs root, or user namespaces")
        #expect(measured.reason("pytorch") == "Python has no PyTorch")
        #expect(measured.reason("container") == "no Docker engine answers, or not to this user")
        #expect(measured.verdict("context") == "agrees")
        try host.write(tool: "nvidia-smi", "echo nonsense")
        #expect(
            try host.measure(["nvidia-smi"]).reason("nvidia-smi") == "the output of nvidia-smi is in an unknown format")
        try host.write(tool: "nvidia-smi", "kill -11 $$")
        #expect(try host.measure(["nvidia-smi"]).reason("nvidia-smi") == "nvidia-smi failed with exit code 139")
    }

    @Test("nvidia-smi that shows another amount differs")
    func otherAmounts() throws {
        let host = try MeasureHost(without: ["nvidia-smi"])
        try host.write(
            tool: "nvidia-smi",
            "case $1 in *gpu=*) echo GPU-0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0, 4096, 1, 2 ;; esac")
        let measured = try host.measure(["nvidia-smi"])
        #expect(measured.verdict("nvidia-smi") == "differs")
    }

    @Test("AMD's processes beside amd-smi and rocm-smi, Intel's beside xpu-smi")
    func kernelDrivers() throws {
        let radeon = try MeasureHost(try HostTree(file: "radeon"))
        let (steps, proc) = (["amd-processes"], ["PLIMSOLL_PROCFS": radeon.tree.scratch.path("proc")])
        #expect(try radeon.measure(steps, [], environment: proc).reason("amd-processes") == "rocm-smi is not installed")
        let held = try radeon.amounts(proc)
        #expect(held.count > 1)
        try radeon.write(
            tool: "rocm-smi",
            "printf 'PID\\tPROCESS NAME\\tGPU(s)\\tVRAM USED\\tSDMA USED\\tCU OCCUPANCY\\n'\n"
                + held.map { "printf '\($0)\\tllama server\\t1\\t\($1)\\t0\\t4\\n'" }.joined(separator: "\n"))
        #expect(try radeon.measure(steps, [], environment: proc).verdict("amd-processes") == "agrees")
        let items = held.map {
            #"{"process_info": {"name": "x", "pid": \#($0), "memory_usage": {"gtt_mem": {"value": 1, "unit": "B"}, "#
                + #""vram_mem": {"value": \#($1 + 4096), "unit": "B"}}}}"#
        }
        try radeon.write(
            tool: "amd-smi", #"echo '[{"gpu": 0, "process_list": [\#(items.joined(separator: ", "))]}]'"#)
        #expect(try radeon.measure(steps, [], environment: proc).verdict("amd-processes") == "differs")
        try radeon.write(
            tool: "amd-smi",
            #"echo '[{"gpu": 0, "process_list": [{"process_info": "No running processes detected"}]}]'"#)
        #expect(
            try radeon.measure(steps, [], environment: proc).reason("amd-processes")
                == "the tool lists no process that Plimsoll lists too")

        let arc = try MeasureHost(try HostTree(file: "arc-xe"))
        let arcProc = ["PLIMSOLL_PROCFS": arc.tree.scratch.path("proc")]
        #expect(
            try arc.measure(["intel-processes"], [], environment: arcProc).reason("intel-processes")
                == "xpu-smi is not installed")
        let processes = try arc.amounts(arcProc).map {
            #"{"device_id": 0, "mem_size": \#($1 / 1000), "process_id": \#($0), "process_name": "x", "shared_mem_size": 0}"#
        }
        try arc.write(
            tool: "xpu-smi", #"echo '{"device_util_by_proc_list": [\#(processes.joined(separator: ", "))]}'"#)
        #expect(try arc.measure(["intel-processes"], [], environment: arcProc).verdict("intel-processes") == "agrees")
    }

    @Test("Partitions of an Instinct beside amd-smi's GPUs")
    func partitions() throws {
        let host = try MeasureHost(try HostTree(file: "mi300x-cpx"))
        let proc = ["PLIMSOLL_PROCFS": host.tree.scratch.path("proc")]
        let document = try run(["--format", "json"], environment: host.environment.merging(proc) { $1 }).document()
        // amd-smi numbers partitions, and not the GPU that they are of.
        let uuids = document["devices"].elements.filter { !$0["parent"].isNull }.map { $0["uuid"].string }
        let lists = document["processes"].elements.compactMap { process -> String? in
            guard let gpu = uuids.firstIndex(of: process["device"].string), let bytes = process["bytes"].integer else {
                return nil
            }
            return
                #"{"gpu": \#(gpu), "process_list": [{"process_info": {"pid": \#(process["pid"].integer!), "memory_usage": "#
                + #"{"vram_mem": {"value": \#(bytes), "unit": "B"}}}}]}"#
        }
        try host.write(tool: "amd-smi", "echo '[\(lists.joined(separator: ", "))]'")
        let measured = try host.measure(["partitions"], [], environment: proc)
        #expect(measured.verdict("partitions") == "agrees", "\(measured.result.output)")
    }

    @Test("A GPU that sleeps: reading its power state leaves it asleep, asking the driver wakes it")
    func waking() throws {
        let tree = try HostTree(simulating: "no-persistence")
        let status = "sys/bus/pci/devices/0000:01:00.0/power/runtime_status"
        try tree.scratch.write("0x030200\n", to: "sys/bus/pci/devices/0000:01:00.0/class")
        try tree.scratch.write("0x10de\n", to: "sys/bus/pci/devices/0000:01:00.0/vendor")
        try tree.scratch.write("suspended\n", to: status)
        // Whoever takes the GPU's handle writes to this file: it is "suspended" no more.
        tree.faults(["writesTo": tree.scratch.path(status)])
        let measured = try MeasureHost(tree).measure(["waking"])
        #expect(measured.verdict("waking") == "agrees", "\(measured.result.output)")
        #expect(measured.seen("waking", "after their power states were read")?["count"].integer == 1)
        #expect(measured.seen("waking", "woken by plimsoll")?["count"].integer == 1)
        #expect((measured.seen("waking", "asked for")?["seconds"].number ?? 0) >= 2)
    }
}

extension MeasureHost {
    /// What each process holds on all devices together.
    fileprivate func amounts(_ more: [String: String]) throws -> [(Int64, Int64)] {
        let document = try run(["--format", "json"], environment: environment.merging(more) { $1 }).document()
        var amounts: [Int64: Int64] = [:]
        for process in document["processes"].elements {
            guard let pid = process["pid"].integer, let bytes = process["bytes"].integer else { continue }
            amounts[pid, default: 0] += bytes
        }
        return amounts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
