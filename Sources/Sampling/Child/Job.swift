import Glibc
import Synchronization

/// Starts a thread for calls that may never return.
///
/// - Returns: 0, or the error number: EAGAIN if the user or the cgroup may have no more processes.
package func startThread(_ body: @escaping @Sendable () -> Void) -> Int32 {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let box = Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    let code = pthread_create(
        &thread, &attributes,
        { argument in
            Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, box.toOpaque())
    if code != 0 { box.release() }
    return code
}

private final class ThreadBody: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Why there is no thread, and what to do.
package func noThread(_ code: Int32) -> String {
    let hint = code == EAGAIN ? "; raise the limit of processes (ulimit -u, or pids.max of the cgroup)" : ""
    return "cannot start a thread: \(String(cString: strerror(code)))\(hint)"
}

/// Calls that may never return, made one after another. If a call takes long, another thread continues with the rest.
final class Job: Sendable {
    private struct State {
        var waiting: ArraySlice<Int>
        var running: Set<Int> = []
        /// When the last call began, in seconds of the monotonic clock.
        var lastBegun = monotonicSeconds()
        var isFinished = false
    }

    private let state: Mutex<State>
    /// In seconds of the monotonic clock; nil for none.
    private let deadline: Double?
    private let work: @Sendable (Int) -> Void
    fileprivate let finish: @Sendable (Set<Int>) -> Void

    /// Seconds after which another thread continues.
    private static let patience = 0.05

    /// - Parameters:
    ///   - work: a call, by its number.
    ///   - finish: called once, with the calls that hang: when all are done, on the thread that did the last one, or at the
    ///     deadline.
    init(
        _ count: Int, until deadline: Double?, work: @escaping @Sendable (Int) -> Void,
        finish: @escaping @Sendable (Set<Int>) -> Void = { _ in }
    ) {
        precondition(count > 0)
        state = Mutex(State(waiting: (0..<count).map(\.self)[...]))
        self.deadline = deadline
        self.work = work
        self.finish = finish
    }

    func run() {
        while let number = begin() {
            work(number)
            if end(number) { finish([]) }
        }
    }

    private func begin() -> Int? {
        state.withLock { state in
            guard !state.isFinished, let number = state.waiting.popFirst() else { return nil }
            state.running.insert(number)
            state.lastBegun = monotonicSeconds()
            return number
        }
    }

    /// - Returns: whether it was the last one.
    private func end(_ number: Int) -> Bool {
        state.withLock { state in
            state.running.remove(number)
            guard !state.isFinished, state.waiting.isEmpty, state.running.isEmpty else { return false }
            state.isFinished = true
            return true
        }
    }

    enum Look { case done, goesOn, needsThread, isLate(running: Set<Int>) }

    func look(at now: Double) -> Look {
        state.withLock { state in
            if state.isFinished { return .done }
            if let deadline, now >= deadline {
                state.isFinished = true
                return .isLate(running: state.running)
            }
            let isStuck = !state.waiting.isEmpty && now - state.lastBegun >= Self.patience
            if isStuck { state.lastBegun = now }
            return isStuck ? .needsThread : .goesOn
        }
    }
}

/// Looks after jobs. The main thread of a child asks it to look while there are any, and while a question is in hand, whose
/// threads add jobs.
final class Watchdog: Sendable {
    private let jobs = Mutex<[Job]>([])
    private let late = Mutex<[(Job, Set<Int>)]>([])
    private let inHand = Atomic(0)

    /// Milliseconds from look to look; -1 while there is nothing to look after.
    var pause: Int32 {
        inHand.load(ordering: .sequentiallyConsistent) == 0 && jobs.withLock(\.isEmpty) && late.withLock(\.isEmpty)
            ? -1 : 20
    }

    /// To be called on the main thread, before the question's thread is started.
    func beginsQuestion() { inHand.add(1, ordering: .sequentiallyConsistent) }
    func endsQuestion() { inHand.subtract(1, ordering: .sequentiallyConsistent) }

    /// - Returns: 0, or the error number if no thread could be started.
    func start(_ job: Job) -> Int32 {
        jobs.withLock { $0.append(job) }
        let code = startThread { job.run() }
        if code != 0 { jobs.withLock { jobs in jobs.removeAll { $0 === job } } }
        return code
    }

    /// Runs the job on the calling thread, and returns when the job is done.
    func run(_ job: Job) {
        jobs.withLock { $0.append(job) }
        job.run()
    }

    func look() {
        let now = monotonicSeconds()
        for job in jobs.withLock({ $0 }) {
            switch job.look(at: now) {
            case .goesOn: break
            case .done: jobs.withLock { jobs in jobs.removeAll { $0 === job } }
            case .needsThread: _ = startThread { job.run() }
            case .isLate(let running):
                jobs.withLock { jobs in jobs.removeAll { $0 === job } }
                late.withLock { $0.append((job, running)) }
            }
        }
        // Sending an answer can block, so it gets a thread of its own. If no thread can be created now, try again at the
        // next check.
        for (job, running) in late.withLock({ late in
            defer { late = [] }; return late
        }) where startThread({ job.finish(running) }) != 0 {
            late.withLock { $0.append((job, running)) }
        }
    }
}
