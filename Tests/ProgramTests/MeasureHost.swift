import Foundation
import TestSupport

/// A simulated driver with real processes, and a folder of the tools that `measure` may find.
final class MeasureHost {
    let host: RunningHost
    let tree: HostTree
    private let tools: String

    static let steps = [
        "waking", "first-call", "record-size", "memory-calls", "reserved", "ledger", "nvidia-smi", "check", "context",
        "rounding", "killed-holder", "ipc", "managed", "pid-namespace", "container", "container-host-pids",
        "container-devices", "accounting", "mig", "mps", "pytorch", "run-cost", "amd-processes", "partitions",
        "intel-processes", "dmem-charge", "limits", "hanging-driver",
    ]

    /// - Parameter missing: tools that this machine lacks.
    init(_ tree: HostTree, without missing: Set<String> = []) throws {
        self.tree = tree
        host = try tree.startAsIs()
        tools = tree.scratch.path("tools")
        for folder in [tools, tree.scratch.path("tmp")] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
        // Of Docker and the GPU's tools only what a test brings.
        let left = missing.union(["docker", "nvidia-smi", "amd-smi", "rocm-smi", "xpu-smi"])
        for folder in ["/usr/local/bin", "/usr/bin"] {
            for tool in try FileManager.default.contentsOfDirectory(atPath: folder) where !left.contains(tool) {
                try? FileManager.default.createSymbolicLink(
                    atPath: "\(tools)/\(tool)", withDestinationPath: "\(folder)/\(tool)")
            }
        }
        if !missing.contains("nvidia-smi") {
            try FileManager.default.createSymbolicLink(
                atPath: "\(tools)/nvidia-smi",
                withDestinationPath: Build.package.appending(path: "Simulator/tools/nvidia-smi").path)
        }
    }

    /// One card of 4 GiB whose contexts take 100 MiB.
    convenience init(_ more: [String: Any] = [:], driver: String = "570.86.15", without missing: Set<String> = [])
        throws
    {
        let tree = try HostTree()
        try Self.addCard(to: tree, more, driver: driver)
        try self.init(tree, without: missing)
    }

    static func addCard(to tree: HostTree, _ more: [String: Any], driver: String) throws {
        tree.card(
            "NVIDIA A2", uuid: "GPU-0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", total: 4096, processes: [],
            ["contextMiB": 100, "reservedMiB": 200].merging(more) { $1 })
        tree.describe("driver", driver)
    }

    /// A tool that is a script of the test's.
    func write(tool: String, _ script: String) throws {
        try tree.scratch.write("#!/bin/sh\n\(script)\n", to: "tools/\(tool)")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(tools)/\(tool)")
    }

    var reportPath: String { tree.scratch.path("measured.json") }

    var environment: [String: String] {
        let simulated = host.simulated.map { ["LD_LIBRARY_PATH": $0.libraries] } ?? [:]
        return host.environment.merging([
            "PATH": tools, "PLIMSOLL_PROCFS": "/proc",
            "PYTHONPATH": Build.package.appending(path: "Simulator/pytorch").path, "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": tree.scratch.path("tmp"),
        ]) { $1 }.merging(simulated) { $1 }
    }

    struct Measured {
        var result: ProgramResult
        var report: JSONDocument

        func step(_ name: String) -> JSONDocument? { report["steps"].elements.first { $0["name"].string == name } }
        func verdict(_ name: String) -> String? { step(name)?["verdict"].string }
        func reason(_ name: String) -> String? { step(name)?["reason"].string }
        func bytes(_ name: String, _ seen: String) -> Int64? { self.seen(name, seen)?["bytes"].integer }
        func seen(_ name: String, _ seen: String) -> JSONDocument? {
            step(name)?["seen"].elements.first { $0["name"].string == seen }
        }
    }

    /// - Parameter steps: all if there are none.
    func measure(
        _ steps: [String] = [], _ options: [String] = [], environment more: [String: String] = [:]
    ) throws -> Measured {
        let result = try run(
            ["measure", "--output", reportPath] + steps.flatMap { ["--step", $0] } + options,
            environment: environment.merging(more) { $1 })
        return Measured(result: result, report: try JSONDocument(String(contentsOfFile: reportPath, encoding: .utf8)))
    }

    func start(_ arguments: [String]) throws -> (process: Process, output: Pipe) {
        let output = Pipe()
        let process = try launch(
            ["measure", "--output", reportPath] + arguments,
            environment: environment.merging(["LANG": "C.UTF-8"]) { $1 }, output: output, errors: FileHandle.nullDevice)
        return (process, output)
    }

    /// What is free on the first device.
    func freeBytes() throws -> Int64? {
        try run(["--format", "json"], environment: environment).document()["devices"][0]["memory"]["freeBytes"].integer
    }
}
