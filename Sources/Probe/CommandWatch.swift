import Glibc
import HostFS
import Ledger
import Sampling

/// Samples what a command's processes hold of the GPUs, beside it and without touching it.
package final class CommandWatch: Sendable {
    /// What is told at the end.
    package struct Findings: Sendable {
        package var usage: CommandUsage
        /// What somebody else started for the command; nil for one that asks nobody.
        package var client: ClientFinding?
        /// Milliseconds since 1970.
        package var began: Int64
        /// The driver's last answer was not waited for any longer.
        package var isCutShort = false
        /// The command ran in a container.
        package var isContainer: Bool { usage.scope.isContainer }
    }

    private struct Shared {
        var state = CommandWatchState.preparing
        var usage: RunUsage
    }

    private let shared: SharedValue<Shared>
    private let interval: Double
    private let engines: Engines?

    /// Which engines a client asks: nil if its words name one that cannot be asked from here. Called on the thread that
    /// samples.
    package typealias Engines = @Sendable (Sampler) -> EngineWatch?

    /// Begins with a reading, which is of the time before the command if it is done by then.
    ///
    /// - Parameters:
    ///   - interval: seconds from one reading to the next.
    ///   - client: what the command asks somebody else to start; nil if nothing.
    ///   - engines: asked for a client of theirs alone.
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

    /// What is held before the command is told by a reading that is done in this time; what takes longer is not waited
    /// for, and what was held before is unknown then.
    package func waitUntilReady(seconds: Double) {
        shared.wait(until: monotonicSeconds() + seconds) { $0.state != .preparing }
    }

    /// The command runs now.
    package func begin(_ command: Command) -> CommandStart {
        let start = CommandStart(
            pid: UInt32(command.pid), seconds: monotonicSeconds(), unixMilliseconds: wallClock())
        shared.withLock { $0.state.begin(start) }
        return start
    }

    /// There is no command after all.
    package func cancel() {
        shared.withLock { $0.state.cancel() }
        shared.wait(until: monotonicSeconds() + 0.2) { $0.state == .finished }
    }

    /// The command has ended.
    ///
    /// - Parameter seconds: how long the last reading may take.
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

    private func watch(_ plan: SamplingPlan) {
        // 0 is this thread, which Linux gives a priority of its own (setpriority(2)).
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, SamplingPlan.behind)
        var plan = plan
        plan.lowPriority = true
        // What would be told meanwhile would stand in the middle of the command's own output.
        let sampler = Sampler(plan, tell: { _ in })
        sampler.begin()
        var engines = askEngines(sampler)
        let scope = CommandScope(sampler.runtimeEnvironment(), ownPID: UInt32(getpid()))
        shared.withLock { $0.usage.scope = scope }
        noteEnginesBefore(&engines, sampler)
        let before = sampler.observe()
        shared.withLock { shared in
            if shared.state.isBeforeCommand { shared.usage.begin(before) }
            shared.state.becomeReady()
        }
        shared.wait { !$0.state.isBeforeCommand }
        if let start = shared.withLock({ $0.state.start }) {
            sample(sampler, &engines, since: start)
            finish(sampler, &engines, start)
        }
        sampler.finish()
        shared.withLock { $0.state.finish() }
    }

    /// One reading after the other, until the command has ended.
    private func sample(_ sampler: Sampler, _ engines: inout EngineWatch?, since start: CommandStart) {
        var next = start.seconds
        while true {
            var observation = sampler.observe()
            let now = monotonicSeconds()
            // Not under the lock: the end of the command must not wait for files.
            var usage = shared.withLock { $0.usage }
            var isFresh = false
            if engines != nil {
                isFresh = engines?.collect(sampler) == true && engines?.isWhole == true
                engines?.fill(&observation)
                engines?.ask(sampler, after: usage.wantsNames ? Self.hurry : Self.pause)
            }
            usage.add(
                observation, at: now - start.seconds, isFresh: isFresh, ancestors: sampler.ancestors(of:upTo:))
            let isOver = shared.withLock { shared in
                // What was read around its end may be from after it.
                guard shared.state.isRunning else { return true }
                shared.usage = usage
                return false
            }
            if isOver { return }
            next = max(next + interval, now)
            if shared.wait(until: next, for: { !$0.state.isRunning }) { return }
        }
    }

    private func finish(_ sampler: Sampler, _ engines: inout EngineWatch?, _ start: CommandStart) {
        guard case .ending(_, at: let ended) = shared.withLock({ $0.state }) else { return }
        engines?.collect(sampler, within: Self.lastWait)
        engines?.ask(sampler)
        var last = sampler.observe(withAccounts: true)
        engines?.collect(sampler, within: Self.lastWait)
        engines?.fill(&last)
        var listed: Set<String>?
        if let engines, engines.isWhole, let since = engines.toldSince, since >= ended { listed = engines.listed }
        var usage = shared.withLock { $0.usage }
        usage.end(
            last, listed: listed, at: ended - start.seconds, began: start.unixMilliseconds, pid: start.pid,
            ancestors: sampler.ancestors(of:upTo:))
        shared.withLock { [usage] shared in if shared.state != .reported { shared.usage = usage } }
    }

    // MARK: Engines

    /// Seconds from one question to the engines to the next, and the same where a container has no name yet.
    private static let pause = 0.5
    private static let hurry = 0.1
    /// Seconds that what they tell is waited for before the command begins, and after it has ended.
    private static let firstWait = 0.15
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

    private func noteEnginesBefore(_ engines: inout EngineWatch?, _ sampler: Sampler) {
        guard engines?.collect(sampler, within: Self.firstWait) == true, let engines else { return }
        shared.withLock { shared in
            if shared.state.isBeforeCommand { shared.usage.begin(engines: engines.engines, engines.sources) }
        }
    }
}
