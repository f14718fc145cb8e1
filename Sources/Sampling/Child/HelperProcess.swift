import CProcess
import Glibc
import HostFS
import Synchronization

/// A child process: this program started again, which calls a vendor's library or reads files, and may be left behind if
/// it hangs.
package struct HelperProcess: Sendable {
    package let pid: pid_t
    /// The parent's end of a socket pair, in both directions.
    package let channel: Int32

    /// The descriptor of the child's end of the channel.
    package static let channel: Int32 = 3

    /// Whether a child runs, and how it ended: the wait status, if known.
    private enum State {
        /// - Parameter ending: the signal that ends it.
        case runs(ending: Int32)
        case ended(Int32?)
    }

    /// The states of all children. A child that is reaped is noted here under the lock, so that its PID, which another
    /// process may get, is sent no signal.
    private static let states = Mutex<[pid_t: State]>([:])

    /// - Parameters:
    ///   - holds: whether what the child holds must be free when this program has ended.
    ///   - ending: the signal that ends the child.
    private init(pid: pid_t, channel: Int32, holds: Bool = false, ending: Int32 = SIGKILL) {
        (self.pid, self.channel) = (pid, channel)
        Self.states.withLock { $0[pid] = .runs(ending: ending) }
        cprocess_add_child(pid, holds)
        cprocess_set_ending(pid, ending)
    }

    package struct TerminationStatus {
        /// The status of wait(2); nil if unknown.
        package var status: Int32?

        /// The signal that ended the child; nil if it exited.
        package var signal: Int32? { status.flatMap { $0 & 0x7F == 0 ? nil : $0 & 0x7F } }
    }

    /// nil while the child runs. A child that has ended stays a zombie until this is read.
    package var end: TerminationStatus? {
        Self.states.withLock { states in
            if case .ended(let status) = states[pid] { return TerminationStatus(status: status) }
            guard Self.hasEnded(P_PID, id_t(pid)) != 0 else { return nil }
            cprocess_remove_child(pid)
            var status: Int32 = 0
            let reaped = waitpid(pid, &status, WNOHANG)
            // -1: the parent of this program made the kernel reap children.
            let known = reaped == pid ? status : nil
            states[pid] = .ended(known)
            return TerminationStatus(status: known)
        }
    }

    /// Looks for an ended child without reaping it, so that its PID stays reserved.
    ///
    /// - Returns: the PID of an ended child; 0 if there is none, -1 if there are no such children.
    private static func hasEnded(_ kind: idtype_t, _ id: id_t) -> pid_t {
        var info = siginfo_t()
        guard waitid(kind, id, &info, WEXITED | WNOHANG | WNOWAIT) == 0 else { return -1 }
        return info._sifields._sigchld.si_pid
    }

    package func kill() {
        Self.states.withLock { states in
            if case .runs(let ending) = states[pid] { Glibc.kill(pid, ending) }
        }
    }

    /// Kills the child and waits for its end, so that what it holds is free. A child that sleeps in the kernel stays
    /// until the kernel returns.
    package func kill(waiting seconds: Double) {
        kill()
        _ = end(within: seconds)
    }

    /// nil if the child still runs after that time.
    package func end(within seconds: Double) -> TerminationStatus? {
        let deadline = monotonicSeconds() + seconds
        while true {
            if let end { return end }
            guard monotonicSeconds() < deadline else { return nil }
            usleep(50)
        }
    }

    /// Removes the state of an ended child.
    package func forget() {
        Self.states.withLock { states in if case .ended = states[pid] { states[pid] = nil } }
    }

    /// Kills every running child and waits for the ends: in a container whose first process reaps no children, they would
    /// stay as zombies. A child that sleeps in the kernel stays until the kernel returns.
    package static func endAll(within seconds: Double) {
        let children = runningPIDs.map { HelperProcess(ended: $0) }
        for child in children { child.kill() }
        let deadline = monotonicSeconds() + seconds
        for child in children { _ = child.end(within: max(0, deadline - monotonicSeconds())) }
    }

    /// PIDs of the child processes that have not been seen to end, in ascending order.
    package static var runningPIDs: [pid_t] {
        states.withLock { states in
            states.compactMap { pid, state in if case .runs = state { pid } else { nil } }.sorted()
        }
    }

    private init(ended pid: pid_t) { (self.pid, channel) = (pid, -1) }

    /// Reaps any child of this process that has ended, also one that is not a `HelperProcess`; nil if there is none.
    package static func reapAny() -> (pid: pid_t, status: Int32)? {
        states.withLock { states in
            let ended = hasEnded(P_ALL, 0)
            guard ended > 0 else { return nil }
            cprocess_remove_child(ended)
            var status: Int32 = 0
            let pid = waitpid(ended, &status, WNOHANG)
            guard pid > 0 else { return nil }
            if case .runs = states[pid] { states[pid] = .ended(status) }
            return (pid, status)
        }
    }

    /// - Parameters:
    ///   - words: the name that identifies the child, and its arguments.
    ///   - program: another program, looked up in PATH, whose standard input and output are the channel; nil for this
    ///     program.
    ///   - holds: whether what the child holds must be free when this program has ended.
    ///   - ending: the signal that ends the child. SIGTERM if it has to clean up.
    package static func start(
        _ words: [String], program: String? = nil, holds: Bool = false, ending: Int32 = SIGKILL
    ) throws(ChildStartError) -> HelperProcess {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw ChildStartError(code: errno)
        }
        defer { close(ends[1]) }
        var pid: pid_t = 0
        let code = spawn(words, program, channel: ends[1], &pid)
        guard code == 0 else {
            close(ends[0])
            throw ChildStartError(code: code)
        }
        return HelperProcess(pid: pid, channel: ends[0], holds: holds, ending: ending)
    }

    /// A copy of this process, which must have only one thread; nil if fork fails.
    static func fork(_ serve: () -> Never) -> HelperProcess? {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            return nil
        }
        let pid = cprocess_fork()
        if pid == 0 {
            let nothing = open(SystemPath.nothing, O_RDWR)
            // A reader that waits for the end of our output must not wait for a hanging child.
            for fd in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where dup2(nothing, fd) < 0 { close(fd) }
            dup2(ends[1], channel)
            serve()
        }
        close(ends[1])
        guard pid > 0 else {
            close(ends[0])
            return nil
        }
        return HelperProcess(pid: pid, channel: ends[0])
    }

    private static func spawn(_ words: [String], _ program: String?, channel: Int32, _ pid: inout pid_t) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Who waits for the end of our output must not wait for a child that hangs, and what a library prints is no answer.
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, SystemPath.nothing, O_RDWR, 0)
        let standard = program == nil ? STDERR_FILENO : channel
        if program == nil { posix_spawn_file_actions_adddup2(&actions, channel, Self.channel) }
        posix_spawn_file_actions_adddup2(&actions, standard, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, standard, STDOUT_FILENO)
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        if let program { return posix_spawnp(&pid, program, &actions, nil, &arguments, environ) }
        return posix_spawn(&pid, SystemPath.ownProgram, &actions, nil, &arguments, environ)
    }

    /// Prepares a child before anything else.
    ///
    /// - Parameter last: the highest descriptor that it keeps.
    package static func settle(as name: String, keepingUpTo last: Int32 = channel) {
        SystemPath.nameOwnProcess(name)
        // What we were started with and know nothing of, such as a pipe of a shell's, must not stay open in a child that hangs.
        SystemPath.closeFiles(above: last)
        // The parent handles these, and its end ends the channel.
        for number in [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM] {
            signal(number, SIG_IGN)
        }
        // A child that was forked begins with every signal held back.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        // A library that crashes in each of a stream's children must not fill the disk with core files.
        var noCore = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &noCore)
    }

    /// In a child: this many bytes from the parent; nil if the parent has ended or the channel fails.
    package static func received(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var have = 0
        while have < count {
            let more = bytes.withUnsafeMutableBytes { read(channel, $0.baseAddress! + have, count - have) }
            if more < 0 && errno == EINTR { continue }
            guard more > 0 else { return nil }
            have += more
        }
        return bytes
    }
}

/// Why a child could not be started.
package struct ChildStartError: Error, CustomStringConvertible {
    package var code: Int32

    package var description: String {
        let hint =
            switch code {
            case EAGAIN: "; raise the limit of processes (ulimit -u, or pids.max of the cgroup)"
            case EMFILE: "; raise the limit of open files (ulimit -n)"
            default: ""
            }
        return String(cString: strerror(code)) + hint
    }
}

/// Lines that a child writes to its channel.
package struct ChildLines {
    /// The longest line in bytes. A library that has taken over the child may write without end.
    private let limit: Int

    private let child: HelperProcess
    private var received: [UInt8] = []

    package init(_ child: HelperProcess, limit: Int = 1 << 16) {
        self.child = child
        self.limit = limit
    }

    package enum Failure: Error { case ended, silent }

    /// - Parameter seconds: the most seconds to wait for the line.
    package mutating func next(within seconds: Double) throws(Failure) -> String {
        let deadline = monotonicSeconds() + seconds
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
                defer { received.removeFirst(end + 1) }
                return String(decoding: received[..<end], as: UTF8.self)
            }
            guard received.count <= limit else { throw .ended }
            var waiting = pollfd(fd: child.channel, events: Int16(POLLIN), revents: 0)
            let left = max(0, deadline - monotonicSeconds())
            let ready = poll(&waiting, 1, Int32((min(left, 3600) * 1000).rounded(.up)))
            if ready < 0 && errno == EINTR { continue }
            guard ready > 0 else { throw .silent }
            let count = read(child.channel, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .ended }
            received += buffer[..<count]
        }
    }
}
