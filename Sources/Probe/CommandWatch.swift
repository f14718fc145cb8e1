import Glibc
import HostFS
import Ledger
import Sampling

/// Samples the GPU memory of a command's processes on its own thread, without touching the command.
package final class CommandWatch: Sendable {
    /// The result of the watch.
    package struct Findings: Sendable {
        package var usage: CommandUsage
        /// The container or service that an engine or systemd started for the command; nil if the command is no client.
        package var client: ClientFinding?
        /// Milliseconds since 1970.
        package var began: Int64
        /// Whether the last reading is missing because it took too long.
        package var isCutShort = false
        /// Whether the command ran in a container.
        package var isContainer: Bool { usage.scope.isContainer }
    }

    /// What the main thread and the sampling thread share.
    private struct Shared {
        var state = CommandWatchState.preparing
        var usage: RunUsage
    }

    private let shared: SharedValue<Shared>
    private let interval: Double
    private let engines: Engines?

    /// Chooses the engines to ask for a client. Called on the sampling thread.
    ///
    /// - Returns: nil if the client's words name an engine that cannot be asked from here.
    package typealias Engines = @Sendable (Sampler) -> EngineWatch?

    /// Starts the sampling thread, which begins with a reading of the time before the command.
    ///
    /// - Parameters:
    ///   - interval: seconds from one reading to the next.
    ///   - client: the command as a client of an engine or of systemd; nil if it is none.
    ///   - engines: called only if the command is a client of an engine.
    /// - Throws: if no thread can be started.
    package init(
        _ plan: SamplingPlan, interval: Double, client: CommandClient?, engines: @escaping Engines
    ) throws(CommandError) {
        var usage = RunUsage(client)
        usage.scope = CommandScope(ownPID: UInt32(getpid()), cgroup: nil)
        self.interval = interval
        self.engines = usage.asksEngines ? engines : nil
        shared = SharedValue(Shared(usage: usage))
        let code = startThread { [self] in watch(plan) }
        if code != 0 { throw .notWatched(noThread(code)) }
    }

    /// Waits for the first reading, which shows the memory before the command. If the reading takes longer than this,
    /// the memory before the command stays unknown.
    package func waitUntilReady(seconds: Double) {
        shared.wait(until: monotonicSeconds() + seconds) { $0.state != .preparing }
    }

    /// Records that the command has started.
    package func begin(_ command: Command) -> CommandStart {
        let start = CommandStart(
            pid: UInt32(command.pid), seconds: monotonicSeconds(), unixMilliseconds: wallClock())
        shared.withLock { $0.state.begin(start) }
        return start
    }

    /// Ends the watch of a command that did not start.
    package func cancel() {
        shared.withLock { $0.state.cancel() }
        shared.wait(until: monotonicSeconds() + 0.2) { $0.state == .finished }
    }

    /// Ends the watch, because the command has ended.
    ///
    /// - Parameter seconds: time limit of the last reading.
    package func end(_ start: CommandStart, within seconds: Double) -> Findings {
        let ended = monotonicSeconds()
        shared.withLock { $0.state.end(at: ended) }
        shared.wait(until: ended + seconds) { $0.state == .finished }
        return shared.withLock { shared in
            let isComplete = shared.state.report()
            if !isComplete {
                shared.usage.end(
                    nil, listed: nil, at: ended - start.seconds, began: start.unixMilliseconds, pid: start.pid
                ) { _, _ in [:] }
            }
            let result = shared.usage.result
            return Findings(
                usage: result.usage, client: result.finding, began: start.unixMilliseconds, isCutShort: !isComplete)
        }
    }

    /// The sampling thread.
    private func watch(_ plan: SamplingPlan) {
        // 0 is the calling thread: on Linux each thread has its own nice value (setpriority(2)).
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, SamplingPlan.behind)
        var plan = plan
        plan.lowPriority = true
        // Messages would appear in the middle of the command's own output.
        let sampler = Sampler(plan, notify: { _ in })
        sampler.begin()
        var engines = askEngines(sampler)
        let scope = CommandScope(sampler.runtimeEnvironment(), ownPID: UInt32(getpid()))
        shared.withLock { $0.usage.scope = scope }
        noteEnginesBefore(sampler, engines: &engines)
        let before = sampler.observe()
        shared.withLock { shared in
            if shared.state.isBeforeCommand { shared.usage.begin(before) }
            shared.state.becomeReady()
        }
        shared.wait { !$0.state.isBeforeCommand }
        if let start = shared.withLock({ $0.state.start }) {
            sample(sampler, engines: &engines, since: start)
            finish(sampler, engines: &engines, since: start)
        }
        sampler.finish()
        shared.withLock { $0.state.finish() }
    }

    /// Reads at the interval until the command has ended.
    private func sample(_ sampler: Sampler, engines: inout EngineWatch?, since start: CommandStart) {
        var next = start.seconds
        while true {
            var observation = sampler.observe()
            let now = monotonicSeconds()
            // Outside the lock: the end of the command must not wait for files.
            var usage = shared.withLock { $0.usage }
            var isFresh = false
            if engines != nil {
                isFresh = engines?.collect(sampler) == true && engines?.isWhole == true
                engines?.fill(&observation)
                engines?.ask(sampler, after: usage.wantsNames ? Self.shortPause : Self.pause)
            }
            usage.add(
                observation, at: now - start.seconds, isFresh: isFresh, ancestors: sampler.ancestors(of:upTo:))
            let isOver = shared.withLock { shared in
                // The reading can be from after the end of the command.
                guard shared.state.isRunning else { return true }
                shared.usage = usage
                return false
            }
            if isOver { return }
            next = max(next + interval, now)
            if shared.wait(until: next, for: { !$0.state.isRunning }) { return }
        }
    }

    /// The last reading, with the accounts that the driver keeps of ended processes.
    private func finish(_ sampler: Sampler, engines: inout EngineWatch?, since start: CommandStart) {
        guard case .ending(_, at: let ended) = shared.withLock({ $0.state }) else { return }
        engines?.collect(sampler, within: Self.lastWait)
        engines?.ask(sampler)
        var last = sampler.observe(withAccounts: true)
        engines?.collect(sampler, within: Self.lastWait)
        engines?.fill(&last)
        var listed: Set<String>?
        if let engines, engines.isWhole, let since = engines.reportedSince, since >= ended { listed = engines.listed }
        var usage = shared.withLock { $0.usage }
        usage.end(
            last, listed: listed, at: ended - start.seconds, began: start.unixMilliseconds, pid: start.pid,
            ancestors: sampler.ancestors(of:upTo:))
        shared.withLock { [usage] shared in if shared.state != .reported { shared.usage = usage } }
    }

    // MARK: Engines

    /// Seconds between two questions to the engines.
    private static let pause = 0.5
    /// The same, if the name of a container is still unknown.
    private static let shortPause = 0.1
    /// Seconds to wait for the engines' answers before the command starts.
    private static let firstWait = 0.15
    /// Seconds to wait for each of the engines' answers after the command has ended.
    private static let lastWait = 0.2

    private func askEngines(_ sampler: Sampler) -> EngineWatch? {
        guard let engines else { return nil }
        guard var watch = engines(sampler) else {
            shared.withLock { $0.usage.note(obstacle: .elsewhere) }
            return nil
        }
        watch.ask(sampler)
        return watch
    }

    /// Records what the engines list before the command starts, if they answer in time.
    private func noteEnginesBefore(_ sampler: Sampler, engines: inout EngineWatch?) {
        guard engines?.collect(sampler, within: Self.firstWait) == true, let engines else { return }
        shared.withLock { shared in
            if shared.state.isBeforeCommand { shared.usage.begin(engines: engines.engines, engines.sources) }
        }
    }
}
