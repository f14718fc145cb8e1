/// When a command started, on both clocks, and its PID.
package struct CommandStart: Sendable, Equatable {
    package var pid: UInt32
    /// Seconds of the monotonic clock.
    package var seconds: Double
    /// Milliseconds since 1970.
    package var unixMilliseconds: Int64

    package init(pid: UInt32, seconds: Double, unixMilliseconds: Int64) {
        self.pid = pid
        self.seconds = seconds
        self.unixMilliseconds = unixMilliseconds
    }
}

/// The state of a `CommandWatch`, which the main thread and the sampling thread share.
///
/// Usual order: `preparing`, `ready`, `running`, `ending`, `finished`, `reported`. Shortcuts: `preparing` to `running`
/// and `ending` to `reported`, if a reading takes too long. Without a command: `preparing` or `ready`, then
/// `cancelled`, then `finished`.
///
/// A transition that does not apply to the current state changes nothing.
package enum CommandWatchState: Sendable, Equatable {
    /// The first reading is under way. The command has not started.
    case preparing
    /// The first reading is done. The command has not started.
    case ready
    /// The command runs and is sampled.
    case running(CommandStart)
    /// The command has ended. The last reading is under way.
    ///
    /// - Parameter at: seconds of the monotonic clock.
    case ending(CommandStart, at: Double)
    /// The command will not start. The sampling thread has not noticed yet.
    case cancelled
    /// The sampling thread is done.
    case finished
    /// The findings were returned. Readings that come later do not count.
    case reported

    // MARK: Transitions of the sampling thread

    /// The first reading is done.
    package mutating func becomeReady() {
        if self == .preparing { self = .ready }
    }

    /// The sampling thread is done.
    package mutating func finish() {
        switch self {
        case .ending, .cancelled: self = .finished
        case .preparing, .ready, .running, .finished, .reported: break
        }
    }

    // MARK: Transitions of the main thread

    /// The command has started. The command does not wait for the first reading, so this may come before `becomeReady`.
    package mutating func begin(_ start: CommandStart) {
        if isBeforeCommand { self = .running(start) }
    }

    /// The command will not start.
    package mutating func cancel() {
        if isBeforeCommand { self = .cancelled }
    }

    /// The command has ended.
    ///
    /// - Parameter seconds: of the monotonic clock.
    package mutating func end(at seconds: Double) {
        if case .running(let start) = self { self = .ending(start, at: seconds) }
    }

    /// The findings are returned now.
    ///
    /// - Returns: whether the last reading is in them.
    package mutating func report() -> Bool {
        let isComplete = self == .finished
        switch self {
        case .ending, .finished: self = .reported
        case .preparing, .ready, .running, .cancelled, .reported: break
        }
        return isComplete
    }

    // MARK: Questions

    /// Whether a reading made now is of the time before the command.
    package var isBeforeCommand: Bool { self == .preparing || self == .ready }

    /// The command's start; nil before the start, and after the sampling thread is done.
    package var start: CommandStart? {
        switch self {
        case .running(let start), .ending(let start, at: _): start
        case .preparing, .ready, .cancelled, .finished, .reported: nil
        }
    }

    /// Whether the command runs, so that a reading made now counts.
    package var isRunning: Bool { if case .running = self { true } else { false } }
}
