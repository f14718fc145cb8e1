import Foundation

/// A real Podman of the tests' own, with containers that hold memory of a simulated driver.
///
/// Its storage, locks and service are in a scratch folder, and Podman of this machine knows nothing of it.
package final class PodmanHost {
    package let scratch: Scratch
    package let driver: SimulatedDriver
    /// As Podman itself calls an image of this machine.
    package let image: String
    private var service: Process?

    /// Why there is no Podman to test with; nil where it runs a container.
    package static let absence: String? = {
        guard let version = try? run(program: "/usr/bin/env", ["podman", "--version"]), version.code == 0 else {
            return "there is no podman on this machine"
        }
        guard geteuid() == 0 else { return "a Podman with storage of its own needs root here" }
        do {
            try PodmanHost().start("probe", [])
            return nil
        } catch {
            return "podman runs no container here: \(error)"
        }
    }()

    /// Why Podman has no pods with an infra container here; nil if it has. On cgroup v2 an older runc denies `/dev/null` to the
    /// containers of a pod.
    package static let absenceOfPods: String? = {
        if let absence { return absence }
        do {
            let host = try PodmanHost()
            try host.makePod("probe")
            try host.start("probed", options: ["--pod", "probe"], [])
            return nil
        } catch {
            return "podman runs no pod here: \(error)"
        }
    }()

    /// - Parameter driver: another host's, so that its cards are shared; else two cards, as `ContainerHost` has them.
    package init(sharing driver: SimulatedDriver? = nil) throws {
        scratch = try Scratch()
        self.driver =
            try driver
            ?? SimulatedDriver(
                host: Build.package.appending(path: "Simulator/hosts/two-cards.json").path, in: scratch)
        image = "localhost/plimsoll-test:\(scratch.url.lastPathComponent.suffix(8).lowercased())"
        // Podman would set limits of files and processes that only a privileged user may raise to, or of a controller
        // that may be missing, and take its locks
        // from a shared memory that all Podmans of the machine have in common: containers.conf(5).
        try scratch.write(
            """
            [containers]
            default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
            pids_limit = 0
            [engine]
            lock_type = "file"
            """, to: "containers.conf")
        try makeImage()
        try startService()
    }

    deinit {
        _ = try? podman("pod", "rm", "--all", "--force", "--time", "0")
        _ = try? podman("rm", "--all", "--force", "--time", "0")
        // Foundation would wait for whatever still has the service's descriptors, a container's monitor among them.
        if let service {
            kill(service.processIdentifier, SIGKILL)
            var end = siginfo_t()
            waitid(P_PID, id_t(service.processIdentifier), &end, Int32(WEXITED | WNOWAIT))
        }
        // What a container that could not be removed has mounted stands in the folder's way.
        let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
        for mount in mounts.split(separator: "\n").compactMap({ $0.split(separator: " ").dropFirst().first })
        where mount.hasPrefix(scratch.url.path + "/") {
            umount2(String(mount), Int32(MNT_DETACH))
        }
        scratch.remove()
    }

    /// Plain copies for storage and plain directories for cgroups work on every machine, one without systemd too.
    private var options: [String] {
        [
            "--root", scratch.path("root"), "--runroot", scratch.path("run"), "--tmpdir", scratch.path("tmp"),
            "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file",
        ]
    }

    private var settings: [String: String] {
        ["CONTAINERS_CONF": scratch.path("containers.conf"), "HOME": scratch.url.path]
    }

    @discardableResult
    package func podman(_ arguments: String...) throws -> ProgramResult { try podman(arguments) }

    /// The client of our service, so that it is the service that starts containers: their monitors outlive whoever does,
    /// and hold the descriptors by which Foundation tells that a program has ended.
    @discardableResult
    package func podman(_ arguments: [String]) throws -> ProgramResult {
        let client = ["podman", "--remote", "--url", endpoint]
        let result = try run(program: "/usr/bin/env", client + arguments, environment: settings)
        guard result.code == 0 else { throw Unexpected("podman \(arguments[0]): \(result.errors)") }
        return result
    }

    /// Starts the client with what takes its time.
    package func begin(_ arguments: String...) throws -> Process {
        try launch(
            program: "/usr/bin/env", ["podman", "--remote", "--url", endpoint] + arguments,
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"].merging(settings) { $1 },
            output: FileHandle.nullDevice)
    }

    /// The same image as Docker's, by a `docker` that is Podman, as Debian's package podman-docker has it.
    ///
    /// Podman notes what it imports in a cache below /var/lib, whatever its options say; here it sees an empty one.
    private func makeImage() throws {
        let podman = (["podman"] + options).joined(separator: " ")
        try scratch.write(
            """
            #!/bin/sh
            exec unshare --mount sh -c 'mount -t tmpfs none /var/lib && exec \(podman) "$@"' podman "$@"
            """, to: "bin/docker")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: scratch.path("bin/docker"))
        let script = "\(Build.package.path)/Simulator/make-image.sh"
        let programs = [Build.folder.appending(path: "gpusim-hold").path, "/bin/sleep"]
        let path = ["PATH": "\(scratch.path("bin")):/usr/local/bin:/usr/bin:/bin"]
        let result = try run(
            program: "/bin/sh", [script, image] + programs, environment: settings.merging(path) { $1 })
        guard result.code == 0 else { throw Unexpected("make-image.sh with podman: \(result.errors)") }
    }

    private func startService() throws {
        // Tests that are killed leave it to end by itself.
        let service = try launch(
            program: "/usr/bin/env", ["podman"] + options + ["system", "service", "--time=120", endpoint],
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"].merging(settings) { $1 },
            output: FileHandle.nullDevice, errors: FileHandle.nullDevice)
        self.service = service
        try wait("podman's service listens") {
            guard service.isRunning else { throw Unexpected("podman's service ended at once") }
            return FileManager.default.fileExists(atPath: scratch.path("podman.sock"))
        }
    }

    /// URL of the service's socket.
    package var endpoint: String { "unix://\(scratch.path("podman.sock"))" }

    /// Starts a container that holds, and waits until it does.
    ///
    /// - Returns: its id.
    @discardableResult
    package func start(_ name: String, options: [String] = [], _ arguments: [String]) throws -> String {
        let network = options.contains("--pod") ? [] : ["--network", "none"]
        let result = try podman(
            ["run", "-d", "--name", name] + network + holding + options + [image, "/bin/gpusim-hold"] + arguments)
        try wait("\(name) holds") { try podman("logs", name).output.contains("holding") }
        return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Options of a container that uses the simulated driver.
    private var holding: [String] {
        [
            "-v", "\(driver.libraries):/usr/lib/gpusim:ro", "-v", "\(driver.socketFolder):/run/gpusim", "-e",
            "LD_LIBRARY_PATH=/usr/lib/gpusim",
        ]
    }

    /// The words of a container that holds, by the client of our service or without the service.
    package func command(remote: Bool, options: [String] = [], _ arguments: [String]) -> [String] {
        let client = remote ? ["podman", "--remote", "--url", endpoint] : ["podman"] + self.options
        return client + ["run", "--network", "none"] + holding + options + [image, "/bin/gpusim-hold"] + arguments
    }

    /// What a podman of ours, and a plimsoll that starts it, find in their environment.
    package var environment: [String: String] { driver.environment.merging(settings) { $1 } }

    /// Makes a pod with an infra container, which keeps the pod's namespaces and does nothing else.
    package func makePod(_ name: String) throws {
        try podman(
            "pod", "create", "--name", name, "--network", "none", "--infra-image", image, "--infra-command",
            "/bin/sleep infinity")
    }

    /// The real program on this machine, with no engine but those that are named.
    package func plimsoll(_ arguments: String..., engines: [String]? = nil) throws -> ProgramResult {
        let named = (engines ?? [endpoint]).flatMap { ["--docker-host", $0] }
        return try run(arguments + named, environment: driver.environment)
    }

    package func wait(_ what: String, until done: () throws -> Bool) throws {
        guard try waitUntil(seconds: 60, done) else { throw Unexpected("waited 60 s in vain: \(what)") }
    }
}
