import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20
/// What a process's context costs on the first card of the simulated host.
private let context = 380 * mebibyte

struct PodmanEngineTests {
    @Test("Under CI there is a Podman: there its tests are not skipped", .enabled(if: RealDocker.isCI))
    func podmanRuns() {
        #expect(PodmanHost.absence == nil)
        // An older runc has none on cgroup v2.
        #expect(PodmanHost.absenceOfPods == nil || RealCgroups.areUnified)
    }
}

/// Real containers of a real Podman, told by its Docker-compatible service.
@Suite(.serialized, .enabled(if: PodmanHost.absence == nil, "\(PodmanHost.absence ?? "")"))
struct PodmanTests {
    private func ledger(_ host: PodmanHost, engines: [String]? = nil) throws -> JSONDocument {
        let result = try host.plimsoll("ledger", "--format", "json", engines: engines)
        #expect(result.code == 0)
        #expect(result.errors == "")
        return try result.document()
    }

    @Test("A container of Podman has its name, image, runtime, Compose project and RAM limit, to the byte")
    func container() throws {
        let host = try PodmanHost()
        let labels = ["--label", "com.docker.compose.project=lab", "--label", "com.docker.compose.service=train"]
        let id = try host.start(
            "trainer", options: (RealCgroups.limitRAM ? ["-m", "256m"] : []) + labels, ["0:1000MiB"])
        let document = try ledger(host)
        #expect(document["containers"].elements.count == 1)
        let container = document["containers"][0]
        #expect(container["id"].string == id)
        #expect(container["name"].string == "trainer")
        #expect(container["image"].string == host.image)
        #expect(container["runtime"].string == "podman")
        #expect(container["known"].bool == true)
        #expect(container["composeProject"].string == "lab")
        #expect(container["composeService"].string == "train")
        #expect(container["ramLimitBytes"].integer == (RealCgroups.limitRAM ? 256 * mebibyte : nil))
        #expect(container["usage"][0]["bytes"].integer == 1000 * mebibyte + context)
        #expect(document["sources"].elements.map { $0["name"].string } == ["nvml", "proc", "podman"])
    }

    @Test("Every command says the container's name, and those that have a column for it the image")
    func everyCommand() throws {
        let host = try PodmanHost()
        let id = try host.start("asked", ["0:100MiB"])
        let pid = try #require(try ledger(host)["processes"][0]["pid"].integer)
        let row = try #require(try host.plimsoll("ledger").output.split(separator: "\n").first { $0.contains("asked") })
        #expect(row.contains(host.image.prefix(20)))
        #expect(row.contains(id.prefix(12)))
        let stats = try host.plimsoll("stats", "--no-stream", "--format", "{{.Name}} {{.Image}} {{.Runtime}} {{.PIDs}}")
        #expect(stats.output == "asked \(host.image) podman 1\n")
        #expect(try host.plimsoll("stats", "--no-stream", String(id.prefix(12)), "--no-trunc").output.contains(id))
        #expect(try host.plimsoll("ps", "--format", "{{.Container}} {{.Name}}").output == "asked gpusim-hold\n")
        let whose = try host.plimsoll("whose", String(pid), "--format", "{{.Container}} {{.PID}}")
        #expect(whose.output == "asked \(pid)\n")
        let inside = try host.plimsoll("whose", "1", "--format", "{{.Container}} {{.PID}}")
        #expect(inside.output.contains("asked \(pid)\n"))
    }

    @Test("A container that is paused or being stopped holds its memory under its name; one that has ended has no row")
    func states() throws {
        let host = try PodmanHost()
        // Its stop signal means nothing to it, so that Podman waits out its time before it kills.
        try host.start("stubborn", options: ["--stop-signal", "SIGWINCH", "--stop-timeout", "60"], ["0:100MiB"])
        func names() throws -> [String?] { try ledger(host)["containers"].elements.map { $0["name"].string } }
        func all() throws -> String {
            try host.plimsoll("stats", "--all", "--no-stream", "--format", "{{.Name}} {{.GPUMem}}").output
        }
        try host.podman("pause", "stubborn")
        #expect(try names() == ["stubborn"])
        #expect(try all() == "stubborn 480MiB\n")
        try host.podman("unpause", "stubborn")
        let stop = try host.begin("stop", "stubborn")
        try host.wait("it is being stopped") {
            try host.podman("ps", "--all", "--format", "{{.Status}}").output.hasPrefix("Stopping")
        }
        #expect(try names() == ["stubborn"])
        #expect(try all() == "stubborn 480MiB\n")
        try host.podman("kill", "stubborn")
        stop.waitUntilExit()
        #expect(try names().isEmpty)
        #expect(try all() == "")
        try host.podman("start", "stubborn")
        try host.wait("it holds again") { try names() == ["stubborn"] }
    }

    @Test(
        "In a pod each container stands by its own name, and the infra container is an idle one, as `podman ps` has it",
        .enabled(if: PodmanHost.absenceOfPods == nil, "\(PodmanHost.absenceOfPods ?? "")"))
    func pod() throws {
        let host = try PodmanHost()
        try host.makePod("lab")
        try host.start("left", options: ["--pod", "lab"], ["0:300MiB"])
        try host.start("right", options: ["--pod", "lab"], ["0:200MiB"])
        let document = try ledger(host)
        #expect(document["containers"].elements.map { $0["name"].string } == ["left", "right"])
        #expect(document["containers"].elements.map { $0["runtime"].string } == ["podman", "podman"])
        #expect(document["containers"].elements.map { $0["parents"].elements.count } == [0, 0])
        #expect(
            document["containers"].elements.map { $0["usage"][0]["bytes"].integer } == [
                300 * mebibyte + context, 200 * mebibyte + context,
            ])
        let listed = try host.podman("ps", "--format", "{{.Names}}").output.split(separator: "\n").sorted()
        #expect(listed.count == 3)
        let all = try host.plimsoll("stats", "-a", "--no-stream", "--format", "{{.Name}} {{.GPU}} {{.GPUMem}}")
        let rows = all.output.split(separator: "\n")
        #expect(rows.compactMap { $0.split(separator: " ").first }.sorted() == listed)
        #expect(rows.filter { $0.hasSuffix("-infra -- 0B") }.count == 1)
    }

    @Test("A pod without an infra container: its container is told all the same")
    func podWithoutInfra() throws {
        let host = try PodmanHost()
        try host.podman("pod", "create", "--infra=false", "--name", "bare")
        let id = try host.start("alone", options: ["--pod", "bare", "--network", "none"], ["0:100MiB"])
        let document = try ledger(host)
        #expect(document["containers"].elements.map { $0["id"].string } == [id])
        #expect(document["containers"][0]["name"].string == "alone")
    }

    @Test(
        "Docker and Podman at once: each container has its own runtime and image",
        .enabled(if: RealDocker.absence == nil, "\(RealDocker.absence ?? "")"))
    func twoEngines() throws {
        let docker = try ContainerHost()
        let podman = try PodmanHost(sharing: docker.driver)
        try docker.start("both", ["0:300MiB"])
        try podman.start("both", ["0:200MiB"])
        let engines = [try #require(RealDocker.endpoint), podman.endpoint]
        let document = try ledger(podman, engines: engines)
        let containers = document["containers"].elements
        #expect(containers.map { $0["name"].string } == [docker.name("both"), "both"])
        #expect(containers.map { $0["runtime"].string } == ["docker", "podman"])
        #expect(containers[0]["image"].string?.hasPrefix("plimsoll-test:") == true)
        #expect(containers[1]["image"].string == podman.image)
        #expect(document["sources"].elements.map { $0["name"].string } == ["nvml", "proc", "docker", "podman"])
        let stats = try podman.plimsoll(
            "stats", "--no-stream", "both", "--format", "{{.Runtime}} {{.GPUMem}}", engines: engines)
        #expect(stats.output == "podman 580MiB\n")
    }

    @Test("A service that is not there is told, and a container of Podman keeps its row, its bytes and its runtime")
    func serviceGone() throws {
        let host = try PodmanHost()
        let id = try host.start("nameless", ["0:100MiB"])
        let nobody = host.scratch.path("podman-gone.sock")
        let result = try host.plimsoll("ledger", "--format", "json", engines: ["unix://\(nobody)"])
        #expect(result.code == 0)
        #expect(result.errors.contains("no container engine at \(nobody)"))
        let document = try result.document()
        let container = document["containers"][0]
        #expect(container["id"].string == id)
        #expect(container["known"].bool == false)
        #expect(container["name"].isNull)
        #expect(container["runtime"].string == "podman")
        #expect(container["usage"][0]["bytes"].integer == 100 * mebibyte + context)
        #expect(document["sources"].elements.last?["name"].string == "podman")
        #expect(document["sources"].elements.last?["ok"].bool == false)
        let both = try host.plimsoll(
            "ledger", "--format", "json", engines: ["unix://\(nobody)", host.endpoint])
        #expect(both.errors.contains("no container engine at \(nobody)"))
        #expect(try both.document()["containers"][0]["name"].string == "nameless")
    }

    @Test("A container that was removed is no more, and its name is the next one's")
    func removed() throws {
        let host = try PodmanHost()
        let first = try host.start("again", ["0:100MiB"])
        try host.podman("rm", "--force", "--time", "0", "again")
        #expect(try ledger(host)["containers"].elements.isEmpty)
        #expect(try host.plimsoll("stats", "--no-stream", "again").code == 1)
        let second = try host.start("again", ["0:200MiB"])
        #expect(first != second)
        #expect(try ledger(host)["containers"].elements.map { $0["id"].string } == [second])
    }
}
