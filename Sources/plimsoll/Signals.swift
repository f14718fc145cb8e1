import CProcess
import Glibc
import Probe

/// Ctrl-C ends the program at once and with the exit code of the contract, wherever it is, even if a driver hangs. Nothing of
/// the terminal is ever changed but the colour of a line, so that is all there is to put back.
enum Signals {
    /// Signals that were not ignored when this program was started and are now: a command is started with them as they were.
    nonisolated(unsafe) private(set) static var replaced: [Int32] = []

    /// Ignores SIGPIPE: write(2) reports a closed pipe, and the program exits without a message.
    static func ignoreClosedPipes() {
        if !Command.isIgnored(SIGPIPE) { replaced.append(SIGPIPE) }
        signal(SIGPIPE, SIG_IGN)
    }

    /// To be called before anything else takes time: a signal that comes earlier ends the program without an exit code.
    static func prepare() {
        cprocess_set_terminal(isatty(STDOUT_FILENO) == 1)
        for number in [SIGINT, SIGTERM] where !Command.isIgnored(number) {
            // Who started us with the signal ignored, as a shell does for `&`, wants it ignored.
            cprocess_end_on(number)
        }
    }

    /// Who started us may hold these signals back. A command that we run inherits that, and nothing else of ours does.
    static func release() {
        var ending = sigset_t()
        sigemptyset(&ending)
        for number in [SIGINT, SIGTERM] { sigaddset(&ending, number) }
        pthread_sigmask(SIG_UNBLOCK, &ending, nil)
    }

    /// If a signal ends the program, and what it let go is missed elsewhere, the signal has the last word.
    static func waitForEnd() {
        while cprocess_is_ending() { pause() }
    }
}
