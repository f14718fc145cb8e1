import ArgumentParser
import ContainerRuntimes
import Glibc
import Ledger
import Sampling
import Synchronization

/// The options that say how a host is read, for every program that reads one.
package struct HostOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Directory to read instead of /proc (PLIMSOLL_PROCFS).", valueName: "path"))
    package var procfs = environment("PLIMSOLL_PROCFS") ?? "/proc"

    @Option(help: ArgumentHelp("Read GPU and cgroup information under this path (PLIMSOLL_SYSFS).", valueName: "path"))
    package var sysfs = environment("PLIMSOLL_SYSFS") ?? "/sys"

    @Option(
        help: ArgumentHelp(
            "Load this NVIDIA management library (PLIMSOLL_NVML_LIBRARY; default: the system's libnvidia-ml.so.1)",
            valueName: "path"))
    package var nvmlLibrary: String?

    @Option(
        help: ArgumentHelp(
            """
            Socket of a container engine, for container names, as unix:///PATH; can be repeated (DOCKER_HOST; default: \
            the current Docker context, or all local engines if no context is set)
            """, valueName: "url"))
    package var dockerHost: [String] = []

    @Option(
        help: ArgumentHelp(
            "Maximum time to wait for a GPU driver or container engine (PLIMSOLL_TIMEOUT; default: 10s for a GPU driver, 2s for an engine)",
            valueName: "duration"),
        transform: TimeSpan.init)
    package var timeout: TimeSpan?

    package init() {}

    package func validate() throws {
        try timeout?.check("--timeout", from: 0.001, to: 3600, "from 1ms to 1h")
    }

    /// How to sample the host.
    ///
    /// - Throws: `HostOptionError`.
    package func plan() throws(HostOptionError) -> SamplingPlan {
        try Self.checkFileLimit()
        let seconds = try askedTimeout()
        return SamplingPlan(
            procfs: procfs, sysfs: sysfs,
            nvmlLibrary: nvmlLibrary.flatMap { $0.isEmpty ? nil : $0 } ?? environment("PLIMSOLL_NVML_LIBRARY"),
            deviceTimeout: seconds ?? Self.deviceTimeout, engineTimeout: seconds ?? 2)
    }

    /// With a lower limit of open files, existing files could not be opened and would look absent.
    private static func checkFileLimit() throws(HostOptionError) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
            limit.rlim_cur < HostOptionError.leastFiles
        else { return }
        throw .fileLimit(UInt64(limit.rlim_cur))
    }

    private static let deviceTimeout = 10.0

    /// Seconds to wait for a device, and for a file that a user named.
    package func deviceTimeout() throws(HostOptionError) -> Double { try askedTimeout() ?? Self.deviceTimeout }

    private func askedTimeout() throws(HostOptionError) -> Double? {
        if let timeout { return timeout.seconds }
        guard let text = environment("PLIMSOLL_TIMEOUT") else { return nil }
        guard let span = TimeSpan(text: text), span.seconds <= 3600 else { throw .timeoutVariable(text) }
        return span.seconds
    }

    /// The engines to ask for names.
    ///
    /// - Throws: `HostOptionError` if an option names an engine that cannot be asked.
    package func engines(_ sampler: Sampler) throws(HostOptionError) -> EngineSelection {
        do throws(EngineError) {
            return try Self.selection(engineNaming, sampler)
        } catch {
            throw .engine(error)
        }
    }

    /// How the user named engines, by options and variables.
    package var engineNaming: EngineNaming {
        var naming = EngineNaming(
            hosts: dockerHost, environment: variables(["DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR"]))
        // --docker-host takes precedence over the docker client's own options.
        if dockerHost.isEmpty {
            let options = Self.dockerOptions.withLock { $0 }
            (naming.hosts, naming.context) = (options.hosts, options.context)
        }
        return naming
    }

    /// - Parameter seconds: maximum time to read the user's Docker configuration; nil for an engine's time.
    package static func selection(
        _ naming: EngineNaming, _ sampler: Sampler, within seconds: Double? = nil
    ) throws(EngineError) -> EngineSelection {
        try EngineSelection(naming) { name in
            var variables = variables(DockerContext.variables)
            variables["DOCKER_CONTEXT"] = name
            return sampler.dockerContext(variables, within: seconds)
        }
    }

    /// Engines that the docker client's options before `gpu` name.
    package struct DockerOptions: Sendable {
        package var hosts: [String] = []
        package var context: String?
    }

    /// Set by the Docker CLI plugin before arguments are parsed.
    package static let dockerOptions = Mutex(DockerOptions())
}

/// Why a host cannot be read as its options say.
package enum HostOptionError: Error, CustomStringConvertible {
    /// PLIMSOLL_TIMEOUT, as it is set.
    case timeoutVariable(String)
    /// The limit of open files is too low.
    case fileLimit(UInt64)
    case engine(EngineError)

    static let leastFiles: rlim_t = 16

    package var isUsage: Bool { if case .timeoutVariable = self { true } else { false } }

    package var description: String {
        switch self {
        case .timeoutVariable(let text):
            "PLIMSOLL_TIMEOUT is '\(text)', which is not a duration up to 1h, such as 500ms or 10s"
        case .fileLimit(let limit):
            "the limit of open files is \(limit), but at least \(Self.leastFiles) are needed; raise it with `ulimit -n 1024`"
        case .engine(let error): error.description
        }
    }
}

private func variables(_ names: [String]) -> [String: String] { names.reduce(into: [:]) { $0[$1] = environment($1) } }

/// An environment variable. An empty variable counts as unset.
package func environment(_ name: String) -> String? {
    variable(name).flatMap { $0.isEmpty ? nil : $0 }
}

/// An environment variable, also an empty one.
package func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
