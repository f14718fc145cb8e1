import Glibc
import Ledger
import Sampling

/// The exit codes of the program.
struct Outcome: RawRepresentable, Equatable {
    var rawValue: Int32

    static let done = Outcome(rawValue: 0)
    /// Done, and the answer is no.
    static let no = Outcome(rawValue: 1)
    static let impossible = Outcome(rawValue: 2)
    /// `run` itself failed; its other exit codes are those of its command.
    static let ownFailure = Outcome(rawValue: 125)
    static let usage = Outcome(rawValue: 64)
    static let interrupted = Outcome(rawValue: 130)

    /// Exits at once. Waits up to 0.1 s for child processes to end: in a container whose first process reaps no children, they would
    /// stay as zombies. Does not wait for a child that hangs in a driver.
    func exit() -> Never {
        HelperProcess.endAll(within: 0.1)
        _exit(rawValue)
    }
}

/// An error that ends a command: the exit code and the message for the user.
struct Failure: Error {
    var outcome: Outcome
    private(set) var message: String

    /// - Parameter message: one line. It can contain names, paths and arguments from outside this program.
    init(outcome: Outcome, message: String) {
        self.outcome = outcome
        self.message = message.cleaned
    }

    /// The same error with another exit code.
    func ending(with outcome: Outcome) -> Failure {
        var failure = self
        failure.outcome = outcome
        return failure
    }

    static func impossible(_ message: some CustomStringConvertible) -> Failure {
        Failure(outcome: .impossible, message: message.description)
    }

    static func usage(_ message: some CustomStringConvertible) -> Failure {
        Failure(outcome: .usage, message: message.description)
    }
}

extension Snapshot {
    /// Whether any GPU answered. If a driver answers but reports no GPUs, the answer is no.
    var outcome: Outcome {
        guard devices.isEmpty else { return devices.contains(where: \.answers) ? .done : .impossible }
        return driverError != nil ? .impossible : .no
    }
}
