import Foundation
import TestSupport

private let mebibyte: Int64 = 1 << 20

/// A made-up host whose `docker` is a script that starts and ends containers in it.
///
/// The driver lists four processes all along; a process counts only while /proc has it.
struct RunClientHost {
    let tree: HostTree
    let running: RunningHost

    /// PIDs, and what each holds in MiB.
    static let held = [101: 100, 102: 200, 103: 300, 104: 400]

    /// - Parameters:
    ///   - cgroups: of the processes that can come.
    ///   - there: of these, the ones that are there from the beginning.
    ///   - engine: instead of one that answers with the file `engine`.
    init(
        _ cgroups: [Int: String], there: [Int] = [], containers: [(id: String, name: String)] = [],
        engine: StubEngine.Behaviour? = nil
    ) throws {
        tree = try HostTree()
        for (pid, cgroup) in cgroups {
            // In the very tick in which the driver is asked: after whatever was there before.
            try tree.process(pid, "python3", cgroup: cgroup, started: there.contains(pid) ? 1000 : 100_000)
            if !there.contains(pid) { try tree.keepForLater(pid) }
        }
        tree.card(
            "NVIDIA A2", uuid: "GPU-0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", total: 4096,
            processes: cgroups.keys.sorted().map { HostTree.listed($0, Self.held[$0]) })
        try tree.scratch.write(HostTree.answer(containers), to: "engine")
        running = try tree.start(engine: engine ?? .file(tree.scratch.path("engine")))
    }

    static func docker(_ id: String) -> String { "0::/system.slice/docker-\(id).scope" }

    /// Makes a program of this name.
    ///
    /// The script has `start PID…`, `stop PID…`, and `engine FILE`, which makes the engine answer with another file.
    func write(_ name: String, _ script: String) throws {
        let file = "bin/\(name)"
        try tree.scratch.write(
            """
            #!/bin/sh
            cd \(tree.scratch.url.path)
            start() { for pid; do mv later/$pid proc/$pid; done; }
            stop() { for pid; do mv proc/$pid later/$pid; done; }
            engine() { cp $1 new && mv new engine; }
            \(script)
            """, to: file)
        chmod(tree.scratch.path(file), 0o755)
    }

    /// What the engine answers after `engine NAME`.
    func answer(_ name: String, _ containers: [(id: String, name: String)], project: String? = nil) throws {
        try tree.scratch.write(HostTree.answer(containers, project: project), to: name)
    }

    var environment: [String: String] {
        running.environment.merging(["PATH": "\(tree.scratch.path("bin")):/usr/bin:/bin"]) { $1 }
    }

    /// `plimsoll run` of a command line, and its report.
    func run(_ line: String) throws -> (result: ProgramResult, report: JSONDocument) {
        let words = line.split(separator: " ").map(String.init)
        let result = try TestSupport.run(
            ["run", "--interval", "20ms", "--report", running.reportPath, "--"] + words, environment: environment)
        let report = try String(contentsOfFile: running.reportPath, encoding: .utf8)
        return (result, try JSONDocument(report))
    }
}
