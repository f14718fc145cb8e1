import Foundation
import TestSupport
import Testing

/// Engines whose containers are not on this machine, named in each way in which Docker's client lets one name them.
@Suite(.enabled(if: RealDocker.absence == nil, "\(RealDocker.absence ?? "")"))
struct ElsewhereTests {
    private static let urls = [
        "ssh://me@gpu-box", "tcp://10.0.0.1:2375", "unix:///home/me/.docker/desktop/docker.sock",
    ]

    /// Runs with a folder of Docker's settings in which the plugin is installed and the context `lab` is at `url`.
    private func withContext(at url: String, _ body: ([String: String]) throws -> Void) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let plugins = scratch.url.appending(path: "cli-plugins")
        try FileManager.default.createDirectory(at: plugins, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: Build.plimsoll, toPath: plugins.appending(path: "docker-gpu").path)
        let settings = ["DOCKER_CONFIG": scratch.url.path, "HOME": scratch.url.path]
        let made = try docker(["context", "create", "lab", "--docker", "host=\(url)"], settings)
        #expect(made.code == 0, "\(made.errors)")
        try body(settings)
    }

    /// The client without the engine of the tests, which would come before any context.
    private func docker(_ arguments: [String], _ environment: [String: String]) throws -> ProgramResult {
        try run(program: "/usr/bin/env", ["docker"] + arguments, environment: environment)
    }

    private func expectRefusal(_ result: ProgramResult, _ url: String) {
        #expect(result.code == 2)
        #expect(result.output == "")
        #expect(result.errors.contains("\(url) is an engine on another machine"))
        #expect(result.errors.contains("reads the GPUs of the machine it runs on"))
    }

    private func expectWarning(_ result: ProgramResult, _ url: String) {
        #expect(result.errors.contains("is ignored: \(url) is an engine on another machine"))
        #expect(result.errors.contains("The engines of this machine are asked instead."))
    }

    @Test("An engine elsewhere is refused if --context names it, and skipped if the settings do", arguments: urls)
    func context(_ url: String) throws {
        try withContext(at: url) { settings in
            expectRefusal(try docker(["--context", "lab", "gpu", "ps"], settings), url)
            expectWarning(try run(["ps"], environment: settings.merging(["DOCKER_CONTEXT": "lab"]) { $1 }), url)
            #expect(try docker(["context", "use", "lab"], settings).code == 0)
            expectWarning(try run(["ps"], environment: settings), url)
            expectWarning(try docker(["gpu", "ps"], settings), url)
        }
    }

    @Test("An engine elsewhere that -H of Docker's client names is refused", arguments: urls)
    func globalOption(_ url: String) throws {
        try withContext(at: url) { settings in
            expectRefusal(try docker(["-H", url, "gpu", "ps"], settings), url)
            expectRefusal(try docker(["--host=\(url)", "gpu", "stats", "--no-stream"], settings), url)
        }
    }
}
