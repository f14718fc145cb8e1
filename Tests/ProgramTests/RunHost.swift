import Foundation
import TestSupport

/// A program that holds simulated memory.
let hold = Build.folder.appending(path: "gpusim-hold").path

/// Two cards of 4 GiB, whose contexts take 100 MiB; real processes of this machine use them.
func runHost(_ more: [String: Any] = [:]) throws -> RunningHost {
    let host = try HostTree()
    for (name, digit) in [("NVIDIA A2", "0"), ("NVIDIA T4", "1")] {
        host.card(
            name, uuid: "GPU-\(digit)f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", total: 4096, processes: [],
            ["contextMiB": 100].merging(more) { $1 })
    }
    return try host.start()
}

extension RunningHost {
    var real: [String: String] {
        environment.merging([
            "LD_LIBRARY_PATH": driver.libraries, "PLIMSOLL_PROCFS": "/proc", "PLIMSOLL_SYSFS": "/sys",
        ]) { $1 }
    }

    var reportPath: String { tree.scratch.path("report.json") }

    /// `plimsoll run` of a shell's script, and its report.
    func shell(_ script: String, _ options: String...) throws -> (
        result: ProgramResult, report: JSONDocument
    ) {
        let result = try run(
            ["run", "--interval", "20ms", "--report", reportPath] + options + ["--", "sh", "-c", script],
            environment: real)
        return (result, try JSONDocument(String(contentsOfFile: reportPath, encoding: .utf8)))
    }

    func start(_ arguments: [String], terminal: PseudoTerminal? = nil) throws -> Process {
        try launch(
            program: terminal == nil ? Build.plimsoll : "/usr/bin/setsid",
            (terminal == nil ? [] : ["--ctty", "--wait", Build.plimsoll]) + arguments,
            environment: real.merging(["LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"]) { $1 }, input: terminal?.slave,
            output: terminal?.slave, errors: terminal?.slave)
    }
}
