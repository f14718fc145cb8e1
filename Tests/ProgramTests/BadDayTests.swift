import Foundation
import TestSupport
import Testing

private let id = HostTree.id(1)
private let mebibyte: Int64 = 1 << 20

/// A host with one card, and a container on it that holds 1 GiB.
private func simpleHost(_ faults: [String: Any] = [:]) throws -> HostTree {
    let host = try HostTree()
    try host.process(4242, "python3", cgroup: "0::/system.slice/docker-\(id).scope")
    host.container(id, "trainer", "lab/trainer:1")
    return host.card(
        "NVIDIA GeForce RTX 4090", uuid: "GPU-1", total: 24564, processes: [HostTree.listed(4242, 1024)],
        faults.isEmpty ? [:] : ["faults": faults])
}

struct DriverTroubleTests {
    @Test("No driver: what was looked for, and where; exit code 2")
    func noDriver() throws {
        let result = try run(["ledger"], environment: ["DOCKER_HOST": "unix:///nowhere"])
        #expect(result.code == 2)
        #expect(result.output == "")
        for place in ["libnvidia-ml.so.1", "/usr/lib/wsl/lib", "/run/nvidia/driver", "nvidia-smi", "--nvml-library"] {
            #expect(result.errors.contains(place))
        }
    }

    @Test("A library of another version than the kernel module: both are named, and what to do; exit code 2")
    func versionMismatch() throws {
        let tree = try simpleHost()
        try tree.scratch.write("550.54.15\n", to: "sys/module/nvidia/version")
        let result = try tree.start(["initialize": 18]).plimsoll()
        #expect(result.code == 2)
        #expect(result.errors.contains("550.54.15"))
        #expect(result.errors.contains("Reboot"))
    }

    @Test("A file that is no library, and a library that is another's")
    func otherLibraries() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        try scratch.write("not a library", to: "x.so")
        #expect(try run(["--nvml-library", scratch.path("x.so")]).code == 2)
        let other = try run(["--nvml-library", "libm.so.6"])
        #expect(other.code == 2)
        #expect(other.errors.contains("libm.so.6 has no nvml"))
    }

    @Test("A driver that has no device answers no: exit code 1")
    func noDevice() throws {
        let result = try HostTree().start().plimsoll()
        #expect(result.code == 1)
        #expect(result.errors.contains("reports no GPUs"))
        #expect(try HostTree().start().plimsoll("ledger", "--format", "json").document()["devices"].elements.isEmpty)
    }

    @Test("One sick device never hides a healthy one, and does not fail the command")
    func sickDevice() throws {
        let host = try simpleHost().container(HostTree.id(9), "idle", "redis:8").card(
            "NVIDIA GeForce RTX 3060", uuid: "GPU-2", total: 12288, processes: [], ["faults": ["handle": 15]]
        ).card("NVIDIA GeForce RTX 3060", uuid: "GPU-3", total: 12288, processes: [HostTree.listed(4242, 5)]).start()
        let result = try host.plimsoll("ledger", "--format", "json")
        #expect(result.code == 0)
        #expect(result.errors.contains("GPU 1") && result.errors.contains("GPU_IS_LOST"))
        let document = try result.document()
        #expect(document["devices"].elements.map { $0["index"].string } == ["0", "1", "2"])
        #expect(document["devices"][1]["memory"]["unavailable"].string?.contains("GPU_IS_LOST") == true)
        #expect(document["devices"][1]["uuid"].isNull)
        #expect(document["devices"][1]["ledger"]["containersBytes"].isNull)
        #expect(
            document["containers"][0]["usage"].elements.map { $0["bytes"].integer } == [1024 * mebibyte, 5 * mebibyte])
        let table = try host.plimsoll()
        #expect(table.output.contains("memory unknown: nvmlDeviceGetHandleByIndex_v2: GPU_IS_LOST"))
        // That a container holds nothing is not known where a device could not be read.
        let stats = try host.plimsoll("stats", "-a", "--no-stream", "--format", "{{.Name}} {{.GPUMem}}")
        #expect(stats.output.contains("trainer 1GiB"))
        #expect(stats.output.contains("idle --"))
    }

    @Test("Where no device could be read: exit code 2")
    func allSick() throws {
        #expect(try simpleHost(["handle": 15]).start().plimsoll().code == 2)
    }

    @Test("Memory that the driver does not tell leaves what its processes hold")
    func memoryUnknown() throws {
        let result = try simpleHost(["memory": 999]).start().plimsoll("ledger", "--format", "json")
        #expect(result.code == 0)
        let document = try result.document()
        #expect(document["devices"][0]["memory"]["usedBytes"].isNull)
        #expect(document["devices"][0]["ledger"]["containersBytes"].integer == 1024 * mebibyte)
        #expect(document["devices"][0]["ledger"]["unattributedBytes"].isNull)
        let table = try simpleHost(["memory": 999]).start().plimsoll()
        #expect(table.output.contains("-- / --"))
        #expect(table.output.contains("UNKNOWN"))
    }

    @Test("A graphics list that fails leaves the ledger incomplete; one that is not supported is empty")
    func graphicsList() throws {
        func complete(_ code: Int) throws -> Bool? {
            try simpleHost(["graphics": code]).start().plimsoll("--format", "json").document()["devices"][0]["ledger"][
                "complete"
            ].bool
        }
        #expect(try complete(999) == false)
        #expect(try complete(3) == true)
    }

    @Test("Without the compute list every term of the ledger is null")
    func computeList() throws {
        let result = try simpleHost(["compute": 999]).start().plimsoll("--format", "json")
        #expect(result.code == 0)
        #expect(try result.document()["devices"][0]["ledger"]["hostBytes"].isNull)
        #expect(try result.document()["devices"][0]["memory"]["totalBytes"].integer == 24564 * mebibyte)
    }

    @Test("A driver that does not answer is waited for, told so, and left")
    func hangs() throws {
        let host = try simpleHost().start()
        host.driver.sleep()
        defer { host.driver.wake() }
        let result = try host.plimsoll("--timeout", "2")
        #expect(result.code == 2)
        #expect(result.errors.contains("waiting for the driver"))
        #expect(result.errors.contains("did not answer within 2 s"))
        #expect(result.seconds < 10 + busyMachine)
    }
}

struct EngineTroubleTests {
    private func ids(_ result: ProgramResult) throws -> [String?] {
        try result.document()["containers"].elements.map { $0["id"].string }
    }

    @Test("Docker that hangs costs its time and the names, nothing else")
    func hangs() throws {
        let result = try simpleHost().start(engine: .hangs).plimsoll("ledger", "--format", "json", "--timeout", "1")
        #expect(result.code == 0)
        #expect(try ids(result) == [id])
        #expect(try result.document()["containers"][0]["known"].bool == false)
        #expect(try result.document()["sources"][2]["ok"].bool == false)
        #expect(result.errors.contains("no answer within 1 s"))
        #expect(result.seconds < 10 + busyMachine)
    }

    @Test(
        "Docker that answers rubbish is told; the ids stay", arguments: ["{}", "hello", "HTTP/1.0 200 OK\r\n\r\n[{]"])
    func rubbish(_ bytes: String) throws {
        let result = try simpleHost().start(engine: .bytes(bytes)).plimsoll("ledger", "--format", "json")
        #expect(result.code == 0)
        #expect(try ids(result) == [id])
        #expect(result.errors.contains("answered what no container engine would"))
    }

    @Test("Where the engine does not answer, nobody knows that a name is not there")
    func unknownName() throws {
        for command in [["stats", "--no-stream", "other"], ["ps", "other"]] {
            let result = try simpleHost().start(engine: .closes).plimsoll(command)
            #expect(result.code == 2)
            #expect(result.errors.contains("cannot say whether"))
            #expect(try simpleHost().start().plimsoll(command).code == 1)
        }
    }

    @Test("What an engine or a driver says cannot steer the terminal")
    func steering() throws {
        let answer = "HTTP/1.0 500 x\r\n\r\n{\"message\":\"\\u001b[31mred\"}"
        let result = try simpleHost().start(engine: .bytes(answer)).plimsoll()
        #expect(result.errors.contains("?[31mred"))
        #expect(!result.errors.contains("\u{1B}"))
    }

    @Test("No engine at all: ids, a warning, exit code 0")
    func none() throws {
        let result = try simpleHost().start().plimsoll(
            "ledger", "--format", "json", environment: ["DOCKER_HOST": "unix:///nowhere/docker.sock"])
        #expect(result.code == 0)
        #expect(try ids(result) == [id])
        #expect(result.errors.contains("no container engine at /nowhere/docker.sock"))
    }

    @Test("A socket without permission names the group that has it")
    func forbidden() throws {
        let host = try simpleHost().start()
        chmod(host.engine.path, geteuid() == 0 ? 0o660 : 0o000)
        // The path to the program may not be open to others, so it is put where it is.
        let copy = host.tree.scratch.path("plimsoll")
        try FileManager.default.copyItem(atPath: Build.plimsoll, toPath: copy)
        let asNobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", copy, "ledger", "--format", "json"]
        let result =
            geteuid() == 0
            ? try run(program: "/usr/bin/setpriv", asNobody, environment: host.environment)
            : try run(["ledger", "--format", "json"], environment: host.environment)
        #expect(result.code == 0)
        #expect(try ids(result) == [id])
        #expect(result.errors.contains("no permission for"))
        if geteuid() == 0 { #expect(result.errors.contains("usermod -aG root")) }
    }

    @Test(
        "An engine on another machine is refused with exit code 2", arguments: ["tcp://10.0.0.1:2375", "ssh://gpu-box"])
    func elsewhere(_ url: String) throws {
        let result = try run(["--docker-host", url])
        #expect(result.code == 2)
        #expect(result.errors.contains("reads the GPUs of the machine it runs on"))
    }

    @Test("Of several engines each names its own, and one that fails hides nothing of the others")
    func several() throws {
        let host = try simpleHost()
        let podmanID = HostTree.id(2)
        try host.process(5000, "python3", cgroup: "0::/machine.slice/libpod-\(podmanID).scope/container")
        host.card("NVIDIA T4", uuid: "GPU-2", total: 15360, processes: [HostTree.listed(5000, 10)])
        let running = try host.start()
        let podman = try StubEngine(
            host.scratch.path("podman.sock"),
            .answer(#"[{"Id":"\#(podmanID)","Names":["/nb"],"Image":"nb","State":"running"}]"#),
            headers: "Libpod-API-Version: 4.3.1")
        let result = try running.plimsoll(
            "ledger", "--format", "json", "--docker-host", "unix://\(running.engine.path)", "--docker-host",
            "unix://\(podman.path)", "--docker-host", "unix:///nowhere.sock")
        let document = try result.document()
        #expect(document["containers"].elements.map { $0["name"].string } == ["trainer", "nb"])
        #expect(document["containers"].elements.map { $0["runtime"].string } == ["docker", "podman"])
        #expect(
            document["sources"].elements.map { $0["name"].string } == [
                "nvml", "proc", "docker", "podman", "docker:/nowhere.sock",
            ])
        #expect(result.code == 0)
    }

    @Test("A name of every character that Docker allows is shown and found")
    func everyCharacter() throws {
        let name = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
        let host = try HostTree()
        try host.process(1, "x", cgroup: "0::/docker/\(id)")
        host.container(id, name, "i").card("c", uuid: "GPU-1", total: 100, processes: [HostTree.listed(1, 1)])
        let running = try host.start()
        #expect(try running.plimsoll("ledger").output.contains(name))
        #expect(try running.plimsoll("stats", "--no-stream", name).output.contains(name))
        #expect(try running.plimsoll("stats", "--no-stream", String(id.prefix(6))).output.contains(name))
        #expect(try running.plimsoll("stats", "--no-stream", "abc").code == 1)
    }
}

struct HostTroubleTests {
    @Test("With hidepid what cannot be looked up is hidden, not gone")
    func hidepid() throws {
        let host = try HostTree()
        try host.scratch.write("proc /proc proc rw,relatime,hidepid=2 0 0\n", to: "proc/mounts")
        host.card("c", uuid: "GPU-1", total: 100, processes: [HostTree.listed(4242, 10)])
        let running = try host.start()
        let document = try running.plimsoll("--format", "json").document()
        #expect(document["processes"][0]["holder"].string == "hidden")
        #expect(document["devices"][0]["ledger"]["hiddenBytes"].integer == 10 * mebibyte)
        #expect(try running.plimsoll().output.contains("(hidden)"))
    }

    @Test("A PID that a later process has inherits no memory")
    func reusedPID() throws {
        let host = try HostTree(uptime: "500.00 1.00")
        try host.process(4242, "bash", cgroup: "0::/docker/\(id)", started: 500.01)
        host.card("c", uuid: "GPU-1", total: 100, processes: [HostTree.listed(4242, 10)])
        let document = try host.start().plimsoll("--format", "json").document()
        #expect(document["processes"][0]["holder"].string == "gone")
        #expect(document["processes"][0]["name"].isNull)
        #expect(document["containers"].elements.isEmpty)
    }

    @Test("A /proc that is not there leaves the devices, and every process hidden")
    func noProc() throws {
        let host = try simpleHost().start()
        let result = try host.plimsoll("--format", "json", "--procfs", "/nowhere")
        #expect(result.code == 0)
        #expect(result.errors.contains("/nowhere"))
        #expect(try result.document()["devices"][0]["ledger"]["hiddenBytes"].integer == 1024 * mebibyte)
    }

    @Test("A recording that claims what cannot be is shown without it, and brings nothing down")
    func hostileRecording() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let sample = Build.package.appending(path: "samples/workstation.json")
        let honest = try String(contentsOf: sample, encoding: .utf8)
        let huge = "9223372036854775807"
        let changes: [(String, String)] = [
            ("\"bytes\" : [0-9]+", "\"bytes\" : 18446744073709551615"),
            ("\"total\" : [0-9]+", "\"total\" : 18446744073709551615"),
            ("\"used\" : [0-9]+", "\"used\" : 281474976710656"), ("\"startTick\" : [0-9]+", "\"startTick\" : -\(huge)"),
            ("\"bootTime\" : [0-9]+", "\"bootTime\" : \(huge)"), ("\"time\" : [0-9]+", "\"time\" : \(huge)"),
            ("\"ticksPerSecond\" : [0-9]+", "\"ticksPerSecond\" : 0"),
            ("\"index\" : \"1\"", "\"index\" : \"1\", \"parentIndex\" : \"1\""),
            ("\"utilizationPercent\" : \\{\\s*\"value\" : [0-9]+", "\"utilizationPercent\" : { \"value\" : \(huge)"),
            ("\"pid\" : [0-9]+", "\"pid\" : 1"),
            ("\"cgroup\" : \\{[^}]*\\}", "\"cgroup\" : { \"value\" : \"0::/\\\\u0000/..\" }"),
        ]
        for (pattern, replacement) in changes {
            let text = honest.replacing(try Regex(pattern), with: replacement)
            #expect(text != honest, "\(pattern)")
            try scratch.write(text, to: "r.json")
            for arguments in [["ledger"], ["ledger", "--format", "json"], ["stats", "-a"], ["ps"], ["whose", "1"]] {
                let result = try run(arguments + ["--replay", scratch.path("r.json")], environment: ["COLUMNS": "80"])
                #expect(result.code < 3, "\(pattern) \(arguments): \(result.code) \(result.errors.prefix(300))")
            }
        }
    }

    @Test("5,000 processes on six cards are all accounted for")
    func manyProcesses() throws {
        let host = try HostTree()
        for card in 0..<6 {
            let pids = (0..<840).map { 10_000 + card * 1000 + $0 }
            for pid in pids {
                try host.process(pid, "worker", cgroup: "0::/system.slice/docker-\(HostTree.id(pid % 40)).scope")
            }
            host.card("c", uuid: "GPU-\(card)", total: 81920, processes: pids.map { HostTree.listed($0, 7) })
        }
        let running = try host.start()
        let result = try running.plimsoll("--format", "json")
        let document = try result.document()
        #expect(document["processes"].elements.count == 5040)
        #expect(document["containers"].elements.count == 40)
        let held = document["containers"].elements.flatMap { $0["usage"].elements }.compactMap { $0["bytes"].integer }
        #expect(held.reduce(0, +) == 5040 * 7 * mebibyte)
        let rows = try running.plimsoll("ps", "--format", "{{.Name}}").output.split(separator: "\n")
        #expect(rows.count == 5040)
    }

    @Test("Every kind of host: a tree of files through the real program")
    func everyHost() throws {
        let other = HostTree.id(3)
        let forms: [(cgroup: String, container: String?, parents: [String])] = [
            ("12:memory:/docker/\(id)\n0::/system.slice/containerd.service", id, []),
            ("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-\(id).scope/container", id, []),
            ("0::/kubepods.slice/kubepods-pod12345678_1234_1234_1234_123456789abc.slice/crio-\(id).scope", id, []),
            ("0::/lxc/108/ns/system.slice/ollama.service", "108", []),
            ("0::/lxc.payload.web-1/init.scope", "web-1", []),
            ("0::/machine.slice/systemd-nspawn@media-01.service/payload/init.scope", "media-01", []),
            ("0::/docker/\(other)/docker/\(id)", id, [other]),
            ("0::/machine.slice/libpod-conmon-\(id).scope", nil, []),
            ("0::/user.slice/user-1000.slice/session-3.scope", nil, []),
            ("0::/system.slice/slurmstepd.scope/job_123/step_0/user/task_0", nil, []),
        ]
        for form in forms {
            let host = try HostTree()
            try host.process(4242, "python3", cgroup: form.cgroup)
            host.card("c", uuid: "GPU-1", total: 100, processes: [HostTree.listed(4242, 10)])
            let document = try host.start().plimsoll("--format", "json").document()
            #expect(document["containers"][0]["id"].string == form.container, "\(form.cgroup)")
            #expect(document["containers"][0]["parents"].elements.compactMap(\.string) == form.parents)
            #expect(document["processes"][0]["holder"].string == (form.container == nil ? "host" : "container"))
        }
    }

    @Test("A sample host read as a tree gives the document that its recording gives", arguments: SampleHost.allCases)
    func treeAndRecording(_ sample: SampleHost) throws {
        let live = try sample.make().start().plimsoll("--format", "json").output
        func settled(_ text: String) -> String {
            var text = text
            text.replace(/"(time|host)": "[^"]*"/, with: "")
            text.replace(/"seconds": [-0-9.e]+/, with: "")
            for (number, name) in SampleHost.users {
                text.replace("\"user\": \"\(number)\"", with: "\"user\": \"\(name)\"")
            }
            return text
        }
        let file = Build.package.appending(path: "samples/\(sample.rawValue).json").path
        #expect(settled(live) == settled(try run(["--format", "json", "--replay", file]).output))
    }
}
