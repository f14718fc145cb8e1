import Dispatch
import Glibc
import HostFS
import Ledger
import Sampling
import Synchronization

/// Samples what a container holds of the GPUs until it ends, or until a signal comes.
package final class ContainerWatch: Sendable {
    /// Why there is nothing to watch.
    package enum Refusal: Error {
        case none
        case several([Container])
        /// Not every engine told its containers; what was read.
        case unknown(Snapshot)
        /// No driver, or no device.
        case noDevice(Snapshot)
        /// The engines that were named cannot be asked.
        case engines(Reason)
    }

    /// Which engines to ask. Called on the thread that samples.
    package typealias Engines = @Sendable (Sampler) -> Result<EngineWatch, Refusal>

    package enum Start: Sendable {
        case begun(Container)
        case refused(Refusal)
    }

    package struct Findings: Sendable {
        package var container: WatchedContainer
        /// Milliseconds since 1970.
        package var began: Int64
        /// The driver's last answer was not waited for any longer.
        package var isCutShort = false
    }

    private struct State {
        var start: Start?
        var container: WatchedContainer?
        /// Of the monotonic clock, in seconds.
        var began = 0.0
        /// Milliseconds since 1970.
        var time: Int64 = 0
        /// The container has ended.
        var isOver = false
        var ended: Double?
        var isTold = false
    }

    private let state = Mutex(State())
    private let name: String
    private let interval: Double
    private let stop = DispatchSemaphore(value: 0)
    private let isFinished = DispatchSemaphore(value: 0)

    /// Signals are to be held back before (`prepare`), because threads inherit that.
    ///
    /// - Parameter tell: is handed what a person should know while they wait.
    /// - Throws: if no thread can be started.
    package init(
        _ name: String, interval: Double, _ plan: SamplingPlan, engines: @escaping Engines,
        tell: @escaping @Sendable (String) -> Void
    ) throws(CommandError) {
        self.name = name
        self.interval = interval
        let code = startThread { [self] in
            let sampler = Sampler(plan, tell: tell)
            watch(sampler, plan, engines)
            sampler.finish()
            state.withLock { $0.isOver = true }
            isFinished.signal()
            Self.wake()
        }
        if code != 0 { throw .notWatched(noThread(code)) }
    }

    // MARK: Signals

    /// Those that end the watch; one that is ignored stays so.
    private static var awaited: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP] where !Command.isIgnored(number) { sigaddset(&set, number) }
        sigaddset(&set, SIGCHLD)
        return set
    }

    /// Holds back what ends the watch. To be called before there is a thread.
    ///
    /// - Returns: what was held back before.
    package static func prepare() -> sigset_t {
        var held = awaited
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &held, &before)
        return before
    }

    /// The main thread waits for signals alone, and this one means nothing else to it.
    private static func wake() { kill(getpid(), SIGCHLD) }

    package enum Event: Sendable {
        case start(Start)
        case ended
        case signal(Int32)
    }

    /// Waits until the container is found or not, until it has ended, or until a signal comes.
    ///
    /// - Parameter isBegun: the container was found.
    package func next(isBegun: Bool) -> Event {
        var awaited = Self.awaited
        while true {
            let (start, isOver) = state.withLock { ($0.start, $0.isOver) }
            if !isBegun, let start { return .start(start) }
            if isOver { return .ended }
            let number = sigwaitinfo(&awaited, nil)
            if number > 0, number != SIGCHLD { return .signal(number) }
        }
    }

    // MARK: The watch

    /// The watch has ended.
    ///
    /// - Parameter seconds: how long the last reading may take.
    package func end(within seconds: Double) -> Findings? {
        state.withLock { $0.ended = $0.ended ?? monotonicSeconds() }
        stop.signal()
        let isWhole = isFinished.wait(timeout: .now() + seconds) == .success
        return state.withLock { state in
            guard var container = state.container else { return nil }
            if !isWhole { container.end(nil, at: (state.ended ?? state.began) - state.began, began: state.time) }
            state.isTold = true
            return Findings(container: container, began: state.time, isCutShort: !isWhole)
        }
    }

    private func watch(_ sampler: Sampler, _ plan: SamplingPlan, _ makeEngines: Engines) {
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, SamplingPlan.behind)
        sampler.begin()
        var engines: EngineWatch
        switch makeEngines(sampler) {
        case .success(let made): engines = made
        case .failure(let why):
            state.withLock { $0.start = .refused(why) }
            return
        }
        engines.ask(sampler)
        engines.collect(sampler, within: plan.engineTimeout + 0.5)
        var first = sampler.observe()
        engines.fill(&first)
        guard let container = begin(first) else { return }
        sample(sampler, &engines, container)
        let last = sampler.observe(withAccounts: true)
        state.withLock { state in
            guard !state.isTold else { return }
            state.container?.end(last, at: (state.ended ?? state.began) - state.began, began: state.time)
        }
    }

    /// - Returns: the container; nil if there is none to watch.
    private func begin(_ first: Observation) -> WatchedContainer? {
        let snapshot = Snapshot(first)
        let start: Start =
            switch snapshot.container(named: name) {
            case _ where !snapshot.devices.contains(where: \.answers): .refused(.noDevice(snapshot))
            case .one(let container): .begun(container)
            case .several(let all): .refused(.several(all))
            case .none: .refused(.none)
            case .unknown: .refused(.unknown(snapshot))
            }
        var watched: WatchedContainer?
        if case .begun(let container) = start {
            watched = WatchedContainer(container)
            watched?.begin(first)
        }
        state.withLock { [watched] state in
            state.start = start
            state.container = watched
            state.began = monotonicSeconds()
            state.time = wallClock()
        }
        Self.wake()
        return watched
    }

    private func sample(_ sampler: Sampler, _ engines: inout EngineWatch, _ container: WatchedContainer) {
        var container = container
        let began = state.withLock(\.began)
        var next = began
        while true {
            var observation = sampler.observe()
            let now = monotonicSeconds()
            let isNew = engines.collect(sampler)
            engines.fill(&observation)
            engines.ask(sampler, after: 0.5)
            let isOver = container.add(observation, at: now - began, isFresh: isNew && engines.isWhole) { pids in
                ObservedProcess.starts(of: sampler.processes(pids))
            }
            let isStopped = state.withLock { [container] state in
                // What was read around the end may be from after it.
                if state.ended != nil { return true }
                if isOver { state.ended = now } else { state.container = container }
                return isOver
            }
            if isStopped { return }
            next = max(next + interval, now)
            if stop.wait(timeout: .now() + max(0, next - now)) == .success { return }
        }
    }
}
