import Glibc
import Ledger
import Sampling

/// Runs an installed program, such as nvidia-smi, for its output.
enum Tool {
    /// Limit of the output, in bytes.
    private static let limit = 4 << 20

    /// Runs a program to its end.
    ///
    /// - Parameters:
    ///   - words: the program, looked up in PATH, and its arguments.
    ///   - seconds: time limit.
    /// - Returns: what the program wrote to its standard output.
    /// - Throws: `noTool` if the program does not exist, `toolSilent` if it takes longer or writes more than the limit,
    ///   `toolFailed` if its exit code is not 0.
    static func output(_ words: [String], within seconds: Double) throws(NotTried) -> String {
        let child: HelperProcess
        do throws(ChildStartError) {
            child = try HelperProcess.start(words, program: words[0])
        } catch {
            throw error.code == ENOENT ? .noTool(words[0]) : .notStarted(errno: error.code)
        }
        defer {
            child.kill(waiting: 0.2)
            close(child.channel)
            child.forget()
        }
        shutdown(child.channel, Int32(SHUT_WR))
        let deadline = monotonicSeconds() + seconds
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            var waiting = pollfd(fd: child.channel, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, Int32((max(0, deadline - monotonicSeconds()) * 1000).rounded(.up)))
            if ready < 0 && errno == EINTR { continue }
            guard ready > 0, output.count <= limit else { throw .toolSilent(words[0], seconds: seconds) }
            let count = read(child.channel, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            output += buffer[..<count]
        }
        guard let end = child.end(within: max(0.1, deadline - monotonicSeconds())) else {
            throw .toolSilent(words[0], seconds: seconds)
        }
        if let signal = end.signal { throw .toolFailed(words[0], code: 128 + signal) }
        let code = end.status.map { $0 >> 8 & 0xFF } ?? 0
        guard code == 0 else { throw .toolFailed(words[0], code: code) }
        return String(decoding: output, as: UTF8.self)
    }
}

/// An installed program that writes lines, and runs until its standard input ends.
final class LineProgram {
    private let name: String
    private let child: HelperProcess
    private var lines: ChildLines

    /// - Parameters:
    ///   - name: of the program, for messages. `words` can begin with another program that starts it.
    ///   - words: the command, looked up in PATH.
    init(_ name: String, _ words: [String]) throws(NotTried) {
        do throws(ChildStartError) {
            // SIGTERM, because `run` passes SIGTERM on to its command. After SIGKILL the command would keep running.
            child = try HelperProcess.start(words, program: words[0], holds: true, ending: SIGTERM)
        } catch {
            throw error.code == ENOENT ? .noTool(words[0]) : .notStarted(errno: error.code)
        }
        lines = ChildLines(child)
        self.name = name
    }

    /// The next line of the output.
    ///
    /// - Parameter seconds: time limit.
    func line(within seconds: Double) throws(NotTried) -> String {
        do throws(ChildLines.Failure) {
            return try lines.next(within: seconds)
        } catch {
            guard error == .ended else { throw .toolSilent(name, seconds: seconds) }
            let code = child.end(within: 2)?.status.map { $0 >> 8 & 0xFF }
            throw .toolFailed(name, code: code ?? 0)
        }
    }

    /// Closes the standard input, and waits until the program ends.
    ///
    /// - Parameter seconds: time limit.
    func finish(within seconds: Double) {
        shutdown(child.channel, Int32(SHUT_WR))
        _ = child.end(within: seconds)
    }

    func end() { child.kill(waiting: 5) }

    deinit {
        close(child.channel)
        child.forget()
    }
}
