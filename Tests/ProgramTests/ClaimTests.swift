import Foundation
import Glibc
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20
private let victim = HostTree.id(1)
private let outer = HostTree.id(2)
private let inner = HostTree.id(3)
private let victimPlace = "/system.slice/docker-\(victim).scope"
private let outerPlace = "/system.slice/docker-\(outer).scope"
/// A user who runs none of the engines here: those are of the user that runs the tests.
private let manager = "/user.slice/user-4000.slice/user@4000.service"
private let claim = "\(manager)/app.slice/docker-\(victim).scope"

/// A user, and the root of a container, can make a cgroup that is named like another's container. Its memory is not that
/// container's.
struct ClaimTests {
    /// The victim holds 1000 MiB; a process in a cgroup that claims to be the victim's holds 500 MiB.
    private func host(_ cgroup: String, victimHolds: Bool = true) throws -> HostTree {
        let host = try HostTree()
        host.container(victim, "ollama", "ollama/ollama:0.12.6").container(outer, "sandbox", "lab/sandbox")
        try host.process(4242, "ollama", cgroup: "0::" + victimPlace, inside: [1])
        try host.process(666, "miner", cgroup: "0::" + cgroup, inside: [66], user: 4000)
        let listed = (victimHolds ? [HostTree.listed(4242, 1000)] : []) + [HostTree.listed(666, 500)]
        return host.card("NVIDIA T4", uuid: "GPU-1", total: 15360, processes: listed)
    }

    /// The program's answers to us and, if we are root, to somebody who has no rights.
    private func answers(_ host: RunningHost, _ arguments: String..., check: (ProgramResult) throws -> Void) throws {
        try check(try host.plimsoll(arguments))
        guard getuid() == 0 else { return }
        chmod(host.tree.scratch.url.path, 0o755)
        chmod(host.engine.path, 0o777)
        if let driver = host.simulated { chmod(driver.socket, 0o777) }
        try check(
            try run(
                program: "/usr/bin/setpriv",
                ["--reuid=65534", "--regid=65534", "--clear-groups", Build.plimsoll] + arguments,
                environment: host.environment))
    }

    @Test(
        "A cgroup of a user that is named like another's container adds nothing to that container",
        arguments: [
            claim, "\(manager)/docker/\(victim)", "\(manager)/x.slice:docker:\(victim)",
            "\(manager)/user@0.service/docker-\(victim).scope", "\(manager)/docker-\(victim.prefix(12)).scope",
            "\(claim)/docker-\(victim).scope",
        ])
    func userClaims(_ cgroup: String) throws {
        let host = try host(cgroup).start()
        try answers(host, "--format", "json") { result in
            let document = try result.document()
            #expect(document["containers"].elements.map { $0["name"].string } == ["ollama"])
            #expect(document["containers"][0]["usage"][0]["bytes"].integer == 1000 * mebibyte)
            #expect(document["containers"][0]["usage"][0]["pids"].elements.map(\.integer) == [4242])
            #expect(document["containers"][0]["verified"].bool == true)
            #expect(document["devices"][0]["ledger"]["hostBytes"].integer == 500 * mebibyte)
            let process = document["processes"].elements.first { $0["pid"].integer == 666 }
            #expect(process?["holder"].string == "host")
            #expect(process?["container"].isNull == true)
        }
        try answers(host, "ledger") { result in
            #expect(result.output.contains(#/500MiB +3.26% +miner +\(host\) +666/#))
            #expect(result.output.contains(#/1000MiB +6.51% +ollama /#))
            #expect(!result.output.contains("unverified"))
        }
        try answers(host, "stats", "--no-stream", "ollama", "--format", "{{.Name}} {{.GPUMem}} {{.PIDs}}") {
            #expect($0.output == "ollama 1000MiB 1\n")
        }
        try answers(host, "ps", "--format", "{{.PID}} {{.Container}} {{.ContainerID}}") {
            #expect($0.output == "4242 ollama \(victim.prefix(12))\n666 (host) (host)\n")
        }
        try answers(host, "whose", "666", "66", "--format", "{{.PID}} {{.Container}} {{.Image}}") {
            #expect($0.output == "666 (host) (host)\n666 (host) (host)\n")
        }
    }

    /// A folder of a service, nested so deep that the name of a cgroup in it fits into what the kernel tells of a process, and
    /// the path of the folder below a /sys of any name does not fit into PATH_MAX.
    private static let deep =
        Array(repeating: String(repeating: "d", count: 240), count: 16).joined(separator: "/") + "/"
        + String(repeating: "e", count: 190)

    @Test(
        "A cgroup in a service that is delegated to a user adds nothing to the container that it is named like",
        .enabled(if: getuid() == 0, "only root can give a folder away"), arguments: [false, true], ["work", deep])
    func delegatedService(isClosed: Bool, name: String) throws {
        let service = "/system.slice/runner.service"
        let host = try host("\(service)/\(name)/docker-\(victim.prefix(12))")
        // The last of the deep ones cannot be made by its path, nor looked at.
        let made = name == Self.deep ? String(name.dropLast(191)) : name
        let folder = host.scratch.path("sys/fs/cgroup\(service)")
        try FileManager.default.createDirectory(atPath: "\(folder)/\(made)", withIntermediateDirectories: true)
        for path in ["\(folder)/\(made)", folder] { try #require(chown(path, 4000, 4000) == 0) }
        // Then only the folder around it can be looked at by others than root.
        if isClosed { chmod(folder, 0o700) }
        let running = try host.start()
        try answers(running, "--format", "json") { result in
            let document = try result.document()
            #expect(document["containers"].elements.map { $0["name"].string } == ["ollama"])
            #expect(document["containers"][0]["usage"][0]["bytes"].integer == 1000 * mebibyte)
            #expect(document["containers"][0]["verified"].bool == true)
            #expect(document["devices"][0]["ledger"]["hostBytes"].integer == 500 * mebibyte)
        }
        let recording = host.scratch.path("recording.json")
        #expect(try running.plimsoll("capture", recording).code == 0)
        #expect(try run(["ps", "--replay", recording, "--format", "{{.Container}}"]).output == "ollama\n(host)\n")
    }

    @Test("A container that holds nothing is not given the memory that a user claims for it")
    func idleVictim() throws {
        let host = try host(claim, victimHolds: false)
        // A limit of the folder that claims to be the container's is none of the container.
        try host.ramLimit("1048576", cgroup: claim + "/memory.max")
        let running = try host.start()
        try answers(running, "stats", "-a", "--format", "{{.Name}} {{.GPUMem}} {{.RAMLimit}}", "--no-stream") {
            #expect($0.output == "ollama 0B --\nsandbox 0B --\n")
        }
        try answers(running, "whose", "666", "--format", "{{.Container}} {{.GPUMem}}") {
            #expect($0.output == "(host) 500MiB\n")
        }
    }

    @Test("A container whose root makes a cgroup that is named like another container holds that memory itself")
    func containerClaims() throws {
        let host = try host("\(outerPlace)/docker-\(victim).scope").start()
        try answers(host, "--format", "json") { result in
            let containers = try result.document()["containers"].elements
            #expect(containers.map { $0["name"].string } == ["ollama", "sandbox"])
            #expect(containers.map { $0["usage"][0]["bytes"].integer } == [1000 * mebibyte, 500 * mebibyte])
            #expect(containers.map { $0["parents"].elements.count } == [0, 0])
            #expect(containers.map { $0["verified"].bool } == [true, true])
        }
        try answers(host, "whose", "666", "--format", "{{.Container}}") { #expect($0.output == "sandbox\n") }
    }

    @Test("A container has its own RAM limit, and not that of a cgroup that claims to be it")
    func ramLimit() throws {
        let host = try host(claim)
        // The claimer has the lower PID, and comes first.
        try host.ramLimit("1048576", cgroup: claim + "/memory.max")
        try host.ramLimit("549755813888", cgroup: victimPlace + "/memory.max")
        try answers(host.start(), "--format", "json") { result in
            let document = try result.document()
            #expect(document["containers"][0]["ramLimitBytes"].integer == 549_755_813_888)
        }
    }

    @Test("If an engine does not answer, a claim is marked on every screen; a container that cannot be claimed is not")
    func engineIsSilent() throws {
        let host = try HostTree()
        try host.process(4242, "train", cgroup: "0::" + outerPlace)
        try host.process(666, "miner", cgroup: "0::" + claim)
        host.card(
            "NVIDIA T4", uuid: "GPU-1", total: 15360, processes: [HostTree.listed(4242, 9), HostTree.listed(666, 500)])
        let running = try host.start(engine: .closes)
        try answers(running, "ledger") {
            #expect($0.output.contains(#/500MiB +3.26% +-- \(unverified\) +-- /#))
            #expect($0.output.contains("\n(unverified)  may be another container"))
        }
        try answers(running, "--format", "json") { result in
            let containers = try result.document()["containers"].elements
            #expect(containers.map { $0["id"].string } == [victim, outer])
            #expect(containers.map { $0["verified"].bool } == [false, true])
        }
        for command in [["stats", "--no-stream"], ["ps"], ["whose", "666"]] {
            let output = try running.plimsoll(command).output
            #expect(output.contains(" -- (unverified) "), "\(command)")
            #expect(output.contains("\n(unverified)  may be another container"), "\(command)")
        }
    }

    @Test("Where the engine's socket is not ours to ask, a user's own containers are not marked")
    func engineIsForbidden() throws {
        let host = try HostTree()
        try host.process(666, "train", cgroup: "0::" + claim)
        host.card("NVIDIA T4", uuid: "GPU-1", total: 15360, processes: [HostTree.listed(666, 500)])
        let running = try host.start()
        chmod(running.engine.path, 0)
        chmod(host.scratch.url.path, 0o755)
        chmod(running.driver.socket, 0o777)
        // Root may ask every engine.
        let asUser = getuid() == 0 ? ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
        let words = asUser + [Build.plimsoll, "capture", "-"]
        let captured = try run(program: words[0], Array(words.dropFirst()), environment: running.environment)
        #expect(captured.errors.contains("no permission for \(running.engine.path)"))
        try host.scratch.write(captured.output, to: "recording.json")
        let document = try run(["--replay", host.scratch.path("recording.json"), "--format", "json"]).document()
        #expect(document["containers"].elements.map { $0["id"].string } == [victim])
        #expect(document["containers"][0]["verified"].bool == true)
    }

    @Test("A claim that nobody can decide keeps the name, marked; the plain name finds it; a recording says the same")
    func marked() throws {
        let host = try HostTree()
        host.container(outer, "dind", "docker:dind")
        try host.process(666, "train", cgroup: "0::\(outerPlace)/docker/\(inner)")
        host.card("NVIDIA T4", uuid: "GPU-1", total: 1000, processes: [HostTree.listed(666, 500)])
        let running = try host.start()
        // Docker in Docker, whose socket was brought out.
        let second = try StubEngine(
            host.scratch.path("inner.sock"), .answer(#"[{"Id":"\#(inner)","Names":["/train"],"Image":"lab"}]"#))
        let engines = ["--docker-host", "unix://\(running.engine.path)", "--docker-host", "unix://\(second.path)"]
        func lines(_ arguments: [String]) throws -> [String] {
            let recording = host.scratch.path("recording.json")
            #expect(try running.plimsoll(["capture", recording] + engines).code == 0)
            return [
                try running.plimsoll(arguments + engines).output,
                try run(arguments + ["--replay", recording]).output,
            ]
        }
        let name = "dind/train (unverified)"
        for (arguments, expected) in [
            (["stats", "--no-stream", "train", "--format", "{{.Name}} {{.GPUMem}}"], "\(name) 500MiB\n"),
            (["ps", "--format", "{{.Container}}"], "\(name)\n"),
            (["whose", "666", "--format", "{{.Container}}"], "\(name)\n"),
        ] {
            #expect(try lines(arguments) == [expected, expected])
        }
        for (arguments, field) in [
            (["stats", "--no-stream", "train"], "Name"), (["ps"], "Container"), (["whose", "666"], "Container"),
        ] {
            for output in try lines(arguments + ["--format", "json"]) + lines(arguments + ["--format", "{{json .}}"]) {
                let row = try JSONDocument(output)
                #expect(row[field].string == "dind/train")
                #expect(row["Verified"].bool == false)
            }
            let template = "{{if .Verified}}yes{{else}}no{{end}} {{.Verified}}"
            #expect(try lines(arguments + ["--format", template]) == ["no false\n", "no false\n"])
        }
        for output in try lines(["--format", "json"]) {
            let container = try JSONDocument(output)["containers"][0]
            #expect(container["name"].string == "train")
            #expect(container["verified"].bool == false)
            #expect(container["parents"].elements.map(\.string) == [outer])
        }
        let fit = try running.plimsoll(["fit", "900MiB"] + engines)
        #expect(fit.errors.contains("the largest holder is \(name) with 500MiB"))
        // Asked alone, the outer engine leaves it an inner container that nobody knows.
        #expect(
            try running.plimsoll("--format", "json").document()["containers"][0]["verified"].bool == true)
    }

    @Test("A rootless engine's own containers keep their names, and the recording has who runs the engine")
    func rootless() throws {
        let host = try HostTree()
        host.container(victim, "notebook", "lab/notebook")
        let own = "/user.slice/user-\(getuid()).slice/user@\(getuid()).service/user.slice"
        try host.process(4242, "python3", cgroup: "0::\(own)/docker-\(victim).scope")
        host.card("NVIDIA T4", uuid: "GPU-1", total: 1000, processes: [HostTree.listed(4242, 500)])
        let running = try host.start()
        try answers(running, "stats", "--no-stream", "--format", "{{.Name}}") { #expect($0.output == "notebook\n") }
        let recording = host.scratch.path("recording.json")
        #expect(try running.plimsoll("capture", recording).code == 0)
        let text = try String(contentsOfFile: recording, encoding: .utf8)
        #expect(try JSONDocument(text)["observation"]["engines"][0]["owner"].integer == Int64(getuid()))
        #expect(try run(["ps", "--replay", recording, "--format", "{{.Container}}"]).output == "notebook\n")
        // An older recording does not say it.
        try host.scratch.write(text.replacing(/"owner" : \d+,/, with: ""), to: "old.json")
        let old = try run(["ps", "--replay", host.scratch.path("old.json"), "--format", "{{.Container}}"])
        #expect(old.output == "notebook (unverified)\n")
    }
}

/// The same where the kernel charges device memory to cgroups.
struct ClaimedChargeTests {
    /// The victim is charged 1024 MiB, the outer container 512 MiB, and the cgroup that claims to be the victim 256 MiB.
    private func host(_ cgroup: String, outerIsCharged: Int64 = 512) throws -> RunningHost {
        let host = try HostTree()
        host.container(victim, "ollama", "ollama/ollama:0.12.6").container(outer, "sandbox", "lab/sandbox")
        try host.process(4242, "ollama", cgroup: "0::" + victimPlace)
        try host.process(5000, "sh", cgroup: "0::" + outerPlace)
        try host.process(666, "miner", cgroup: "0::" + cgroup)
        let region = "nvidia/00000000:01:00.0/vidmem"
        func table(_ file: String, _ amount: Int64) throws {
            try host.scratch.write("\(region) \(amount * mebibyte)\n", to: "sys/fs/cgroup/\(file)")
        }
        try host.scratch.write("memory pids dmem\n", to: "sys/fs/cgroup/cgroup.controllers")
        try table("dmem.capacity", 15360)
        try table("dmem.current", 2000)
        for (path, amount) in [(victimPlace, 1024), (outerPlace, outerIsCharged), (cgroup, 256)] {
            try table("\(path)/dmem.current", amount)
            try host.scratch.write("\(region) max\n", to: "sys/fs/cgroup\(path)/dmem.max")
        }
        try table("\(cgroup)/dmem.max", 300)
        host.card(
            "NVIDIA T4", uuid: "GPU-1", total: 15360,
            processes: [HostTree.listed(4242, 1000), HostTree.listed(5000, 100), HostTree.listed(666, 200)])
        return try host.start()
    }

    private func sums(_ document: JSONDocument) -> Bool {
        let ledger = document["devices"][0]["ledger"]
        let terms = ["containers", "host", "gone", "hidden", "instances", "unattributed"]
        return terms.compactMap { ledger[$0 + "Bytes"].integer }.reduce(0, +)
            == document["devices"][0]["memory"]["usedBytes"].integer
    }

    private func charged(_ document: JSONDocument) -> [String: Int64] {
        document["containers"].elements.reduce(into: [:]) {
            $0[$1["name"].string ?? "--"] = ($1["usage"][0]["bytes"].integer ?? 0) / mebibyte
        }
    }

    @Test("A charge of a user's cgroup that is named like a container is nobody's container's")
    func user() throws {
        let document = try host(claim).plimsoll("--format", "json").document()
        #expect(charged(document) == ["ollama": 1024, "sandbox": 512])
        #expect(document["containers"].elements.allSatisfy { $0["usage"][0]["limitBytes"].isNull })
        #expect(document["devices"][0]["ledger"]["hostBytes"].integer == 200 * mebibyte)
        #expect(sums(document))
    }

    @Test("A charge of a cgroup inside a container that is named like another one stays with the outer one")
    func nested() throws {
        // The kernel's charge of a cgroup has those of the cgroups in it.
        let document = try host("\(outerPlace)/docker-\(victim).scope", outerIsCharged: 512 + 256)
            .plimsoll("--format", "json").document()
        #expect(charged(document) == ["ollama": 1024, "sandbox": 768])
        #expect(document["containers"].elements.allSatisfy { $0["usage"][0]["limitBytes"].isNull })
        #expect(document["devices"][0]["ledger"]["hostBytes"].integer == 0)
        #expect(sums(document))
    }

    @Test("A container inside a cgroup that claims falsely to be one is taken off the outermost")
    func insideFalse() throws {
        let running = try host("\(outerPlace)/docker-\(victim).scope/docker/\(inner)", outerIsCharged: 512 + 256)
        let document = try running.plimsoll("--format", "json").document()
        #expect(charged(document) == ["ollama": 1024, "sandbox": 512, "--": 256])
        let own = document["containers"].elements.first { $0["id"].string == inner }
        #expect(own?["parents"].elements.map(\.string) == [outer])
        #expect(sums(document))
    }
}
