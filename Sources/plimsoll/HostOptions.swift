import ArgumentParser
import ContainerRuntimes
import Glibc
import Ledger
import Rendering
import Sampling

/// The options of every command that reads the host.
struct HostOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where /proc is mounted (PLIMSOLL_PROCFS).", valueName: "path"))
    var procfs = environment("PLIMSOLL_PROCFS") ?? "/proc"

    @Option(help: ArgumentHelp("Where /sys is mounted (PLIMSOLL_SYSFS).", valueName: "path"))
    var sysfs = environment("PLIMSOLL_SYSFS") ?? "/sys"

    @Option(
        help: ArgumentHelp(
            "NVIDIA's management library, the system's libnvidia-ml.so.1 by default (PLIMSOLL_NVML_LIBRARY).",
            valueName: "path"))
    var nvmlLibrary: String?

    @Option(
        help: ArgumentHelp(
            """
            A container engine, unix:///PATH; may be repeated (DOCKER_HOST). By default that of the current Docker \
            context, else every engine of this machine whose socket answers.
            """, valueName: "url"))
    var dockerHost: [String] = []

    @Option(
        help: ArgumentHelp(
            "How long to wait for a source: by default 10 for a device and 2 for an engine (PLIMSOLL_TIMEOUT).",
            valueName: "seconds"))
    var timeout: Double?

    @Option(help: ArgumentHelp("Read a recording of `plimsoll capture` instead of this machine.", valueName: "file"))
    var replay: String?

    @Flag(name: .customLong("no-color"), help: "No colour, on a terminal either (NO_COLOR).")
    var noColour = false

    func validate() throws {
        if let timeout, !(timeout > 0 && timeout <= 3600) {
            throw ValidationError("--timeout is a number of seconds above 0 and up to 3600.")
        }
    }

    var page: Page { Screen.page(colourless: noColour) }

    /// Reads the host, or the recording: again at every call, or the same.
    ///
    /// - Parameters:
    ///   - limit: seconds that no source is waited for longer.
    ///   - needsNames: a person who named an engine that cannot be asked is warned.
    func makeSource(within limit: Double? = nil, needsNames: Bool = true) throws -> HostSource {
        if let replay {
            let seconds = try deviceTimeout()
            do throws(RecordingError) {
                return .recording(try Recording.decode(try FileRequest.read(replay, within: seconds), path: replay))
            } catch {
                throw Failure.impossible(error)
            }
        }
        var plan = try plan()
        if let limit {
            plan.deviceTimeout = min(plan.deviceTimeout, limit)
            plan.engineTimeout = min(plan.engineTimeout, limit)
        }
        let sampler = Sampler(plan, tell: { Output.error($0) })
        sampler.begin()
        sampler.engines = try engines(sampler)
        let source = HostSource.host(sampler)
        if needsNames { source.warnOfSkippedEngine() }
        return source
    }

    func plan() throws -> SamplingPlan {
        try checkFileLimit()
        let seconds = try askedTimeout()
        return SamplingPlan(
            procfs: procfs, sysfs: sysfs,
            nvmlLibrary: nvmlLibrary.flatMap { $0.isEmpty ? nil : $0 } ?? environment("PLIMSOLL_NVML_LIBRARY"),
            deviceTimeout: seconds ?? Self.deviceTimeout, engineTimeout: seconds ?? 2)
    }

    /// With fewer, files that are there could not be opened, and would be told as absent.
    private func checkFileLimit() throws {
        let least: rlim_t = 16
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < least else {
            return
        }
        throw Failure.impossible(
            "at least \(least) files must be allowed, and the limit is \(limit.rlim_cur); raise it with `ulimit -n 1024`"
        )
    }

    private static let deviceTimeout = 10.0

    /// How long a device may take to answer, and a pipe to be read.
    func deviceTimeout() throws -> Double { try askedTimeout() ?? Self.deviceTimeout }

    private func askedTimeout() throws -> Double? {
        if let timeout { return timeout }
        guard let text = environment("PLIMSOLL_TIMEOUT") else { return nil }
        guard let number = Double(text), number > 0, number <= 3600 else {
            throw Failure.usage("PLIMSOLL_TIMEOUT is '\(text)', which is no number of seconds up to 3600")
        }
        return number
    }

    /// - Throws: what an option names and cannot be asked.
    private func engines(_ sampler: Sampler) throws -> EngineSelection {
        do throws(EngineError) {
            return try Self.selection(engineNaming, sampler)
        } catch {
            throw Failure.impossible(error)
        }
    }

    /// URL of the first engine of this machine that may be asked, for the docker client; nil if there is none.
    func dockerSocket() throws -> String? {
        let sampler = Sampler(try plan(), tell: { _ in })
        defer { sampler.finish() }
        return try engines(sampler).engines.first.map { "unix://\($0.socket)" }
    }

    /// How the user named engines, by options and variables.
    var engineNaming: EngineNaming {
        var naming = EngineNaming(
            hosts: dockerHost, environment: variables(["DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR"]))
        // --docker-host comes before the docker client's own options.
        if dockerHost.isEmpty {
            let options = DockerPlugin.globalOptions
            (naming.hosts, naming.context) = (options.hosts, options.context)
        }
        return naming
    }

    /// - Parameter seconds: how long the user's Docker configuration may take; by default the time of an engine.
    static func selection(
        _ naming: EngineNaming, _ sampler: Sampler, within seconds: Double? = nil
    ) throws(EngineError) -> EngineSelection {
        try EngineSelection(naming) { name in
            var variables = variables(DockerContext.variables)
            variables["DOCKER_CONTEXT"] = name
            return sampler.dockerContext(variables, within: seconds)
        }
    }
}

private func variables(_ names: [String]) -> [String: String] { names.reduce(into: [:]) { $0[$1] = environment($1) } }

enum HostSource {
    case host(Sampler)
    case recording(Observation)

    /// Leaves no process behind.
    func finish() {
        if case .host(let sampler) = self { sampler.finish() }
    }

    func warnOfSkippedEngine() {
        if case .host(let sampler) = self, let skipped = sampler.engines?.skipped { Output.error("\(skipped)") }
    }

    func observe() -> Observation {
        switch self {
        case .host(let sampler): sampler.observe()
        case .recording(let observation): observation
        }
    }
}

/// `--format`, for commands whose answer is rows.
enum RowFormat {
    case table
    case json
    case template(Template)

    init(_ text: String, for kind: RowKind) throws {
        switch text {
        case "table", "": self = .table
        case "json": self = .json
        default:
            do throws(TemplateError) {
                self = .template(try Template(text, for: kind))
            } catch {
                throw Failure.usage(error)
            }
        }
    }

    /// - Parameters:
    ///   - notes: sentences below the table, which JSON and templates have no place for.
    ///   - table: the rows as they are shown unasked.
    func lines(
        _ rows: [Row], on page: Page, notes: [String] = [], table: ([Row], Page) -> Table
    ) throws -> [String] {
        switch self {
        case .table:
            let notes = notes.flatMap { paragraph(shown($0, on: page), on: page, indent: 2) }
            return table(rows, page).linesWithLegend(on: page) + (notes.isEmpty ? [] : [""] + notes)
        case .json: return rows.map { $0.json.text() }
        case .template(let template):
            do throws(TemplateError) {
                // A template is written for containers: what it prints of a GPU that is lost would look like one.
                let lines = try template.lines(rows.filter { !$0.isLost })
                return Screen.isTerminal ? lines.map { fitted($0, page, isTable: template.isTable) } : lines
            } catch {
                throw Failure.usage(error)
            }
        }
    }

    /// What a template made, for a terminal: only what the terminal can show, and a table no wider than it.
    private func fitted(_ text: String, _ page: Page, isTable: Bool) -> String {
        let text = page.unicode ? text : String(text.unicodeScalars.map { $0.isASCII ? Character($0) : "?" })
        guard isTable, let width = page.width else { return text }
        return text.split(separator: "\n", omittingEmptySubsequences: false).map {
            cut(String($0), to: width, on: page)
        }.joined(separator: "\n")
    }
}
