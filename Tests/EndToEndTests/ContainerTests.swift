import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20
private let cardOne = "GPU-5d1f0c7e-31a4-4f0b-9a55-0e2f3c1b7a01"
private let cardTwo = "GPU-a3c82f64-7be0-4c0d-8d0f-62b1c5d7ee02"
/// What a process's context costs on each card of the simulated host.
private let contextOne = 380 * mebibyte
private let contextTwo = 156 * mebibyte

struct EngineTests {
    @Test("Under CI there is a Docker engine: there end-to-end tests are not skipped", .enabled(if: RealDocker.isCI))
    func engineAnswers() {
        #expect(RealDocker.absence == nil)
    }
}

/// Real containers on a real engine, allocating with cuMemAlloc_v2; only the card is simulated.
@Suite(.serialized, .enabled(if: RealDocker.absence == nil, "\(RealDocker.absence ?? "")"))
struct ContainerTests {
    private let host: ContainerHost

    init() throws {
        host = try ContainerHost()
    }

    private func ledger() throws -> JSONDocument {
        let result = try host.plimsoll("ledger", "--format", "json")
        #expect(result.code == 0)
        #expect(result.errors == "")
        return try result.document()
    }

    /// Bytes by container name and device.
    private func held(_ document: JSONDocument) -> [String: [String: Int64]] {
        document["containers"].elements.reduce(into: [:]) { held, container in
            for usage in container["usage"].elements {
                let name = container["name"].string?.replacing(host.name(""), with: "")
                held[name ?? "?", default: [:]][usage["device"].string ?? "?"] =
                    usage["bytes"].integer
            }
        }
    }

    @Test("One process: its container, to the byte, with name, image, id and RAM limit")
    func oneProcess() throws {
        let id = try host.start("one", options: ["-m", "256m"], ["0:1000MiB"])
        let document = try ledger()
        #expect(held(document) == ["one": [cardOne: 1000 * mebibyte + contextOne]])
        let container = document["containers"][0]
        #expect(container["id"].string == id)
        #expect(container["image"].string?.hasPrefix("plimsoll-test:") == true)
        #expect(container["known"].bool == true)
        #expect(container["runtime"].string == "docker")
        #expect(container["ramLimitBytes"].integer == (RealCgroups.limitRAM ? 256 * mebibyte : nil))
        #expect(document["processes"][0]["nsPids"].elements.map(\.integer).last == 1)
        #expect(document["processes"][0]["name"].string == "gpusim-hold")
        #expect(document["devices"][0]["ledger"]["unattributedBytes"].integer == 36 * mebibyte)
    }

    @Test("Children count with their container, each with its own context")
    func children() throws {
        try host.start("family", ["--children", "2", "0:100MiB"])
        try host.wait("all hold") { try ledger()["processes"].elements.count == 3 }
        #expect(held(try ledger()) == ["family": [cardOne: 3 * (100 * mebibyte + contextOne)]])
    }

    @Test("One process on two GPUs stands on each with what it holds there")
    func twoDevices() throws {
        try host.start("wide", ["0:500MiB", "1:300MiB"])
        #expect(
            held(try ledger()) == [
                "wide": [cardOne: 500 * mebibyte + contextOne, cardTwo: 300 * mebibyte + contextTwo]
            ])
        #expect(try ledger()["processes"].elements.map { $0["device"].string } == [cardOne, cardTwo])
    }

    @Test("Two processes that were started apart in one container are one holder")
    func twoProcesses() throws {
        try host.start("pair", ["0:500MiB"])
        try RealDocker.docker("exec", "-d", host.name("pair"), "/bin/gpusim-hold", "0:200MiB")
        try host.wait("both hold") { try ledger()["processes"].elements.count == 2 }
        #expect(held(try ledger()) == ["pair": [cardOne: 700 * mebibyte + 2 * contextOne]])
        #expect(try ledger()["containers"][0]["usage"][0]["pids"].elements.count == 2)
    }

    @Test("Two containers compete for one card: the host names both, each sees itself alone, and the card is finite")
    func competition() throws {
        try host.start("left", ["1:5000MiB"])
        try host.start("right", ["1:4000MiB"])
        #expect(
            held(try ledger()) == [
                "left": [cardTwo: 5000 * mebibyte + contextTwo], "right": [cardTwo: 4000 * mebibyte + contextTwo],
            ])
        for (name, size) in [("left", 5000 * mebibyte), ("right", 4000 * mebibyte)] {
            let inside = try RealDocker.docker(
                "exec", "-e", "PLIMSOLL_NVML_LIBRARY=/usr/lib/gpusim/libnvidia-ml.so.1", host.name(name),
                "/bin/plimsoll",
                "ledger",
                "--format", "json")
            #expect(inside.code == 0)
            let document = try inside.document()
            #expect(document["processes"].elements.map { $0["bytes"].integer } == [size + contextTwo])
            #expect(document["processes"][0]["pid"].integer == 1)
            // The other's memory is the card's all the same.
            #expect(document["devices"][1]["ledger"]["unattributedBytes"].integer! > 4000 * mebibyte)
        }
        let third = try RealDocker.docker(
            "run", "--rm", "--network", "none", "-v", "\(host.driver.libraries):/lib/gpusim", "-v",
            "\(host.driver.socketFolder):/run/gpusim", "-e", "LD_LIBRARY_PATH=/lib/gpusim",
            try RealDocker.docker("inspect", "-f", "{{.Config.Image}}", host.name("left")).output.trimmingCharacters(
                in: .whitespacesAndNewlines), "/bin/gpusim-hold", "1:4000MiB")
        #expect(third.code == 1)
        #expect(third.output.contains("CUDA error 2"))
    }

    @Test("Memory rises when a container allocates and returns when it ends")
    func risesAndReturns() throws {
        let before = try ledger()["devices"][0]["memory"]["usedBytes"].integer
        try host.start("breathing", ["--grow", "2000MiB", "0:100MiB"])
        #expect(held(try ledger())["breathing"]?[cardOne] == 100 * mebibyte + contextOne)
        try RealDocker.docker("kill", "-s", "USR1", host.name("breathing"))
        try host.wait("it grows") {
            held(try ledger())["breathing"]?[cardOne] == 2100 * mebibyte + contextOne
        }
        try RealDocker.docker("stop", "-t", "5", host.name("breathing"))
        try host.wait("it returns") { try ledger()["devices"][0]["memory"]["usedBytes"].integer == before }
        #expect(held(try ledger()).isEmpty)
        let all = try host.plimsoll("stats", "--all", "--no-stream", "--format", "{{.Name}}")
        #expect(!all.output.contains("breathing"))
    }

    @Test("A container with --pid=host is told apart all the same, and sees every process from inside")
    func hostPIDs() throws {
        try host.start("plain", ["0:100MiB"])
        try host.start("monitor", options: ["--pid=host"], ["0:200MiB"])
        #expect(
            held(try ledger()) == [
                "plain": [cardOne: 100 * mebibyte + contextOne], "monitor": [cardOne: 200 * mebibyte + contextOne],
            ])
        let inside = try RealDocker.docker(
            "exec", "-e", "PLIMSOLL_NVML_LIBRARY=/usr/lib/gpusim/libnvidia-ml.so.1", host.name("monitor"),
            "/bin/plimsoll", "ps",
            "--format", "{{.PID}}")
        #expect(inside.output.split(separator: "\n").count == 2)
    }

    @Test("A stopped container has no row, a running one that holds nothing has 0B, and a removed one is no more")
    func stoppedAndRemoved() throws {
        try host.start("stopped", ["0:100MiB"])
        try host.start("idle", [])
        try RealDocker.docker("kill", host.name("stopped"))
        try host.wait("it is gone") { try ledger()["processes"].elements.isEmpty }
        #expect(held(try ledger()).isEmpty)
        let all = try host.plimsoll("stats", "--all", "--no-stream", "--format", "{{.Name}} {{.GPU}} {{.GPUMem}}")
        #expect(all.output.contains("\(host.name("idle")) -- 0B\n"))
        #expect(!all.output.contains("stopped"))
        try RealDocker.docker("rm", host.name("stopped"))
        let missing = try host.plimsoll("stats", "--no-stream", host.name("stopped"))
        #expect(missing.code == 1)
        #expect(missing.errors.contains("no running container has the name or id \(host.name("stopped"))"))
    }

    @Test("A name that is used again is the new container's")
    func nameUsedAgain() throws {
        let first = try host.start("again", ["0:100MiB"])
        try RealDocker.docker("rm", "-f", host.name("again"))
        let second = try host.start("again", ["0:300MiB"])
        #expect(first != second)
        let document = try ledger()
        #expect(document["containers"].elements.map { $0["id"].string } == [second])
        #expect(held(document) == ["again": [cardOne: 300 * mebibyte + contextOne]])
    }

    @Test("A container under another cgroup parent is found")
    func cgroupParent() throws {
        let driver = try RealDocker.docker("info", "--format", "{{.CgroupDriver}}").output
        let parent = driver.hasPrefix("systemd") ? "plimsoll-test.slice" : "/plimsoll-test"
        let id = try host.start("elsewhere", options: ["--cgroup-parent", parent], ["0:100MiB"])
        let document = try ledger()
        #expect(document["containers"][0]["id"].string == id)
        #expect(document["containers"][0]["runtime"].string == "docker")
        #expect(held(document) == ["elsewhere": [cardOne: 100 * mebibyte + contextOne]])
    }

    @Test("A process of the host is the host's, beside a container's")
    func hostProcess() throws {
        try host.start("inside", ["0:100MiB"])
        let outside = try Holding(["0:200MiB"], driver: host.driver)
        let document = try ledger()
        #expect(document["devices"][0]["ledger"]["hostBytes"].integer == 200 * mebibyte + contextOne)
        #expect(document["devices"][0]["ledger"]["containersBytes"].integer == 100 * mebibyte + contextOne)
        #expect(try host.plimsoll("ps").output.contains("(host)"))
        outside.end()
        try host.wait("it returns") { try ledger()["devices"][0]["ledger"]["hostBytes"].integer == 0 }
    }

    @Test("Whose a PID is: on the host, and as the container itself counts")
    func whose() throws {
        try host.start("asked", ["0:100MiB"])
        let pid = try #require(try ledger()["processes"][0]["pid"].integer)
        let onHost = try host.plimsoll("whose", String(pid), "--format", "{{.Container}} {{.PID}}")
        #expect(onHost.output == "\(host.name("asked")) \(pid)\n")
        let inside = try host.plimsoll("whose", "1", "--format", "{{.Container}} {{.PID}}")
        #expect(inside.output.contains("\(host.name("asked")) \(pid)"))
    }
}

/// The program as Docker's own command line starts it.
@Suite(.serialized, .enabled(if: RealDocker.absence == nil, "\(RealDocker.absence ?? "")"))
struct PluginTests {
    private let host: ContainerHost
    private let environment: [String: String]

    init() throws {
        host = try ContainerHost()
        let plugins = host.scratch.url.appending(path: "config/cli-plugins")
        try FileManager.default.createDirectory(at: plugins, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: Build.plimsoll, toPath: plugins.appending(path: "docker-gpu").path)
        environment = host.environment.merging(["DOCKER_CONFIG": host.scratch.path("config")]) { $1 }
    }

    private func docker(_ arguments: String...) throws -> ProgramResult {
        try RealDocker.docker(arguments, environment: environment)
    }

    @Test("`docker gpu` answers as `plimsoll` does, and Docker lists it without a complaint")
    func answers() throws {
        try host.start("plugged", ["0:100MiB"])
        let stats = try docker("gpu", "stats", "--no-stream")
        #expect(stats.code == 0)
        #expect(stats.output.contains("plugged"))
        #expect(try docker("gpu", "ps", "--format", "{{.Container}}").output == host.name("plugged") + "\n")
        #expect(try docker("gpu").output.contains("NVIDIA GeForce RTX 4090"))
        #expect(try docker("gpu", "stats", "nobody", "--no-stream").code == 1)
        #expect(try docker("gpu", "bogus").code == 64)
        let plugins = "{{range .ClientInfo.Plugins}}{{if eq .Name \"gpu\"}}{{.Vendor}} {{.Err}}{{end}}{{end}}"
        #expect(try docker("info", "--format", plugins).output == "Plimsoll <nil>\n")
    }

    @Test("Help says what is typed, and Docker's own help names it")
    func help() throws {
        #expect(try docker("gpu", "--help").output.contains("Usage:  docker gpu "))
        #expect(try docker("gpu", "stats", "--help").output.contains("Usage:  docker gpu stats"))
        #expect(try docker("help").output.contains("gpu*"))
    }

    @Test("Docker's global options before gpu choose the engine")
    func globalOptions() throws {
        let id = try host.start("chosen", ["0:100MiB"])
        var elsewhere = environment
        elsewhere["DOCKER_HOST"] = nil
        let url = try #require(RealDocker.endpoint)
        for arguments in [["-H", url], ["-H\(url)"], ["--host=\(url)"], ["--host", url, "--log-level", "error"]] {
            let result = try run(
                program: "/usr/bin/env",
                ["docker"] + arguments + [
                    "gpu", "stats", "--no-stream", "--no-trunc", "--format", "{{.ID}} {{.Name}}",
                ],
                environment: elsewhere.merging(["HOME": host.scratch.url.path]) { $1 })
            #expect(result.output == "\(id) \(host.name("chosen"))\n", "\(arguments)")
        }
        #expect(try docker("--context", "default", "gpu", "ps").code == 0)
    }

    @Test("Docker's completion is answered")
    func completion() throws {
        #expect(try docker("__complete", "gpu", "st").output.hasPrefix("stats\t"))
        #expect(try docker("__complete", "gpu", "stats", "--no").output.contains("--no-stream"))
        #expect(try docker("__complete", "gpu", "").output.contains("whose\t"))
    }
}
