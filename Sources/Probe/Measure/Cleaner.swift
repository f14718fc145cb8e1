import Glibc
import Ledger
import Sampling

/// A command that is run when this program lets go of it or ends, also if it is killed.
final class Cleaner {
    private let child: OwnChild

    init(_ words: [String]) throws(NotTried) {
        // It waits for the end of its standard input, which is ours.
        let script = "trap '' INT TERM HUP; read line; exec \"$@\""
        do throws(ChildStartError) {
            child = try OwnChild.start(["sh", "-c", script, "sh"] + words, program: "sh", ending: SIGTERM)
        } catch {
            throw .notStarted(errno: error.code)
        }
    }

    deinit {
        shutdown(child.channel, Int32(SHUT_RDWR))
        _ = child.end(within: 10)
        close(child.channel)
        child.forget()
    }
}
