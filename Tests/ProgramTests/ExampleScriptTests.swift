import Foundation
import TestSupport
import Testing

private enum Python {
    static let isHere = (try? run(program: "/usr/bin/env", ["python3", "--version"]))?.code == 0
    static let isRequired = ProcessInfo.processInfo.environment["CI"] != nil
}

/// The examples' scripts for PyTorch, with a stand-in for it that asks the simulated driver for memory in PyTorch's sizes.
@Suite(.enabled(if: Python.isHere || Python.isRequired, "there is no python3 on this machine"))
struct ExampleScriptTests {
    private func environment(_ driver: SimulatedDriver) -> [String: String] {
        driver.environment.merging([
            "LD_LIBRARY_PATH": driver.libraries, "PATH": "\(Build.folder.path):/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": Build.package.appending(path: "Simulator/pytorch").path, "PYTHONDONTWRITEBYTECODE": "1",
        ]) { $1 }
    }

    private func driver(in scratch: Scratch) throws -> SimulatedDriver {
        try SimulatedDriver(host: Build.package.appending(path: "Simulator/hosts/two-cards.json").path, in: scratch)
    }

    private func script(_ path: String) -> String { Build.package.appending(path: "examples/\(path)").path }

    @Test("allocate.py prints what its README shows: tensors, what is kept, and what the driver charges")
    func allocate() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let driver = try driver(in: scratch)
        let result = try run(
            program: "/usr/bin/env", ["python3", script("allocate/allocate.py")], environment: environment(driver))
        #expect(result.code == 0, "\(result.errors)")
        let readme = try String(contentsOfFile: script("allocate/README.md"), encoding: .utf8)
        #expect(result.output.contains("+ 1000 x 1000         3.9 MiB     22.0 MiB    402.0 MiB    438.0 MiB\n"))
        #expect(readme.contains("allocate-torch python3 allocate.py\n\(result.output)```"))
    }

    @Test("train.py under run: the driver's peak is PyTorch's, and the context on top")
    func train() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let driver = try driver(in: scratch)
        let report = scratch.path("r.json")
        let result = try run(
            ["run", "--interval", "50ms", "--report", report, "--", "python3", script("monitor/train.py")],
            environment: environment(driver))
        #expect(result.code == 0, "\(result.errors)")
        let readme = try String(contentsOfFile: script("monitor/README.md"), encoding: .utf8)
        #expect(
            readme.contains(
                "monitor-torch python3 train.py\n\(result.output)plimsoll: GPU memory of python3, which ran for "))
        #expect(result.output.hasSuffix("at most 244.1 MiB in tensors, 328.0 MiB kept; the context is in neither\n"))
        let peak = try JSONDocument(String(contentsOfFile: report, encoding: .utf8))["devices"][0]["peakBytes"].integer
        #expect(peak == Int64(328 + 380) << 20)
    }
}
