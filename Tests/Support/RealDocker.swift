import Foundation

/// A real Docker engine, for end-to-end tests: the one of PLIMSOLL_TEST_DOCKER_HOST, which `.ci/run` starts, else whichever
/// the docker client finds.
package enum RealDocker {
    package static let host = ProcessInfo.processInfo.environment["PLIMSOLL_TEST_DOCKER_HOST"]
    package static let isCI = ProcessInfo.processInfo.environment["CI"] != nil
    /// On everything that the tests make, so that it can be found and removed.
    package static let label = "plimsoll.test"

    /// Why there is no engine to test with; nil where there is one.
    package static let absence: String? = {
        guard let result = try? docker("version", "--format", "{{.Server.Os}}") else {
            return "there is no docker client on this machine"
        }
        guard result.code == 0 else { return "no Docker engine answers: \(result.errors.prefix(200))" }
        return endpoint == nil ? "the engine is on another machine" : nil
    }()

    /// Why no container can be given GPUs; nil where the engine has the stand-in for NVIDIA's hook.
    package static let absenceOfGPUs: String? =
        absence
        ?? (ProcessInfo.processInfo.environment["PLIMSOLL_TEST_GPU_REQUESTS"] == nil
            ? "the engine gives no simulated GPUs; type: sudo env \"PATH=$PATH\" scripts/with-engine.sh make test"
            : nil)

    /// URL of the engine's socket.
    package static let endpoint: String? = {
        if let host { return host }
        let told = try? docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").output
        let url = told?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
        return url.hasPrefix("unix://") && !url.contains("/.docker/desktop/") ? url : nil
    }()

    @discardableResult
    package static func docker(_ arguments: String..., environment: [String: String] = [:]) throws -> ProgramResult {
        try docker(arguments, environment: environment)
    }

    @discardableResult
    package static func docker(_ arguments: [String], environment: [String: String] = [:]) throws -> ProgramResult {
        var all = environment
        if let host { all["DOCKER_HOST"] = host }
        all["HOME"] = all["HOME"] ?? ProcessInfo.processInfo.environment["HOME"]
        return try run(program: "/usr/bin/env", ["docker"] + arguments, environment: all)
    }
}

/// Containers on the real engine that hold memory of a simulated driver.
package final class ContainerHost {
    package let scratch: Scratch
    package let driver: SimulatedDriver
    package let image: String

    /// - Parameter host: in Simulator/hosts. Two cards by default: 24,564 MiB with contexts of 380 MiB, and 12,288 MiB with
    ///   contexts of 156 MiB.
    package convenience init(simulating host: String = "two-cards") throws {
        try self.init(Build.package.appending(path: "Simulator/hosts/\(host).json").path, in: try Scratch())
    }

    /// - Parameter host: path of a host's description.
    package init(_ host: String, in scratch: Scratch) throws {
        self.scratch = scratch
        driver = try SimulatedDriver(host: host, in: scratch)
        image = "plimsoll-test:\(scratch.url.lastPathComponent.suffix(8).lowercased())"
        try makeImage()
    }

    deinit {
        let containers = try? RealDocker.docker("ps", "-aq", "--filter", "label=\(label)").output
        for id in (containers ?? "").split(separator: "\n") { _ = try? RealDocker.docker("rm", "-f", String(id)) }
        _ = try? RealDocker.docker("rmi", image)
        scratch.remove()
    }

    /// A root file system of the two programs and the libraries that they need.
    private func makeImage() throws {
        let script = "\(Build.package.path)/Simulator/make-image.sh"
        let programs =
            ["gpusim-hold", "plimsoll"].map { Build.folder.appending(path: $0).path }
            + ["/bin/sh", "/bin/sleep", "/bin/cat", "/usr/bin/setsid"]
        let environment = RealDocker.host.map { ["DOCKER_HOST": $0] } ?? [:]
        let result = try TestSupport.run(program: "/bin/sh", [script, image] + programs, environment: environment)
        guard result.code == 0 else { throw Unexpected("make-image.sh: \(result.errors)") }
    }

    /// Runs a container to its end.
    ///
    /// - Parameter gpus: what it is given of the host's, as `docker run --gpus` takes it.
    @discardableResult
    package func run(
        gpus: String? = nil, _ options: [String] = [], image: String? = nil, _ command: [String] = []
    ) throws -> ProgramResult {
        try RealDocker.docker(["run", "--rm"] + self.options(gpus: gpus) + options + [image ?? self.image] + command)
    }

    /// Starts one that goes on, and does not remove it at its end.
    package func start(_ name: String, gpus: String, options: [String] = [], command: [String]) throws {
        let result = try RealDocker.docker(
            ["run", "-d", "--name", self.name(name)] + self.options(gpus: gpus) + options + [image] + command)
        guard result.code == 0 else { throw Unexpected("docker run: \(result.errors)") }
    }

    /// How a container of ours is started.
    package func options(gpus: String?) -> [String] {
        ["--network", "none", "--label", label]
            + (gpus.map { ["--gpus", $0, "-e", "GPUSIM_DRIVER=\(scratch.url.path)"] } ?? [])
    }

    /// Options of a container of ours that uses the simulated driver.
    package var holding: [String] {
        options(gpus: nil) + [
            "-v", "\(driver.libraries):/usr/lib/gpusim:ro", "-v", "\(driver.socketFolder):/run/gpusim", "-e",
            "LD_LIBRARY_PATH=/usr/lib/gpusim",
        ]
    }

    /// By which what is this test's own is found again.
    package var label: String { "\(RealDocker.label)=\(image)" }

    /// What a container of this test is called on the engine, where others may have theirs.
    package func name(_ short: String) -> String { "\(scratch.url.lastPathComponent)-\(short)" }

    /// Starts a container that holds, and waits until it does.
    ///
    /// - Returns: its id.
    @discardableResult
    package func start(_ name: String, options: [String] = [], _ arguments: [String]) throws -> String {
        let result = try RealDocker.docker(
            ["run", "-d", "--name", self.name(name)] + holding + options + [image, "/bin/gpusim-hold"] + arguments)
        guard result.code == 0 else { throw Unexpected("docker run: \(result.errors)") }
        try wait("\(name) holds") { try RealDocker.docker("logs", self.name(name)).output.contains("holding") }
        return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The real program on this machine, with the real engine.
    package func plimsoll(_ arguments: String...) throws -> ProgramResult {
        try TestSupport.run(arguments, environment: environment)
    }

    package var environment: [String: String] {
        driver.environment.merging(["DOCKER_HOST": RealDocker.endpoint ?? ""]) { $1 }
    }

    package func wait(_ what: String, until done: () throws -> Bool) throws {
        guard try waitUntil(seconds: 60, done) else { throw Unexpected("waited 60 s in vain: \(what)") }
    }
}
