import Glibc
import HostFS
import Ledger
import Sampling

/// A shell process that runs a cleanup command when this object is released, or when this program ends, even by
/// SIGKILL.
final class Cleaner {
    private let child: HelperProcess

    /// - Parameters:
    ///   - work: commands of a pipeline that is run first; empty for none. `init` returns when the pipeline is done.
    ///   - end: the cleanup command.
    ///   - seconds: time limit of the pipeline.
    /// - Throws: `toolSilent` if the pipeline takes longer, `toolFailed` if it fails.
    init(_ work: [[String]] = [], atEnd end: [String], within seconds: Double = 0) throws(NotTried) {
        // `read` waits until this program closes the channel, which is the shell's standard input. The commands' output
        // goes to /dev/null, because the channel is also the standard output.
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
