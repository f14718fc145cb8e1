import Dispatch
import Glibc

/// Ctrl-C ends the program at once and with the exit code of the contract, wherever it is, even in a driver that hangs.
/// Nothing of the terminal is ever changed but the colour of a line, so that is all there is to put back.
enum Signals {
    nonisolated(unsafe) private static var sources: [any DispatchSourceSignal] = []

    static func prepare() {
        // A closed pipe is told by write(2), and ends the program in silence.
        signal(SIGPIPE, SIG_IGN)
        for (number, code) in [(SIGINT, Outcome.interrupted), (SIGTERM, Outcome(rawValue: 128 + SIGTERM))] {
            // Who started us with the signal ignored, as a shell does for `&`, wants it ignored.
            var current = sigaction()
            sigaction(number, nil, &current)
            if unsafeBitCast(current.__sigaction_handler.sa_handler, to: Int.self) == 1 { continue }
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInitiated))
            source.setEventHandler {
                if Output.isMidLine { _ = Glibc.write(STDERR_FILENO, "\n", 1) }
                if Screen.isTerminal { _ = Glibc.write(STDOUT_FILENO, "\u{1B}[0m\n", 5) }
                code.exit()
            }
            source.resume()
            sources.append(source)
        }
    }
}
