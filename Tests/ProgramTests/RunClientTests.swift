import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20
private let mine = HostTree.id(1)
private let others = HostTree.id(2)
private let old = HostTree.id(3)

/// `run` of a client: the engine is the parent of what the command is for, and it is measured all the same.
struct RunClientTests {
    @Test(
        "The container that the engine starts for docker run counts, and is told by its name",
        arguments: ["docker run alpine", "sudo -E docker run alpine", "nice -n 1 docker container run alpine"])
    func dockerRun(_ line: String) throws {
        let host = try RunClientHost(
            [101: RunClientHost.docker(mine), 104: RunClientHost.docker(old)], there: [104],
            containers: [(old, "old")])
        try host.answer("both", [(old, "old"), (mine, "eager_bohr")])
        try host.answer("after", [(old, "old")])
        try host.write("docker", "engine both; start 101; sleep 2; stop 101; engine after; exit 3")
        try host.write("sudo", "shift; exec \"$@\"")
        let (result, report) = try host.run(line)
        #expect(result.code == 3)
        #expect(report["devices"][0]["peakBytes"].integer == 100 * mebibyte)
        #expect(report["devices"][0]["processes"].integer == 1)
        #expect(report["scope"].string == "client-container")
        #expect(report["container"]["id"].string == mine)
        #expect(report["container"]["name"].string == "eager_bohr")
        #expect(report["containers"].elements.map { $0["counted"].bool } == [true])
        #expect(report["complete"].bool == true)
        #expect(
            result.errors.contains(
                "Counted: container eager_bohr, which the engine started for the command, and the command's own processes."
            ),
            "\(result.errors)")
        #expect(!result.errors.contains("still runs"))
    }

    @Test("A container that lives between two answers of the engine is told by its id")
    func shortLived() throws {
        let host = try RunClientHost([101: RunClientHost.docker(mine)])
        try host.write("docker", "start 101; sleep 0.3; stop 101")
        let (result, report) = try host.run("docker run alpine")
        #expect(report["devices"][0]["peakBytes"].integer == 100 * mebibyte)
        #expect(report["container"]["id"].string == mine)
        #expect(report["container"]["name"].isNull)
        #expect(result.errors.contains("Counted: container \(mine.prefix(12)), "))
    }

    @Test(
        "Of two that began meanwhile none counts, unless one is named: each is told with what it held, and what to type"
    )
    func ambiguous() throws {
        let host = try RunClientHost([101: RunClientHost.docker(mine), 102: RunClientHost.docker(others)])
        try host.answer("both", [(mine, "mine"), (others, "theirs")])
        try host.write("docker", "engine both; start 101 102; sleep 2; stop 101")
        let (result, report) = try host.run("docker run --rm alpine")
        #expect(report["devices"][0]["peakBytes"].integer == 0)
        #expect(report["complete"].bool == false)
        #expect(report["container"].isNull)
        #expect(report["scope"].string == "descendants")
        #expect(report["containers"].elements.map { $0["name"].string } == ["theirs", "mine"])
        #expect(report["containers"].elements.map { $0["peakBytes"].integer } == [200 * mebibyte, 100 * mebibyte])
        #expect(report["containers"].elements.map { $0["counted"].bool } == [false, false])
        let text = result.errors.replacing("\n  ", with: " ")
        #expect(
            text.contains(
                "2 containers began while the command ran, and which one is the command's is unknown: theirs (held at most "
                    + "200MiB, still runs), mine (held at most 100MiB"), "\(text)")
        #expect(text.contains("Name the command's container with --name."))
        #expect(text.contains("plimsoll run --container theirs\n"))
        #expect(!text.contains("None of the command's processes held"))
    }

    @Test("With --name the right one counts")
    func named() throws {
        let host = try RunClientHost([101: RunClientHost.docker(mine), 102: RunClientHost.docker(others)])
        try host.answer("both", [(mine, "mine"), (others, "theirs")])
        try host.write("docker", "engine both; start 101 102; sleep 2")
        let (result, report) = try host.run("docker run --rm -e SECRET=hunter2 --name mine alpine hunter2")
        #expect(report["devices"][0]["peakBytes"].integer == 100 * mebibyte)
        #expect(report["container"]["name"].string == "mine")
        let written = try String(contentsOfFile: host.running.reportPath, encoding: .utf8)
        #expect(!(result.errors + written).contains("hunter2"), "words can hold secrets")
    }

    @Test("docker run -d: the container goes on, and the report says what it holds and how to watch it")
    func detached() throws {
        let host = try RunClientHost([101: RunClientHost.docker(mine)])
        try host.answer("one", [(mine, "mine")])
        try host.write("docker", "engine one; start 101; sleep 1.5")
        let (result, report) = try host.run("docker run -d alpine")
        #expect(report["containers"][0]["running"].bool == true)
        #expect(report["containers"][0]["bytes"].integer == 100 * mebibyte)
        #expect(
            result.errors.contains(
                "Container mine still runs and holds 100MiB. To watch it, run: plimsoll run --container mine\n"))
        #expect(!result.errors.contains("One of the command's processes still runs"))
    }

    @Test("docker exec: what began after the command, and not what was there")
    func exec() throws {
        let cgroup = RunClientHost.docker(mine)
        let host = try RunClientHost([101: cgroup, 104: cgroup], there: [104], containers: [(mine, "mine")])
        try host.write("docker", "start 101; sleep 2; stop 101")
        let (result, report) = try host.run("docker exec -it mine python3")
        #expect(report["devices"][0]["peakBytes"].integer == 100 * mebibyte)
        #expect(result.errors.contains("Counted: processes of container mine that began after the command, "))
    }

    @Test("docker start -a: the whole container")
    func start() throws {
        let host = try RunClientHost([101: RunClientHost.docker(mine), 102: RunClientHost.docker(others)])
        try host.answer("both", [(mine, "mine"), (others, "theirs")])
        try host.write("docker", "engine both; start 101 102; sleep 2; stop 101")
        let (result, report) = try host.run("docker start -a mine")
        #expect(report["devices"][0]["peakBytes"].integer == 100 * mebibyte)
        #expect(result.errors.contains("Counted: container mine "))
    }

    @Test("docker compose up: all containers of the project")
    func compose() throws {
        let host = try RunClientHost([101: RunClientHost.docker(mine), 102: RunClientHost.docker(others)])
        try host.answer("both", [(mine, "lab-a-1"), (others, "lab-b-1")], project: "lab")
        try host.write("docker", "engine both; start 101 102; sleep 2; stop 101 102; engine none")
        try host.answer("none", [])
        let (result, report) = try host.run("docker compose up")
        #expect(report["devices"][0]["peakBytes"].integer == 300 * mebibyte)
        #expect(result.errors.contains("Counted: the new containers of Compose project lab, "))
    }

    @Test("systemd-run --wait: the service counts, by the unified hierarchy and by v1's")
    func systemd() throws {
        for cgroup in ["0::/system.slice/run-u7.service", "3:memory:/\n1:name=systemd:/system.slice/run-u7.service"] {
            let host = try RunClientHost([101: cgroup, 102: "0::/system.slice/other.service"])
            try host.write("systemd-run", "start 101 102; sleep 1.5; stop 101 102")
            let (result, report) = try host.run("systemd-run --wait python3")
            #expect(report["devices"][0]["peakBytes"].integer == 100 * mebibyte)
            #expect(report["scope"].string == "client-service")
            #expect(report["containers"][0]["id"].string == "run-u7.service")
            #expect(result.errors.contains("Counted: service run-u7.service, which systemd started for the command, "))
            let named = try host.run("systemd-run --wait --unit other python3")
            #expect(named.report["devices"][0]["peakBytes"].integer == 200 * mebibyte)
        }
    }

    // MARK: Bad days

    @Test(
        "An engine that cannot be asked is told with its error and with what to type, and the command runs all the same"
    )
    func noEngine() throws {
        let host = try RunClientHost([101: RunClientHost.docker(mine)])
        try host.write("docker", "start 101; sleep 1.5; echo ran")
        let words = ["run", "--docker-host", "unix:///nowhere/docker.sock", "--", "docker", "run", "alpine"]
        let result = try run(words, environment: host.environment)
        #expect(result.output == "ran\n")
        let text = result.errors.replacing("\n  ", with: " ")
        #expect(text.contains("The engine did not answer (no container engine at /nowhere/docker.sock"), "\(text)")
        #expect(text.contains("Not counted: \(mine.prefix(12)) (held at most 100MiB, still runs)."))
        #expect(text.contains("run: plimsoll run --container \(mine.prefix(12))\n"))
    }

    @Test("An engine on another machine is told as that, and its address is not: it comes from the command's words")
    func elsewhere() throws {
        let host = try RunClientHost([:])
        try host.write("docker", "sleep 0.1")
        let (result, _) = try host.run("docker -H tcp://secret:2375 run alpine")
        #expect(result.errors.contains("a container engine that has no unix socket on this host"), "\(result.errors)")
        #expect(!result.errors.contains("secret"))
    }

    @Test("An engine that hangs delays neither the command nor its end, nor the readings")
    func hangingEngine() throws {
        let host = try RunClientHost([101: RunClientHost.docker(mine)], engine: .hangs)
        try host.write("docker", "date +%s.%N > began; start 101; sleep 1")
        let began = Date().timeIntervalSince1970
        let (result, report) = try host.run("docker run alpine")
        let text = try String(contentsOfFile: host.tree.scratch.path("began"), encoding: .utf8)
        let commandBegan = try #require(Double(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(commandBegan - began < 2 + busyMachine)
        #expect(result.seconds < 4 + busyMachine)
        #expect(report["devices"][0]["readings"].integer ?? 0 > 5)
        #expect(report["containers"][0]["peakBytes"].integer == 100 * mebibyte)
        #expect(result.errors.contains("The engine did not list its containers before the command began"))
    }

    @Test("For other commands no engine is asked")
    func otherCommands() throws {
        let host = try RunClientHost([101: RunClientHost.docker(mine)], engine: .hangs)
        try host.write("train", "start 101; sleep 1.5")
        let (result, report) = try host.run("train")
        #expect(report["scope"].string == "descendants")
        #expect(report["containers"].elements.isEmpty)
        #expect(report["container"].isNull)
        #expect(!result.errors.contains("engine"))
    }
}
