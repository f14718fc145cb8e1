import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20
private let mine = HostTree.id(1)
private let others = HostTree.id(2)

/// `run --container`: the report without a command.
struct RunContainerTests {
    private func host(_ engine: StubEngine.Behaviour? = nil) throws -> RunClientHost {
        let cgroup = RunClientHost.docker(mine)
        let host = try RunClientHost(
            [101: cgroup, 102: cgroup, 103: RunClientHost.docker(others)], there: [101, 103],
            containers: [(mine, "trainer"), (others, "others")], engine: engine)
        try host.answer("none", [(others, "others")])
        return host
    }

    private func watch(_ name: String) -> [String] { ["run", "--interval", "20ms", "--container", name] }

    /// Runs the script beside the watch.
    private func watch(_ host: RunClientHost, _ name: String, meanwhile script: String) throws -> ProgramResult {
        try host.write("meanwhile", script)
        let words = (watch(name) + ["--report", host.running.reportPath]).map { "'\($0)'" }.joined(separator: " ")
        return try run(
            program: "/bin/sh", ["-c", "meanwhile & exec timeout 60 \(Build.plimsoll) \(words)"],
            environment: host.environment)
    }

    @Test(
        "A container is watched until its engine does not run it any more",
        arguments: ["trainer", String(mine.prefix(9))])
    func untilItEnds(_ name: String) throws {
        let host = try host()
        let result = try watch(
            host, name, meanwhile: "sleep 2; start 102; sleep 2; stop 102; sleep 1; stop 101; engine none")
        #expect(result.code == 0)
        #expect(result.output == "")
        #expect(result.errors.hasPrefix("plimsoll: GPU memory of container trainer, watched for "), "\(result.errors)")
        #expect(!result.errors.contains("still runs"))
        let report = try JSONDocument(String(contentsOfFile: host.running.reportPath, encoding: .utf8))
        #expect(report["devices"][0]["peakBytes"].integer == 300 * mebibyte)
        #expect(report["devices"][0]["processes"].integer == 2)
        #expect(report["devices"][0]["beforeBytes"].integer == 100 * mebibyte)
        #expect(report["scope"].string == "container")
        #expect(report["container"]["id"].string == mine)
        #expect(report["container"]["name"].string == "trainer")
        for key in ["program", "exitCode", "signal"] { #expect(report[key].isNull) }
        #expect(report["remaining"].isNull)
    }

    @Test("One that no engine knows is watched until its processes have ended")
    func unknownToEngines() throws {
        let host = try host()
        try FileManager.default.removeItem(atPath: host.tree.scratch.path("engine"))
        try host.tree.scratch.write("[]", to: "engine")
        let result = try watch(host, String(mine.prefix(12)), meanwhile: "sleep 2; stop 101")
        #expect(result.code == 0)
        #expect(result.errors.hasPrefix("plimsoll: GPU memory of container \(mine.prefix(12)), watched for "))
    }

    @Test(
        "A signal ends the watch: the report is told, and the exit code is of the signal",
        arguments: [SIGINT, SIGTERM, SIGHUP])
    func interrupted(_ signal: Int32) throws {
        let host = try host()
        let terminal = try PseudoTerminal(columns: 100, rows: 20)
        let process = try launch(
            watch("trainer") + ["--report", host.running.reportPath],
            environment: host.environment.merging(["LANG": "C.UTF-8"]) { $1 }, errors: terminal.slave)
        _ = terminal.reader.read { $0.contains("press Ctrl-C") }
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit)
        #expect(process.terminationStatus == 128 + signal)
        let told = terminal.reader.rest()
        #expect(told.contains("plimsoll: GPU memory of container trainer, watched for "), "\(told)")
        #expect(told.contains("Container trainer still runs; it holds 100MiB."))
        let report = try JSONDocument(String(contentsOfFile: host.running.reportPath, encoding: .utf8))
        #expect(report["devices"][0]["peakBytes"].integer == 100 * mebibyte)
        #expect(report["remaining"]["bytes"].integer == 100 * mebibyte)
    }

    @Test("On a terminal the watch says that it goes on until the end, and Ctrl-C ends it")
    func terminal() throws {
        let host = try host()
        let terminal = try PseudoTerminal(columns: 100, rows: 20)
        let process = try launch(
            program: "/usr/bin/setsid", ["--ctty", "--wait", Build.plimsoll] + watch("trainer"),
            environment: host.environment.merging(["LANG": "C.UTF-8"]) { $1 }, input: terminal.slave,
            output: terminal.slave, errors: terminal.slave)
        var shown = terminal.reader.read { $0.contains("press Ctrl-C") }
        #expect(shown.contains("plimsoll: watching container trainer until it ends; to stop, press Ctrl-C"))
        terminal.type("\u{3}")
        process.waitUntilExit()
        shown += terminal.reader.rest()
        #expect(process.terminationStatus == 130)
        #expect(shown.contains("GPU memory of container trainer, watched for "))
    }

    @Test("What cannot be watched is told, with 125; wrong usage with 64")
    func refused() throws {
        let host = try host()
        for (words, code, message) in [
            (watch("nobody"), 125, "no running container has the name or id nobody"),
            (watch("trainer") + ["--report", "/nowhere/x.json"], 125, "cannot write /nowhere/x.json"),
            (watch("trainer") + ["--docker-host", "tcp://far:1"], 125, "another machine"),
            (
                watch("trainer") + ["--docker-host", "unix:///nowhere/docker.sock"], 125,
                "cannot say whether a container has the name or id trainer"
            ),
            (watch("trainer") + ["--", "true"], 64, "Use either --container or a command"),
            (watch("trainer") + ["true"], 64, "Use either --container or a command"),
            (watch(""), 64, "--container needs a container's name"),
            (watch("trainer") + ["--nvml-library", "/nowhere.so"], 125, "/nowhere.so"),
        ] as [([String], Int32, String)] {
            let result = try run(words, environment: host.environment)
            #expect(result.code == code, "\(words) \(result.errors)")
            #expect(result.errors.contains(message), "\(result.errors)")
            #expect(result.output == "")
        }
    }

    @Test("--quiet tells nothing, and the report is written")
    func quiet() throws {
        let host = try host()
        try host.write("meanwhile", "sleep 2; stop 101; engine none")
        let chart = host.tree.scratch.path("chart.svg")
        let words = (watch("trainer") + ["--quiet", "--report", chart]).joined(separator: " ")
        let result = try run(
            program: "/bin/sh", ["-c", "meanwhile & exec timeout 60 \(Build.plimsoll) \(words)"],
            environment: host.environment)
        #expect(result.code == 0)
        #expect(result.errors == "")
        #expect(
            try String(contentsOfFile: chart, encoding: .utf8).contains("GPU memory of container trainer, watched for"))
    }
}
