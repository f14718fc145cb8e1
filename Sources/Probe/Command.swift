import CProcess
import Glibc
import HostFS
import Sampling

/// Why a command was not started. The exit codes are those of shells and of `docker run`.
package enum CommandError: Error, CustomStringConvertible {
    case notFound(String)
    /// The file exists, but the interpreter or loader that its first line or its header names does not.
    case noInterpreter(String)
    case notExecutable(String, code: Int32)
    case notStarted(String, code: Int32)
    /// GPU memory cannot be sampled.
    case notWatched(String)
    /// A signal came before the command started, so it could not be passed on.
    case interrupted(signal: Int32)

    package var description: String {
        switch self {
        case .notFound(let name): "cannot run '\(name)': command not found"
        case .noInterpreter(let name):
            "cannot run '\(name)': the interpreter or loader that the file names does not exist; "
                + "check its first line (#!)"
        case .notExecutable(let name, let code): "cannot run '\(name)': \(String(cString: strerror(code)))"
        case .notStarted(let name, let code): "cannot start '\(name)': \(String(cString: strerror(code)))"
        case .notWatched(let why): "cannot sample GPU memory: \(why)"
        case .interrupted(let signal):
            "stopped by a signal before the command started: \(String(cString: strsignal(signal)))"
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

/// A child process that runs as if it were this program: with our terminal, our open files, and every signal that is
/// sent to us.
///
/// The command stays in our process group, so that the terminal's keys reach it directly.
package struct Command {
    let pid: pid_t

    // MARK: Signals

    /// Blocks the signals that will be passed on to the command, and makes this process the parent of the command's
    /// orphans. Call this before any thread is started, because threads inherit the signal mask.
    ///
    /// - Returns: the signal mask before.
    package static func prepare() -> sigset_t {
        var held = awaited
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &held, &before)
        _ = cprocess_adopt_orphans()
        return before
    }

    /// Unblocks the signals, because the command has ended and signals are now for us. SIGHUP is ignored: the kernel
    /// can send it once more when the terminal ends, and the report is written in any case.
    package static func finish(_ before: sigset_t) {
        signal(SIGHUP, SIG_IGN)
        var mask = before
        pthread_sigmask(SIG_SETMASK, &mask, nil)
    }

    /// The signals that are passed on if a process sends them to us. Not passed on: signals that stop a process, which
    /// a terminal sends to the whole group, and signals that report our own faults. Ignored signals stay ignored, also
    /// for the command: nohup relies on that.
    private static var passedOn: sigset_t {
        let kept = [
            SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGCHLD, SIGPIPE, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
        ]
        var set = sigset_t()
        sigemptyset(&set)
        // 32 and 33 are glibc's own (signal(7)).
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

    /// A pending signal that ends a process, and came before the command started; nil if there is none.
    private static var early: Int32? {
        var pending = sigset_t()
        sigpending(&pending)
        var passed = passedOn
        // By default these do not end a process (signal(7)).
        let harmless = [SIGCONT, SIGURG, SIGWINCH]
        return (Int32(1)...64).first { number in
            sigismember(&pending, number) == 1 && sigismember(&passed, number) == 1 && !harmless.contains(number)
        }
    }

    // MARK: Start

    /// - Parameters:
    ///   - words: the program, looked up in PATH, and its arguments. They are not Strings, because they can be other
    ///     than UTF-8.
    ///   - mask: the command's signal mask.
    ///   - restored: signals that we ignore and the command does not.
    package init(
        _ words: [UnsafeMutablePointer<CChar>], mask: sigset_t, restored: [Int32]
    ) throws(CommandError) {
        if let number = Self.early { throw .interrupted(signal: number) }
        let name = String(cString: words[0])
        var (pid, code) = Self.spawn(words, mask: mask, restored: restored)
        if code == ENOEXEC, let script = CommandPath.file(of: words[0]) {
            // A script without a #! line runs in the shell, as with execvp(3), and so with env, nohup and timeout.
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
        // Signals that came since the look at `early`. The command may not have received them.
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
            } else if number > 0, info.si_code <= 0 || isForSessionLeader(number) {
                kill(pid, number)
            }
        }
    }

    /// Whether the kernel sends this signal to us but not to the command. A signal from the kernel has a code above 0
    /// (sigaction(2)). It goes to the terminal's whole group, so the command already has it. SIGHUP at the end of the
    /// terminal goes only to the session leader (tty_jobctrl.c, tty_signal_session_leader). As the first process of a
    /// container we are the session leader.
    private func isForSessionLeader(_ number: Int32) -> Bool { number == SIGHUP && getsid(0) == getpid() }

    /// Reaps every child that has ended, adopted orphans too.
    ///
    /// - Returns: how the command ended; nil if it still runs.
    private func reap() -> CommandEnd? {
        while let (ended, status) = HelperProcess.reapAny() {
            guard ended == pid else { continue }
            let signal = status & 0x7F
            return signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
        }
        return nil
    }
}
