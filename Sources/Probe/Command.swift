import CProcess
import Glibc
import HostFS
import Sampling

/// Why a command was not started: its exit codes are those of shells and of `docker run`.
package enum CommandError: Error, CustomStringConvertible {
    case notFound(String)
    /// The file is there, and the program that its first line or its header names is not.
    case noInterpreter(String)
    case notExecutable(String, code: Int32)
    case notStarted(String, code: Int32)
    /// Its memory cannot be watched, and why.
    case notWatched(String)
    /// A signal came before there was a command that it could have been for.
    case interrupted(signal: Int32)

    package var description: String {
        switch self {
        case .notFound(let name): "there is no command '\(name)'"
        case .noInterpreter(let name):
            "'\(name)' cannot be executed: the interpreter or loader that it names is not there"
        case .notExecutable(let name, let code): "'\(name)' cannot be executed: \(String(cString: strerror(code)))"
        case .notStarted(let name, let code): "'\(name)' could not be started: \(String(cString: strerror(code)))"
        case .notWatched(let why): "the command's memory cannot be watched: \(why)"
        case .interrupted(let signal): "\(String(cString: strsignal(signal))) before the command began"
        }
    }

    package var exitCode: Int32 {
        switch self {
        case .notFound, .noInterpreter: 127
        case .notExecutable: 126
        case .notStarted, .notWatched: 125
        case .interrupted(let signal): 128 + signal
        }
    }
}

/// How a command ended.
package enum CommandEnd: Sendable, Equatable {
    case exited(Int32)
    case killed(signal: Int32)

    package var exitCode: Int32 {
        switch self {
        case .exited(let code): code
        case .killed(let signal): 128 + signal
        }
    }
}

/// A program that runs in our place: with our terminal, our open files, and every signal that we are sent.
///
/// It stays in our process group, so that the terminal's keys reach it as if we were not there.
package struct Command {
    let pid: pid_t

    // MARK: Signals

    /// Holds back the signals that a command will be passed, and becomes the parent of what its processes leave behind. To be
    /// called before there is a thread, because threads inherit what is held back.
    ///
    /// - Returns: what was held back before.
    package static func prepare() -> sigset_t {
        var held = awaited
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &held, &before)
        _ = cprocess_adopt_orphans()
        return before
    }

    /// There is no command any more: signals are for us. But not the end of the terminal, which may be told once more; what was
    /// measured is written all the same.
    package static func finish(_ before: sigset_t) {
        signal(SIGHUP, SIG_IGN)
        var mask = before
        pthread_sigmask(SIG_SETMASK, &mask, nil)
    }

    /// Passed on where a process sends them to us: all but those that stop a process, which the shell of a terminal sends to
    /// the whole group, and those that tell of our own faults. A signal that is ignored stays so, for the command too: that is
    /// how nohup works.
    private static var passedOn: sigset_t {
        let kept = [
            SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGCHLD, SIGPIPE, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
        ]
        var set = sigset_t()
        sigemptyset(&set)
        // Two above the named ones are glibc's own (signal(7)).
        for number in Array(Int32(1)...31) + Array(34...64) where !kept.contains(number) && !isIgnored(number) {
            sigaddset(&set, number)
        }
        return set
    }

    private static var awaited: sigset_t {
        var set = passedOn
        sigaddset(&set, SIGCHLD)
        return set
    }

    package static func isIgnored(_ number: Int32) -> Bool {
        var current = sigaction()
        sigaction(number, nil, &current)
        return unsafeBitCast(current.__sigaction_handler.sa_handler, to: Int.self) == 1
    }

    /// One that came while there was no command, and that ends a process.
    private static var early: Int32? {
        var pending = sigset_t()
        sigpending(&pending)
        var passed = passedOn
        // Those that do nothing to a process which does not ask for them (signal(7)).
        let harmless = [SIGCONT, SIGURG, SIGWINCH]
        return (Int32(1)...64).first { number in
            sigismember(&pending, number) == 1 && sigismember(&passed, number) == 1 && !harmless.contains(number)
        }
    }

    // MARK: Start

    /// - Parameters:
    ///   - words: the program, looked for in PATH, and its arguments: not Strings, because they need not be UTF-8.
    ///   - mask: the signals that it shall find held back.
    ///   - restored: signals that we ignore and it shall not.
    package init(
        _ words: [UnsafeMutablePointer<CChar>], mask: sigset_t, restored: [Int32]
    ) throws(CommandError) {
        if let number = Self.early { throw .interrupted(signal: number) }
        let name = String(cString: words[0])
        var (pid, code) = Self.spawn(words, mask: mask, restored: restored)
        if code == ENOEXEC, let script = CommandPath.file(of: words[0]) {
            // A script without a first line that names its shell: as execvp(3) does, and so env, nohup and timeout.
            let shell = [strdup(CommandPath.shell)!, strdup(script)!]
            defer { for word in shell { free(word) } }
            (pid, code) = Self.spawn(shell + words.dropFirst(), mask: mask, restored: restored)
        }
        switch code {
        case 0: self.pid = pid
        case ENOENT where CommandPath.file(of: words[0]) != nil: throw .noInterpreter(name)
        case ENOENT, ENOTDIR: throw .notFound(name)
        case EAGAIN, ENOMEM: throw .notStarted(name, code: code)
        default: throw .notExecutable(name, code: code)
        }
        // What came between the look above and now: it may be that the command has not got it.
        var passed = Self.passedOn
        var now = timespec()
        while case let number = sigtimedwait(&passed, nil, &now), number > 0 { kill(pid, number) }
    }

    private static func spawn(
        _ words: [UnsafeMutablePointer<CChar>], mask: sigset_t, restored: [Int32]
    ) -> (pid: pid_t, code: Int32) {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = mask
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for number in restored { sigaddset(&defaults, number) }
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let arguments = words + [nil]
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, words[0], nil, &attributes, arguments, environ)
        return (pid, code)
    }

    // MARK: End

    /// Passes signals on until the command has ended.
    package func wait() -> CommandEnd {
        var awaited = Self.awaited
        while true {
            var info = siginfo_t()
            let number = sigwaitinfo(&awaited, &info)
            if number == SIGCHLD {
                if let end = reap() { return end }
            } else if number > 0, info.si_code <= 0 || isForLeader(number) {
                kill(pid, number)
            }
        }
    }

    /// What the kernel sends, with a code above 0 (sigaction(2)), goes to the terminal's whole group, and the command has it
    /// already. But the end of the terminal is told to the leader of its session alone (tty_jobctrl.c,
    /// tty_signal_session_leader), which we are as the first process of a container.
    private func isForLeader(_ number: Int32) -> Bool { number == SIGHUP && getsid(0) == getpid() }

    /// Takes leave of every child that has ended, orphans that were handed to us too.
    private func reap() -> CommandEnd? {
        while let (ended, status) = HelperProcess.reapAny() {
            guard ended == pid else { continue }
            let signal = status & 0x7F
            return signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
        }
        return nil
    }
}
