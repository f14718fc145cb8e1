import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20
private let trainer = HostTree.id(1)

/// Drivers that answer what the documents do not say. The hosts are in Simulator/hosts, with where each was seen.
struct OddAnswersTests {
    private func peopled(_ name: String) throws -> RunningHost {
        let host = try HostTree(simulating: name)
        try host.process(4242, "python3", cgroup: "0::/docker/\(trainer)")
        return try host.container(trainer, "trainer", "lab/trainer").list([HostTree.listed(4242, 1024)]).start()
    }

    @Test(
        "Amounts that contradict each other are marked, with the driver's own figures, and the column still adds up",
        arguments: [
            ("amounts-contradict", "total 40GiB, used 38.09GiB, free 19.53GiB, reserved 469MiB", "-17.62GiB"),
            ("nothing-used-nothing-free", "total 40GiB, used 0B, free 0B, reserved 0B", "40GiB"),
        ])
    func contradictory(_ name: String, _ figures: String, _ rest: String) throws {
        let host = try peopled(name)
        let screen = try host.plimsoll("ledger")
        #expect(screen.code == 0)
        #expect(!screen.output.contains("(reserved)"))
        #expect(screen.output.contains(try Regex("\(rest) +-?[0-9.]+% +\\(contradictory\\)")))
        let told = "GPU 0: the driver's figures contradict each other: \(figures)\n"
        #expect(screen.output.contains(told))
        #expect(try host.plimsoll("stats", "--no-stream").output.contains(told))
        let memory = try host.plimsoll("--format", "json").document()["devices"][0]["memory"]
        #expect(memory["contradiction"].string == figures)
        let amounts = ["usedBytes", "reservedBytes", "freeBytes"].map { memory[$0].integer ?? 0 }
        #expect(amounts.reduce(0, +) == memory["totalBytes"].integer)
        // Nothing is said of what is free.
        let fit = try host.plimsoll("fit", "1GiB")
        #expect(fit.code == 2)
        #expect(fit.errors.contains("the driver's figures contradict each other"))
        #expect(try host.plimsoll("--fail-above", "50%").code == 2)
        // Nor is a total believed that rules everything out.
        let wait = try host.plimsoll("wait", "80GiB", "--for", "1")
        #expect(!wait.errors.contains("can never fit"))
        #expect(wait.code == 2)
    }

    @Test("A library without process lists still shows the cards and their memory; who holds it is unknown")
    func noLists() throws {
        let host = try peopled("no-lists")
        let document = try host.plimsoll("--format", "json").document()
        #expect(document["devices"][0]["memory"]["totalBytes"].integer == 40960 * mebibyte)
        #expect(document["devices"][0]["ledger"]["containersBytes"].isNull)
        let stats = try host.plimsoll("stats", "-a", "--no-stream", "--format", "{{.Name}} {{.GPUMem}}")
        #expect(stats.code == 0)
        #expect(stats.output == "trainer --\n")
        let table = try host.plimsoll("stats", "--no-stream").output
        #expect(table.contains(/GPU 0, not in this table: [0-9.]+[MG]iB whose holders are unknown\n/))
        #expect(stats.errors.contains("GPU 0: this driver's library has no process lists"))
    }

    @Test("Third lists that this driver has not are asked for in their second version")
    func thirdLists() throws {
        let result = try peopled("third-lists-fail").plimsoll("ps", "--format", "{{.Container}} {{.GPUMem}}")
        #expect(result.output == "trainer 1GiB\n")
        #expect(result.errors == "")
    }

    @Test(
        "A library that answers the question for a length with SUCCESS, or ignores it, is read all the same",
        arguments: ["count-succeeds", "count-ignored", "no-mps-list"])
    func counts(_ name: String) throws {
        let host = try peopled(name)
        let result = try host.plimsoll("stats", "--no-stream", "--format", "{{.Name}} {{.GPUMem}}")
        #expect(result.output == "trainer 1GiB\n")
        #expect(result.errors == "")
        #expect(try host.plimsoll("--format", "json").document()["devices"][0]["ledger"]["complete"].bool == true)
    }

    @Test("Records with an impossible PID are left out and told, and the others of the list stay")
    func oddPIDs() throws {
        let host = try HostTree(simulating: "odd-pids")
        try host.process(4242, "python3", cgroup: "0::/docker/\(trainer)")
        host.container(trainer, "trainer", "lab/trainer").container(HostTree.id(2), "idle", "lab/idle")
        host.list([HostTree.listed(0, 100), HostTree.listed(4242, 1024), HostTree.listed(4_294_967_295, 50)])
        let running = try host.start()
        let stats = try running.plimsoll("stats", "-a", "--no-stream", "--format", "{{.Name}} {{.GPUMem}}")
        #expect(stats.code == 0)
        #expect(
            stats.errors.contains("GPU 0: the driver lists 2 processes with impossible PIDs; Plimsoll skips them"))
        // Whose the two are is unknown, so that nobody is known to hold nothing, or no more.
        #expect(stats.output == "trainer 1GiB\nidle --\n")
        let ledger = try running.plimsoll("--format", "json").document()["devices"][0]["ledger"]
        #expect(ledger["complete"].bool == false)
        #expect(ledger["containersBytes"].integer == 1024 * mebibyte)
    }

    @Test("Where a driver lists nobody, an empty list is no proof of nothing", arguments: ["Orin (nvgpu)", "Xavier"])
    func listsNobody(_ name: String) throws {
        let host = try HostTree()
        try host.scratch.write("MemTotal: 32768000 kB\nMemAvailable: 20120456 kB\n", to: "proc/meminfo")
        try host.process(900, "python3", cgroup: "0::/docker/\(trainer)")
        host.container(trainer, "detector", "lab/detector")
        host.card(
            name, uuid: "GPU-1", total: 0, processes: [], ["faults": ["memory": 3, "utilization": 3]])
        let running = try host.start()
        let stats = try running.plimsoll("stats", "-a", "--no-stream", "--format", "{{.Name}} {{.GPUMem}}")
        #expect(stats.output == "detector --\n")
        #expect(stats.code == 0)
        let device = try running.plimsoll("--format", "json").document()["devices"][0]
        #expect(device["memory"]["usedBytes"].isNull)
        #expect(device["ledger"]["containersBytes"].isNull)
        #expect(device["memory"]["unavailable"].string?.contains("lists are always empty") == true)
    }

    @Test("The driver of a GPU that shares memory and lists its processes is believed, also when nobody is listed")
    func listsSomebody() throws {
        let host = try HostTree(simulating: "dgx-spark").list([])
        try host.scratch.write("MemTotal: 125829120 kB\nMemAvailable: 104857600 kB\n", to: "proc/meminfo")
        host.container(trainer, "idle", "lab/idle")
        let stats = try host.start().plimsoll("stats", "-a", "--no-stream", "--format", "{{.Name}} {{.GPUMem}}")
        #expect(stats.output == "idle 0B\n")
    }
}

/// A card that is lost while it is watched.
struct LostCardTests {
    private func host(_ cards: Int) throws -> HostTree {
        let host = try HostTree()
        for number in 1...cards {
            try host.process(4000 + number, "python3", cgroup: "0::/docker/\(HostTree.id(number))")
            host.container(HostTree.id(number), "job\(number)", "lab/job")
            host.card(
                "NVIDIA A100", uuid: "GPU-\(number)", total: 40960, processes: [HostTree.listed(4000 + number, 1024)],
                ["faults": ["lostWhile": host.scratch.path("lost")]])
        }
        return host
    }

    @Test("A card that is lost under stats keeps a row that says so, and is itself again when it is well")
    func underStats() throws {
        let tree = try host(1).card("NVIDIA A100", uuid: "GPU-2", total: 40960, processes: [])
        let host = try tree.start()
        let stream = try RunningStream(environment: host.environment)
        let lines = stream.lines
        #expect(lines.read { $0.contains("job1") }.contains("1GiB / 40GiB"))
        try tree.scratch.write("", to: "lost")
        let lost = lines.read { $0.contains("(lost)  the driver does not answer") }
        #expect(lost.contains(/-- +\(lost\) +0 +-- \/ -- +-- +--\n/))
        try FileManager.default.removeItem(atPath: tree.scratch.path("lost"))
        _ = lines.rest()
        #expect(lines.read { $0.contains("job1") }.contains("1GiB / 40GiB"))
        withExtendedLifetime(stream) {}
    }

    @Test("The rows of a stream know a lost card by what it was when it answered")
    func identity() throws {
        let tree = try host(1).card("NVIDIA A100", uuid: "GPU-2", total: 40960, processes: [])
        let host = try tree.start()
        let stream = try RunningStream(["--format", "json"], environment: host.environment)
        let lines = stream.lines
        #expect(lines.read { $0.contains("job1") }.contains("GPU-1"))
        try tree.scratch.write("", to: "lost")
        let isLost = #""Lost":true"#
        let rows = lines.read { $0.split(separator: "\n").dropLast().contains { $0.contains(isLost) } }
        let row = try JSONDocument(String(rows.split(separator: "\n").first { $0.contains(isLost) } ?? ""))
        #expect(row["Name"].string == "--")
        #expect(row["Verified"].isMissing)
        #expect(row["UUID"].string == "GPU-1")
        #expect(row["GPUMemBytes"].isNull)
        withExtendedLifetime(stream) {}
    }

    @Test(
        "If every card is lost, the exit code is 2",
        arguments: [["ledger"], ["stats", "--no-stream"], ["ps"], ["fit", "1GiB"]])
    func all(_ command: [String]) throws {
        let tree = try host(2)
        let host = try tree.start()
        #expect(try host.plimsoll(command).code == 0)
        try tree.scratch.write("", to: "lost")
        let result = try host.plimsoll(command)
        #expect(result.code == 2)
        #expect(result.errors.contains("GPU_IS_LOST"))
    }
}
