import Glibc
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20
private let trainer = HostTree.id(1)

/// What the three faces say of one host.
private struct Faces {
    let ledger: ProgramResult
    let document: JSONDocument
    let stats: String
    let ps: [String]

    init(_ host: RunningHost) throws {
        ledger = try host.plimsoll("ledger", environment: ["COLUMNS": "120"])
        document = try host.plimsoll("ledger", "--format", "json").document()
        stats = try host.plimsoll("stats", "--no-stream", "--format", "{{.Name}} {{.GPUMem}}").output
        ps = try host.plimsoll("ps", "--format", "{{.PID}} {{.GPU}} {{.GPUMem}} {{.Container}}").output
            .split(separator: "\n").map(String.init)
    }

    var terms: JSONDocument { document["devices"][0]["ledger"] }
}

/// A host of the simulator with a container of two processes, an X server, and one that nobody can see.
private func peopled(_ name: String) throws -> HostTree {
    let host = try HostTree(simulating: name)
    let scope = "0::/system.slice/docker-\(trainer).scope"
    try host.process(4242, "python3", cgroup: scope).process(4243, "python3", cgroup: scope)
        .process(1212, "Xorg", cgroup: "0::/user.slice/user-1000.slice/session-2.scope")
    return host.container(trainer, "trainer", "lab/trainer:1").list([
        HostTree.listed(4242, 1024), HostTree.listed(4243, 512, ["compute", "graphics"]),
        HostTree.listed(1212, 96, ["graphics"]), HostTree.listed(39_999, 64),
    ])
}

struct GenerationTests {
    static let dedicated = [
        "v100-r440", "t4-r470", "a10-r525", "rtx3090-r535", "l4-r535", "h100-r570", "short-records",
    ]

    @Test("Every generation of drivers gives the same ledger", arguments: dedicated)
    func everyGeneration(_ name: String) throws {
        let faces = try Faces(try peopled(name).start())
        #expect(faces.ledger.errors == "")
        #expect(faces.terms["containersBytes"].integer == 1536 * mebibyte)
        #expect(faces.terms["hostBytes"].integer == 96 * mebibyte)
        #expect(faces.terms["goneBytes"].integer == 64 * mebibyte)
        #expect(faces.terms["complete"].bool == true)
        #expect(faces.stats == "trainer 1.5GiB\n")
        #expect(
            faces.ps == [
                "4242 0 1GiB trainer", "4243 0 512MiB trainer", "1212 0 96MiB (host)", "39999 0 64MiB (gone)",
            ])
        // Before R510 the driver does not tell what it reserves, and counts it as used.
        let reportsReserved = !["v100-r440", "t4-r470"].contains(name)
        #expect(faces.document["devices"][0]["memory"]["reservedBytes"].isNull != reportsReserved)
    }

    @Test("A list that grows between its two calls is read whole", arguments: dedicated)
    func growing(_ name: String) throws {
        let host = try HostTree(simulating: name)
        let pids = Array(5000..<5040)
        for pid in pids { try host.process(pid, "worker", cgroup: "0::/docker/\(trainer)") }
        host.list(pids.map { HostTree.listed($0, 3) }).faults(["growing": true])
        let faces = try Faces(try host.start())
        #expect(faces.terms["containersBytes"].integer == 120 * mebibyte)
        #expect(faces.ps.count == 40)
    }

    @Test("Of more processes than a driver lists, it is told that there may be more, and no term is exact")
    func tooMany() throws {
        let host = try HostTree(simulating: "h100-r570")
        let pids = Array(5000..<6200)
        for pid in pids { try host.process(pid, "worker", cgroup: "0::/docker/\(trainer)") }
        host.list(pids.map { HostTree.listed($0, 3) })
        let faces = try Faces(try host.start())
        #expect(faces.terms["containersBytes"].integer == 950 * 3 * mebibyte)
        #expect(faces.terms["complete"].bool == false)
        #expect(faces.ledger.errors.contains("the driver lists at most 950 processes; there may be more"))
        #expect(faces.ps.count == 950)
    }

    @Test("Memory that the device shares with the host is the host's, and what processes hold of it is told")
    func unified() throws {
        let host = try peopled("dgx-spark")
        try host.scratch.write(
            "MemTotal:       125829120 kB\nMemFree:  1000 kB\nMemAvailable:   104857600 kB\n", to: "proc/meminfo")
        let faces = try Faces(try host.start())
        let memory = faces.document["devices"][0]["memory"]
        #expect(memory["kind"].string == "shared")
        #expect(memory["totalBytes"].integer == 120 << 30)
        #expect(memory["freeBytes"].integer == 100 << 30)
        #expect(memory["usedBytes"].integer == 1696 * mebibyte)
        #expect(faces.terms["containersBytes"].integer == 1536 * mebibyte)
        #expect(faces.document["devices"][0]["pci"].string == "000f:01:00.0")
        #expect(faces.ledger.output.contains("(other host use)"))
        #expect(faces.ledger.output.contains("1.656GiB / 120GiB"))
        #expect(faces.stats == "trainer 1.5GiB\n")
        #expect(faces.ps.count == 4)
    }

    @Test("On WSL2 nobody knows what a process holds, and the reason is told")
    func windows() throws {
        let host = try peopled("wsl2")
        try host.scratch.write(
            "Linux version 5.15.167.4-microsoft-standard-WSL2 (root@f9c826d3017f)\n", to: "proc/version")
        let faces = try Faces(try host.start())
        #expect(faces.terms["complete"].bool == false)
        #expect(faces.document["devices"][0]["memory"]["usedBytes"].integer == (1871 + 1696) * mebibyte)
        #expect(faces.document["processes"][0]["bytes"].isNull)
        #expect(faces.document["processes"][0]["unavailable"].string?.contains("WDDM") == true)
        #expect(faces.ledger.output.contains("on WSL2, Windows manages the GPU's memory"))
        #expect(!faces.ledger.output.contains("17179869184"))
        #expect(faces.stats == "trainer --\n")
        #expect(faces.ps.contains("4242 0 -- trainer"))
    }

    @Test("A GPU that is lost is told as lost, and hides nothing of the other")
    func lost() throws {
        let faces = try Faces(try peopled("lost-gpu").start())
        #expect(faces.ledger.code == 0)
        #expect(faces.terms["containersBytes"].integer == 1536 * mebibyte)
        #expect(faces.document["devices"][1]["memory"]["unavailable"].string?.contains("GPU_IS_LOST") == true)
        #expect(faces.ledger.output.contains("GPU_IS_LOST"))
        #expect(faces.ps.count == 4)
        #expect(faces.stats == "trainer 1.5GiB\n")
    }

    @Test("A MIG instance's processes are its own, and two that share a GPU instance count its memory once")
    func mig() throws {
        let host = try HostTree(simulating: "a100-mig")
        try host.process(4242, "python3", cgroup: "0::/docker/\(trainer)")
            .process(4300, "python3", cgroup: "0::/docker/\(HostTree.id(2))")
            .process(4400, "python3", cgroup: "0::/docker/\(HostTree.id(3))")
        host.container(trainer, "trainer", "i").container(HostTree.id(2), "left", "i")
            .container(HostTree.id(3), "right", "i")
        func line(_ pid: Int, _ size: Int, _ gpu: Int, _ compute: Int) -> [String: Any] {
            HostTree.listed(pid, size).merging(["gpuInstance": gpu, "computeInstance": compute]) { $1 }
        }
        host.list([line(4242, 8192, 1, 0)], instance: 0)
            .list([line(4300, 4096, 2, 0), line(4400, 2048, 2, 1)], instance: 1)
            .list([line(4300, 4096, 2, 0), line(4400, 2048, 2, 1)], instance: 2)
        let faces = try Faces(try host.start())
        let devices = faces.document["devices"].elements
        #expect(devices.map { $0["index"].string } == ["0", "0:0", "0:1", "0:2"])
        #expect(devices[0]["ledger"]["instancesBytes"].integer == (8192 + 4096 + 2048) * mebibyte)
        #expect(devices[3]["memory"]["sharedWith"].string == devices[2]["uuid"].string)
        #expect(faces.ps == ["4242 0:0 8GiB trainer", "4300 0:1 4GiB left", "4400 0:2 2GiB right"])
        #expect(Set(faces.stats.split(separator: "\n")) == ["trainer 8GiB", "left 4GiB", "right 2GiB"])
    }

    @Test("Without the right to monitor MIG, who is there is told, and that nobody says with how much")
    func migWithoutRight() throws {
        let host = try HostTree(simulating: "a100-mig")
        try host.process(4242, "python3", cgroup: "0::/docker/\(trainer)")
        host.container(trainer, "trainer", "i").list([HostTree.listed(4242, nil)])
        let faces = try Faces(try host.start())
        #expect(faces.terms["complete"].bool == false)
        #expect(faces.document["processes"][0]["unavailable"].string?.contains("monitor capability") == true)
        #expect(faces.ledger.output.replacing("\n  ", with: " ").contains("monitor capability"))
        #expect(faces.stats == "trainer --\n")
        #expect(faces.ps == ["4242 0 -- trainer"])
    }

    @Test("The server of MPS is named as what it is, and its clients are their containers'")
    func mps() throws {
        let host = try HostTree(simulating: "v100-r440")
        try host.process(900, "nvidia-cuda-mps", cgroup: "0::/system.slice/mps.service")
            .process(4242, "python3", cgroup: "0::/docker/\(trainer)")
        host.container(trainer, "trainer", "i").list([
            HostTree.listed(900, 29), HostTree.listed(4242, 438, ["mps", "compute"]),
        ])
        let faces = try Faces(try host.start())
        #expect(faces.terms["containersBytes"].integer == 438 * mebibyte)
        #expect(faces.ledger.output.contains("(MPS server)"))
        #expect(faces.stats == "trainer 438MiB\n")
        #expect(faces.ps == ["4242 0 438MiB trainer", "900 0 29MiB (MPS server)"])
    }

    @Test("Processes that /proc hides are hidden, with their memory")
    func hidden() throws {
        let host = try peopled("h100-r570")
        try host.scratch.write("proc /proc proc rw,relatime,hidepid=2 0 0\n", to: "proc/mounts")
        let faces = try Faces(try host.start())
        #expect(faces.terms["hiddenBytes"].integer == 64 * mebibyte)
        #expect(faces.ledger.output.contains("(hidden)"))
        #expect(faces.ps.contains("39999 0 64MiB (hidden)"))
    }

    @Test("A GPU that sleeps is waited for, and the wait is explained", arguments: ["ledger", "stats", "ps"])
    func waking(_ face: String) throws {
        let arguments = face == "stats" ? ["stats", "--no-stream"] : [face]
        let host = try peopled("no-persistence").start()
        let result = try run(arguments, environment: host.environment)
        #expect(result.code == 0)
        #expect(result.output.contains("trainer"))
        #expect(result.errors.contains("without persistence mode a GPU takes seconds to wake"))
        #expect(result.errors.contains("GPU 0 took 2 s to wake: its persistence mode is off"))
    }

    @Test(
        "From inside a container: an old driver names PIDs of the host, which are nobody's here, a new one leaves them out",
        .enabled(if: geteuid() == 0, "a PID namespace of one's own needs root"), arguments: ["l4-r535", "h100-r570"])
    func insideContainer(_ name: String) throws {
        let host = try HostTree(simulating: name).start()
        let holding = try Holding(["0:1GiB"], driver: host.driver)
        defer { holding.end() }
        let result = try run(
            program: "/usr/bin/unshare", ["--pid", "--fork", "--mount-proc", Build.plimsoll, "--format", "json"],
            environment: host.driver.environment.merging(["DOCKER_HOST": "unix:///nowhere.sock"]) { $1 })
        let document = try result.document()
        #expect(document["devices"][0]["memory"]["usedBytes"].integer ?? 0 > 1 << 30)
        #expect(document["devices"][0]["ledger"]["containersBytes"].integer == 0)
        if name == "l4-r535" {
            #expect(document["processes"][0]["pid"].integer == Int64(holding.pid))
            #expect(document["processes"][0]["holder"].string == "hidden")
            #expect(document["devices"][0]["ledger"]["hiddenBytes"].integer ?? 0 > 1 << 30)
        } else {
            #expect(document["processes"].elements.isEmpty)
            #expect(document["devices"][0]["ledger"]["unattributedBytes"].integer ?? 0 > 1 << 30)
        }
    }
}
