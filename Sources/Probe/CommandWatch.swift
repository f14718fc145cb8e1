import Dispatch
import Glibc
import HostFS
import Ledger
import Sampling
import Synchronization

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

    private struct State {
        var usage: RunUsage
        var began: Beginning?
        /// Of the monotonic clock, in seconds.
        var ended: Double?
        /// The findings were told.
        var isTold = false
    }

    package struct Beginning: Sendable {
        fileprivate var pid: UInt32
        /// Of the monotonic clock, in seconds.
        fileprivate var clock = monotonicSeconds()
        /// Milliseconds since 1970.
        fileprivate var time = wallClock()
    }

    private let state: Mutex<State>
    private let interval: Double
    private let engines: Engines?
    private let isReady = DispatchSemaphore(value: 0)
    private let hasBegun = DispatchSemaphore(value: 0)
    private let hasEnded = DispatchSemaphore(value: 0)
    private let isFinished = DispatchSemaphore(value: 0)

    /// Which engines a client asks: nil if its words name one that cannot be asked from here. Called on the thread that samples.
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
        state = Mutex(State(usage: usage))
        let code = startThread { [self] in watch(plan) }
        if code != 0 { throw .notWatched(noThread(code)) }
    }

    /// What is held before the command is told by a reading that is done in this time; what takes longer is not waited for, and
    /// what was held before is unknown then.
    package func waitUntilReady(seconds: Double) {
        _ = isReady.wait(timeout: .now() + seconds)
    }

    /// The command runs now.
    package func begin(_ command: Command) -> Beginning {
        let beginning = Beginning(pid: UInt32(command.pid))
        state.withLock { $0.began = beginning }
        hasBegun.signal()
        return beginning
    }

    /// There is no command after all.
    package func cancel() {
        hasBegun.signal()
        _ = isFinished.wait(timeout: .now() + 0.2)
    }

    /// The command has ended.
    ///
    /// - Parameter seconds: how long the last reading may take.
    package func end(_ began: Beginning, within seconds: Double) -> Findings {
        let ended = monotonicSeconds()
        state.withLock { $0.ended = ended }
        hasEnded.signal()
        let isWhole = isFinished.wait(timeout: .now() + seconds) == .success
        return state.withLock { state in
            if !isWhole {
                state.usage.end(nil, listed: nil, at: ended - began.clock, began: began.time, pid: began.pid) { _, _ in
                    [:]
                }
            }
            state.isTold = true
            let result = state.usage.result
            return Findings(
                usage: result.usage, client: result.finding, began: began.time, isCutShort: !isWhole)
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
        state.withLock { $0.usage.scope = scope }
        noteEnginesBefore(&engines, sampler)
        let before = sampler.observe()
        state.withLock { if $0.began == nil { $0.usage.begin(before) } }
        isReady.signal()
        hasBegun.wait()
        guard let began = state.withLock({ $0.began }) else {
            sampler.finish()
            isFinished.signal()
            return
        }
        sample(sampler, &engines, since: began)
        finish(sampler, &engines, began)
        sampler.finish()
        isFinished.signal()
    }

    /// One reading after the other, until the command has ended.
    private func sample(_ sampler: Sampler, _ engines: inout EngineWatch?, since began: Beginning) {
        var next = began.clock
        while true {
            var observation = sampler.observe()
            let now = monotonicSeconds()
            // Not under the lock: the end of the command must not wait for files.
            var usage = state.withLock(\.usage)
            var isFresh = false
            if engines != nil {
                isFresh = engines?.collect(sampler) == true && engines?.isWhole == true
                engines?.fill(&observation)
                engines?.ask(sampler, after: usage.wantsNames ? Self.hurry : Self.pause)
            }
            usage.add(
                observation, at: now - began.clock, isFresh: isFresh, ancestors: sampler.ancestors(of:upTo:))
            let isOver = state.withLock { state in
                // What was read around its end may be from after it.
                guard state.ended == nil else { return true }
                state.usage = usage
                return false
            }
            if isOver { return }
            next = max(next + interval, now)
            if hasEnded.wait(timeout: .now() + max(0, next - now)) == .success { return }
        }
    }

    private func finish(_ sampler: Sampler, _ engines: inout EngineWatch?, _ began: Beginning) {
        let ended = state.withLock { $0.ended } ?? monotonicSeconds()
        engines?.collect(sampler, within: Self.lastWait)
        engines?.ask(sampler)
        var last = sampler.observe(withAccounts: true)
        engines?.collect(sampler, within: Self.lastWait)
        engines?.fill(&last)
        var listed: Set<String>?
        if let engines, engines.isWhole, let since = engines.toldSince, since >= ended { listed = engines.listed }
        var usage = state.withLock { $0.usage }
        usage.end(
            last, listed: listed, at: ended - began.clock, began: began.time, pid: began.pid,
            ancestors: sampler.ancestors(of:upTo:))
        state.withLock { [usage] state in if !state.isTold { state.usage = usage } }
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
            state.withLock { $0.usage.note(obstacle: .elsewhere) }
            return nil
        }
        watch.ask(sampler)
        return watch
    }

    private func noteEnginesBefore(_ engines: inout EngineWatch?, _ sampler: Sampler) {
        guard engines?.collect(sampler, within: Self.firstWait) == true, let engines else { return }
        state.withLock { if $0.began == nil { $0.usage.begin(engines: engines.engines, engines.sources) } }
    }
}
