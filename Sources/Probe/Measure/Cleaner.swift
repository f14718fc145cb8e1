import Glibc
import HostFS
import Ledger
import Sampling

/// Shell commands of which the last ones are run when this program lets go of it or ends, also if it is killed.
final class Cleaner {
    private let child: HelperProcess

    /// - Parameters:
    ///   - work: run at once; nothing by default.
    ///   - end: run at the end, after the work is done.
    ///   - seconds: how long the work may take.
    /// - Returns: after the work is done.
    /// - Throws: `toolFailed` with the exit code of the work.
    init(_ work: [[String]] = [], atEnd end: [String], within seconds: Double = 0) throws(NotTried) {
        // It waits for the end of its standard input, which is ours. What it starts does not answer on the channel.
        let pipeline = work.map { Self.quoted($0) + " 2>\(SystemPath.nothing)" }.joined(separator: " | ")
        let first = work.isEmpty ? "" : "\(pipeline) >\(SystemPath.nothing); echo $?; "
        let script = "trap '' INT TERM HUP; \(first)read line; exec \(Self.quoted(end)) >\(SystemPath.nothing)"
        do throws(ChildStartError) {
            child = try HelperProcess.start(["sh", "-c", script], program: "sh", ending: SIGTERM)
        } catch {
            throw .notStarted(errno: error.code)
        }
        if work.isEmpty { return }
        var lines = ChildLines(child)
        do throws(ChildLines.Failure) {
            let code = Int32(try lines.next(within: seconds)) ?? -1
            if code != 0 { throw ChildLines.Failure.ended }
        } catch {
            throw error == .silent ? .toolSilent("docker", seconds: seconds) : .toolFailed("docker", code: 1)
        }
    }

    private static func quoted(_ words: [String]) -> String {
        words.map { "'" + $0.replacing("'", with: "'\\''") + "'" }.joined(separator: " ")
    }

    deinit {
        shutdown(child.channel, Int32(SHUT_RDWR))
        _ = child.end(within: 10)
        close(child.channel)
        child.forget()
    }
}
