import Glibc

/// A program that was started, and what it writes to its standard output.
final class Child {
    let pid: pid_t
    private let output: Int32
    private var unread: [UInt8] = []
    private var code: Int32?

    /// - Parameters:
    ///   - program: a path, or a name to be looked up in PATH.
    ///   - joinsErrors: its standard error goes where its output goes, not to ours.
    init(_ program: String, _ arguments: [String], joinsErrors: Bool = false) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure("pipe: \(String(cString: strerror(errno)))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        if joinsErrors { posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO) }
        // A group of its own: Ctrl-C is for us, and we end it when its turn comes.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))

        var pointers = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, program, &actions, &attributes, &pointers, environ)
        guard code == 0 else {
            close(ends[0])
            throw Failure("\(program): \(String(cString: strerror(code)))")
        }
        self.pid = pid
        output = ends[0]
    }

    deinit { close(output) }

    /// The next line of its output; nil where it wrote no more.
    func line() -> String? {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: unread[..<end], as: UTF8.self)
                unread.removeFirst(end + 1)
                return line
            }
            guard readMore() else { return nil }
        }
    }

    /// Waits for its end; what it wrote that was not read yet, and its exit code.
    func finish() -> (output: String, code: Int32) {
        while readMore() {}
        return (String(decoding: unread, as: UTF8.self), wait())
    }

    /// Ends it, as a service is ended.
    func end() {
        guard code == nil else { return }
        kill(pid, SIGTERM)
        _ = wait()
    }

    private func readMore() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(output, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            unread.append(contentsOf: buffer[..<count])
            return true
        }
    }

    private func wait() -> Int32 {
        if let code { return code }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7f
        let code = signal == 0 ? status >> 8 & 0xff : 128 + signal
        self.code = code
        return code
    }
}

/// Runs a program to its end.
///
/// - Throws: where its exit code is not 0, with what it wrote.
@discardableResult
func run(_ program: String, _ arguments: [String], joinsErrors: Bool = false) throws -> String {
    try Interruption.check()
    let (output, code) = try Child(program, arguments, joinsErrors: joinsErrors).finish()
    guard code == 0 else { throw Failure("\(program) \(arguments.first ?? "") ended with \(code): \(output)") }
    return output
}
