import Dispatch
import Glibc
import Probe
import Synchronization

/// Ctrl-C ends the program at once and with the exit code of the contract, wherever it is, even in a driver that hangs.
/// Nothing of the terminal is ever changed but the colour of a line, so that is all there is to put back.
enum Signals {
    nonisolated(unsafe) private static var sources: [any DispatchSourceSignal] = []

    /// Signals that were not ignored when this program was started and are now: a command is started with them as they were.
    nonisolated(unsafe) private(set) static var replaced: [Int32] = []

    /// A closed pipe is told by write(2), and ends the program in silence.
    static func ignoreClosedPipes() {
        if !Command.isIgnored(SIGPIPE) { replaced.append(SIGPIPE) }
        signal(SIGPIPE, SIG_IGN)
    }

    /// What is to be let go before the program ends by a signal.
    static let beforeEnd = Mutex<(@Sendable () -> Void)?>(nil)

    private static let isEnding = Atomic(false)

    /// Where a signal ends the program, and what it let go is missed elsewhere: the signal has the last word.
    static func waitForEnd() {
        while isEnding.load(ordering: .sequentiallyConsistent) { pause() }
    }

    static func prepare() {
        for (number, code) in [(SIGINT, Outcome.interrupted), (SIGTERM, Outcome(rawValue: 128 + SIGTERM))] {
            // Who started us with the signal ignored, as a shell does for `&`, wants it ignored.
            if Command.isIgnored(number) { continue }
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInitiated))
            source.setEventHandler {
                isEnding.store(true, ordering: .sequentiallyConsistent)
                beforeEnd.withLock { $0 }?()
                if Output.isMidLine { _ = Glibc.write(STDERR_FILENO, "\n", 1) }
                if Screen.isTerminal { _ = Glibc.write(STDOUT_FILENO, "\u{1B}[0m\n", 5) }
                code.exit()
            }
            source.resume()
            sources.append(source)
        }
    }
}
