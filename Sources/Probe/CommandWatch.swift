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
        /// Milliseconds since 1970.
        package var began: Int64
        /// The driver's last answer was not waited for any longer.
        package var isCutShort = false
        /// The command ran in a container.
        package var isContainer: Bool { usage.scope.isContainer }
    }

    private struct State {
        var usage: CommandUsage
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
    private let isReady = DispatchSemaphore(value: 0)
    private let hasBegun = DispatchSemaphore(value: 0)
    private let hasEnded = DispatchSemaphore(value: 0)
    private let isFinished = DispatchSemaphore(value: 0)

    /// Begins with a reading, which is of the time before the command if it is done by then.
    ///
    /// - Parameters:
    ///   - plan: engines are not needed.
    ///   - interval: seconds from one reading to the next.
    /// - Throws: if no thread can be started.
    package init(_ plan: SamplingPlan, interval: Double) throws(CommandError) {
        state = Mutex(State(usage: CommandUsage(CommandScope(ownPID: UInt32(getpid()), cgroup: nil))))
        self.interval = interval
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
                state.usage.end(nil, at: ended - began.clock, began: began.time, pid: began.pid) { _, _ in [:] }
            }
            state.isTold = true
            return Findings(usage: state.usage, began: began.time, isCutShort: !isWhole)
        }
    }

    private func watch(_ plan: SamplingPlan) {
        // 0 is this thread, which Linux gives a priority of its own (setpriority(2)).
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, SamplingPlan.behind)
        var plan = plan
        plan.standsBack = true
        // What would be told meanwhile would stand in the middle of the command's own output.
        let sampler = Sampler(plan, tell: { _ in })
        sampler.begin()
        let scope = CommandScope(sampler.whereabouts(), ownPID: UInt32(getpid()))
        let before = sampler.observe()
        state.withLock { state in
            state.usage.scope = scope
            if state.began == nil { state.usage.begin(before) }
        }
        isReady.signal()
        hasBegun.wait()
        guard let began = state.withLock({ $0.began }) else {
            sampler.finish()
            isFinished.signal()
            return
        }
        var next = began.clock
        while true {
            let observation = sampler.observe()
            let now = monotonicSeconds()
            // Not under the lock: the end of the command must not wait for files.
            var usage = state.withLock(\.usage)
            usage.add(observation, at: now - began.clock, ancestors: sampler.ancestors(of:upTo:))
            let isOver = state.withLock { state in
                // What was read around its end may be from after it.
                guard state.ended == nil else { return true }
                state.usage = usage
                return false
            }
            if isOver { break }
            next = max(next + interval, now)
            if hasEnded.wait(timeout: .now() + max(0, next - now)) == .success { break }
        }
        let last = sampler.observe(withAccounts: true)
        var (usage, ended) = state.withLock { ($0.usage, $0.ended ?? monotonicSeconds()) }
        usage.end(
            last, at: ended - began.clock, began: began.time, pid: began.pid, ancestors: sampler.ancestors(of:upTo:))
        state.withLock { [usage] state in if !state.isTold { state.usage = usage } }
        sampler.finish()
        isFinished.signal()
    }
}
