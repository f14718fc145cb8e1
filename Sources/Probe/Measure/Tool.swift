import Glibc
import Ledger
import Sampling

/// A program of the machine's, such as nvidia-smi, that answers on its standard output.
enum Tool {
    /// Bytes of an answer at most.
    private static let limit = 4 << 20

    /// - Parameters:
    ///   - words: the program, looked for in PATH, and its arguments.
    ///   - seconds: how long it may take.
    /// - Throws: `noTool` if there is none, `toolFailed` if its exit code is not 0.
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

/// A program of the machine's that writes a line and goes on until its standard input ends.
final class LineProgram {
    private let name: String
    private let child: HelperProcess
    private var lines: ChildLines

    /// - Parameter name: of the program that answers, for messages.
    init(_ name: String, _ words: [String]) throws(NotTried) {
        do throws(ChildStartError) {
            // `run` passes this on; a program that is killed passes nothing on.
            child = try HelperProcess.start(words, program: words[0], holds: true, ending: SIGTERM)
        } catch {
            throw error.code == ENOENT ? .noTool(words[0]) : .notStarted(errno: error.code)
        }
        lines = ChildLines(child)
        self.name = name
    }

    func line(within seconds: Double) throws(NotTried) -> String {
        do throws(ChildLines.Failure) {
            return try lines.next(within: seconds)
        } catch {
            guard error == .ended else { throw .toolSilent(name, seconds: seconds) }
            let code = child.end(within: 2)?.status.map { $0 >> 8 & 0xFF }
            throw .toolFailed(name, code: code ?? 0)
        }
    }

    /// Ends its standard input, upon which it ends itself.
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
