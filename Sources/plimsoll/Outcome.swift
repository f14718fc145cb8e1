import Glibc
import Ledger
import Sampling

/// How the program ends: the exit codes, all of them here.
struct Outcome: RawRepresentable, Equatable {
    var rawValue: Int32

    static let done = Outcome(rawValue: 0)
    /// Done, and the answer is no.
    static let no = Outcome(rawValue: 1)
    static let impossible = Outcome(rawValue: 2)
    /// Of `run`, whose other exit codes are its command's.
    static let ownFailure = Outcome(rawValue: 125)
    static let usage = Outcome(rawValue: 64)
    static let interrupted = Outcome(rawValue: 130)

    /// At once: a child that hangs in a driver is not waited for. One that ends is: under a first process that reaps nobody it
    /// would stay as a zombie.
    func exit() -> Never {
        HelperProcess.endAll(within: 0.1)
        _exit(rawValue)
    }
}

/// What ends a command early, as a person is told it.
struct Failure: Error {
    var outcome: Outcome
    private(set) var message: String

    /// - Parameter message: one line; it may hold names, paths and arguments of others.
    init(outcome: Outcome, message: String) {
        self.outcome = outcome
        self.message = message.cleaned
    }

    /// The same, with another exit code.
    func ending(with outcome: Outcome) -> Failure {
        var failure = self
        failure.outcome = outcome
        return failure
    }

    static func impossible(_ message: some CustomStringConvertible) -> Failure {
        Failure(outcome: .impossible, message: message.description)
    }

    static func usage(_ message: some CustomStringConvertible) -> Failure {
        var failure = Failure(outcome: .usage, message: message.description)
        failure.message += "\nSee `--help`."
        return failure
    }
}

extension Snapshot {
    /// Whether there was anything to answer from: a driver that answers and has no device answers no.
    var outcome: Outcome {
        guard devices.isEmpty else { return devices.contains(where: \.answers) ? .done : .impossible }
        return driverError != nil ? .impossible : .no
    }
}
