import ArgumentParser
import Glibc
import HostOptions
import Ledger
import Rendering
import Sampling

/// The options of every command that reads the host.
struct CommonOptions: ParsableArguments {
    @OptionGroup var host: HostOptions

    @Flag(name: .customLong("no-color"), help: "Print without color (NO_COLOR).")
    var noColour = false

    @Flag(
        help: "Print sources, libraries, child processes, timings and decisions to standard error (PLIMSOLL_DEBUG=1).")
    var debug = false

    var page: Page { Screen.page(colourless: noColour) }

    func validate() throws {
        if debug || environment("PLIMSOLL_DEBUG").map({ $0 != "0" }) == true { DebugLog.enable() }
    }

    /// - Parameters:
    ///   - limit: maximum seconds to wait for any source; nil for the timeouts of the options.
    ///   - warnsOfEngine: whether to warn if an engine that the environment names cannot be asked.
    func makeSource(within limit: Double? = nil, warnsOfEngine: Bool = true) throws -> HostSource {
        var plan = try plan()
        if let limit {
            plan.deviceTimeout = min(plan.deviceTimeout, limit)
            plan.engineTimeout = min(plan.engineTimeout, limit)
        }
        let sampler = Sampler(plan, notify: { Output.error($0) })
        sampler.begin()
        do throws(HostOptionError) {
            sampler.engines = try host.engines(sampler)
        } catch {
            throw Failure(error)
        }
        DebugLog.log(
            "procfs \(plan.procfs), sysfs \(plan.sysfs), NVIDIA library: \(plan.nvmlLibrary ?? "system default")")
        let sockets = sampler.engines?.engines.map(\.socket).joined(separator: ", ") ?? ""
        DebugLog.log("container engines: \(sockets.isEmpty ? "none" : sockets)")
        let source = HostSource.host(sampler)
        if warnsOfEngine { source.warnOfSkippedEngine() }
        return source
    }

    func plan() throws -> SamplingPlan {
        do throws(HostOptionError) { return try host.plan() } catch { throw Failure(error) }
    }

    func deviceTimeout() throws -> Double {
        do throws(HostOptionError) { return try host.deviceTimeout() } catch { throw Failure(error) }
    }

    /// Why /proc itself could not be read, so that nothing follows from a process or a file that was not found; nil if it was read.
    func unreadableProc(_ snapshot: Snapshot) -> Reason? {
        guard let error = snapshot.sources.first(where: { $0.name == SourceReport.proc })?.error,
            case .file(host.procfs, _) = error.first
        else { return nil }
        return error
    }

    /// URL of the first local engine that may be asked, for the docker client; nil if there is none.
    func dockerSocket() throws -> String? {
        let sampler = Sampler(try plan(), notify: { _ in })
        defer { sampler.finish() }
        do throws(HostOptionError) {
            return try host.engines(sampler).engines.first.map { "unix://\($0.socket)" }
        } catch {
            throw Failure(error)
        }
    }
}

/// The common options of commands that can read a recording instead of the host.
struct ReplayOptions: ParsableArguments {
    @OptionGroup var common: CommonOptions

    @Option(
        help: ArgumentHelp("Read a recording made with `plimsoll capture` instead of this host.", valueName: "file"))
    var replay: String?

    var page: Page { common.page }
    func deviceTimeout() throws -> Double { try common.deviceTimeout() }

    /// Reads the host, anew at each call, or the recording, always the same.
    ///
    /// - Parameter limit: maximum seconds to wait for any source; nil for the timeouts of the options.
    func makeSource(within limit: Double? = nil) throws -> HostSource {
        guard let replay else { return try common.makeSource(within: limit) }
        let seconds = try deviceTimeout()
        do throws(RecordingError) {
            return .recording(try Recording.decode(try FileRequest.read(replay, within: seconds), path: replay))
        } catch {
            throw Failure.impossible(error)
        }
    }
}

extension Failure {
    init(_ error: HostOptionError) {
        self = error.isUsage ? .usage(error) : .impossible(error)
    }
}

/// Where observations come from.
enum HostSource {
    case host(Sampler)
    case recording(Observation)

    /// Ends the child processes.
    func finish() {
        if case .host(let sampler) = self { sampler.finish() }
    }

    func warnOfSkippedEngine() {
        if case .host(let sampler) = self, let skipped = sampler.engines?.skipped { Output.error("\(skipped)") }
    }

    func observe() -> Observation {
        let observation: Observation
        switch self {
        case .host(let sampler):
            DebugLog.log("reading the host")
            observation = sampler.observe()
            DebugLog.log(
                "PIDs of child processes: \(HelperProcess.runningPIDs.map { String($0) }.joined(separator: ", "))")
        case .recording(let recorded): observation = recorded
        }
        DebugLog.log(observation)
        return observation
    }
}
