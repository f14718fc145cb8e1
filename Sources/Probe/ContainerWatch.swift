import Glibc
import HostFS
import Ledger
import Sampling

/// Samples the GPU memory of a container on its own thread, until the container ends or a signal comes.
package final class ContainerWatch: Sendable {
    /// Why there is nothing to watch.
    package enum Refusal: Error {
        /// No running container has the name or id.
        case none
        /// More than one container has the name, or an id that begins so.
        case several([Container])
        /// Whether the container exists is unknown, because not every engine listed its containers.
        ///
        /// - Parameter snapshot: what was read.
        case unknown(Snapshot)
        /// No device answers.
        ///
        /// - Parameter snapshot: what was read.
        case noDevice(Snapshot)
        /// The engines that the user named cannot be asked.
        case engines(Reason)
    }

    /// Chooses the engines to ask. Called on the sampling thread.
    package typealias Engines = @Sendable (Sampler) -> Result<EngineWatch, Refusal>

    /// Whether there is a container to watch.
    package enum Start: Sendable {
        case begun(Container)
        case refused(Refusal)
    }

    /// The result of the watch.
    package struct Findings: Sendable {
        package var container: WatchedContainer
        /// Milliseconds since 1970.
        package var began: Int64
        /// Whether the last reading is missing because it took too long.
        package var isCutShort = false
    }

    private struct State {
        /// nil until it is known whether there is a container to watch.
        var start: Start?
        var container: WatchedContainer?
        /// The start of the watch, in seconds of the monotonic clock.
        var began = 0.0
        /// The start of the watch, in milliseconds since 1970.
        var time: Int64 = 0
        /// The end of the watch, in seconds of the monotonic clock; nil while the container is sampled.
        var ended: Double?
        /// Whether the last reading is in `container`.
        var hasLast = false
        /// Whether the sampling thread is done.
        var isOver = false
        /// Whether the findings were returned. Readings that come later do not count.
        var isReported = false
    }

    private let state = SharedValue(State())
    private let name: String
    private let interval: Double

    /// Starts the sampling thread. Call `prepare` first: threads inherit the signal mask.
    ///
    /// - Parameters:
    ///   - name: the container's name, or the beginning of its id.
    ///   - interval: seconds from one reading to the next.
    ///   - notify: receives messages for a person who waits, such as that the driver is slow.
    /// - Throws: if no thread can be started.
    package init(
        _ name: String, interval: Double, _ plan: SamplingPlan, engines: @escaping Engines,
        notify: @escaping @Sendable (String) -> Void
    ) throws(CommandError) {
        self.name = name
        self.interval = interval
        let code = startThread { [self] in
            let sampler = Sampler(plan, notify: notify)
            watch(sampler, plan: plan, makeEngines: engines)
            sampler.finish()
            state.withLock { $0.isOver = true }
            Self.wake()
        }
        if code != 0 { throw .notWatched(noThread(code)) }
    }

    // MARK: Signals

    /// The signals that end the watch, and SIGCHLD (see `wake`). Ignored signals stay ignored.
    private static var awaited: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP] where !Command.isIgnored(number) { sigaddset(&set, number) }
        sigaddset(&set, SIGCHLD)
        return set
    }

    /// Blocks the signals that end the watch. Call this before any thread is started.
    ///
    /// - Returns: the signal mask before.
    package static func prepare() -> sigset_t {
        var held = awaited
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &held, &before)
        return before
    }

    /// Wakes the main thread, which waits only for signals. SIGCHLD has no other meaning to it.
    private static func wake() { kill(getpid(), SIGCHLD) }

    /// What the main thread waits for.
    package enum Event: Sendable {
        case start(Start)
        /// The sampling thread is done.
        case ended
        case signal(Int32)
    }

    /// Waits for the next event.
    ///
    /// - Parameter isBegun: whether `start` was returned before; then it is not returned again.
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

    /// Ends the watch.
    ///
    /// - Parameter seconds: time limit of the last reading.
    /// - Returns: nil if there was no container.
    package func end(within seconds: Double) -> Findings? {
        state.withLock { $0.ended = $0.ended ?? monotonicSeconds() }
        state.wait(until: monotonicSeconds() + seconds) { $0.isOver }
        return state.withLock { state in
            guard var container = state.container else { return nil }
            if !state.hasLast { container.end(nil, at: (state.ended ?? state.began) - state.began, began: state.time) }
            state.isReported = true
            return Findings(container: container, began: state.time, isCutShort: !state.hasLast)
        }
    }

    /// The sampling thread.
    private func watch(_ sampler: Sampler, plan: SamplingPlan, makeEngines: Engines) {
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
        guard let container = findContainer(in: first) else { return }
        sample(sampler, engines: &engines, container)
        let last = sampler.observe(withAccounts: true)
        state.withLock { state in
            guard !state.isReported else { return }
            state.container?.end(last, at: (state.ended ?? state.began) - state.began, began: state.time)
            state.hasLast = true
        }
    }

    /// Looks for the container in the first reading, and wakes the main thread with the result.
    ///
    /// - Returns: nil if there is none to watch.
    private func findContainer(in first: Observation) -> WatchedContainer? {
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
        state.withLock { state in
            state.start = start
            state.container = watched
            state.began = monotonicSeconds()
            state.time = wallClock()
        }
        Self.wake()
        return watched
    }

    /// Reads at the interval until the container has ended, or `end` is called.
    private func sample(_ sampler: Sampler, engines: inout EngineWatch, _ container: WatchedContainer) {
        var container = container
        let began = state.withLock { $0.began }
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
            let isStopped = state.withLock { state in
                // The reading can be from after the end of the watch.
                if state.ended != nil { return true }
                if isOver { state.ended = now } else { state.container = container }
                return isOver
            }
            if isStopped { return }
            next = max(next + interval, now)
            if state.wait(until: next, for: { $0.ended != nil }) { return }
        }
    }
}
