import Ledger

/// What a `DriverSession` knows of its child process, and when it replaces the child. Times are seconds of the monotonic clock.
package enum ChildState: Equatable, Sendable {
    /// No child was started, or the last one ended its session: the next one starts at once.
    case none
    /// The last child crashed or could not be started: the next one starts after a delay.
    case failed(Reason, startedAt: Double)
    case running(Running)

    package struct Running: Equatable, Sendable {
        package let startedAt: Double
        /// A sample was asked for, and the child has not said yet whether it has a session with the driver.
        package var owesOpening = false
        /// Since when a sample is incomplete.
        package var sampleLateSince: Double?
        /// Since when a question has no answer.
        package var answerLateSince: Double?

        package init(startedAt: Double) { self.startedAt = startedAt }

        /// Since when the child hangs; nil if it does not.
        package var hangsSince: Double? { sampleLateSince ?? answerLateSince }
    }

    package var running: Running? {
        if case .running(let running) = self { running } else { nil }
    }

    /// Why there is no child; nil if there is one, or none was needed yet.
    package var failure: Reason? {
        if case .failed(let reason, _) = self { reason } else { nil }
    }

    // MARK: Transitions

    package mutating func start(at now: Double) { self = .running(Running(startedAt: now)) }

    /// The child crashed, could not be started, or broke the protocol.
    package mutating func fail(_ reason: Reason) {
        switch self {
        case .running(let running): self = .failed(reason, startedAt: running.startedAt)
        case .failed(_, let startedAt): self = .failed(reason, startedAt: startedAt)
        case .none: self = .failed(reason, startedAt: -.infinity)
        }
    }

    /// The child ended its session, or was given up because it hangs.
    package mutating func leave() { self = .none }

    package mutating func askForSample() { change { $0.owesOpening = true } }

    package mutating func open() { change { $0.owesOpening = false } }

    /// A late message: the child no longer hangs.
    package mutating func recover() {
        change { ($0.sampleLateSince, $0.answerLateSince) = (nil, nil) }
    }

    package mutating func finishSample(isComplete: Bool, at now: Double) {
        change { $0.sampleLateSince = isComplete ? nil : $0.sampleLateSince ?? now }
    }

    package mutating func finishQuestion(isAnswered: Bool, at now: Double) {
        change { $0.answerLateSince = isAnswered ? nil : $0.answerLateSince ?? now }
    }

    private mutating func change(_ body: (inout Running) -> Void) {
        guard case .running(var running) = self else { return }
        body(&running)
        self = .running(running)
    }

    // MARK: Decision

    /// What to do before the next request.
    package enum Step: Equatable, Sendable {
        /// Ask the child that runs.
        case keep
        /// Give up the child, which has hung for this time, and start a new one.
        case replace(hungFor: Double)
        /// The child hangs, but too many others hang already: ask this one for what still answers.
        case keepHanging
        case start
        /// Start a new child only after this time.
        case wait(Reason, seconds: Double)
        /// Too many children hang to start another one.
        case tooMany
    }

    /// - Parameters:
    ///   - delay: seconds after which a child that hangs or has crashed is replaced.
    ///   - abandoned: children that were given up and have not ended.
    ///   - most: children at most that may hang.
    package func next(at now: Double, delay: Double, abandoned: Int, most: Int) -> Step {
        switch self {
        case .running(let running):
            guard let since = running.hangsSince, now - since > delay else { return .keep }
            return abandoned + 1 < most ? .replace(hungFor: now - since) : .keepHanging
        case .failed(let reason, let startedAt) where startedAt + delay - now > 0:
            return .wait(reason, seconds: startedAt + delay - now)
        case .failed, .none:
            return abandoned < most ? .start : .tooMany
        }
    }
}
