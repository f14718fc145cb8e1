import Glibc
import Sampling

/// Why a command was not started: its exit codes are those of shells and of `docker run`.
package enum CommandError: Error, CustomStringConvertible {
    case notFound(String)
    case notExecutable(String, code: Int32)
    case notStarted(String, code: Int32)

    package var description: String {
        switch self {
        case .notFound(let name): "there is no command '\(name)'"
        case .notExecutable(let name, let code): "'\(name)' cannot be executed: \(String(cString: strerror(code)))"
        case .notStarted(let name, let code): "'\(name)' could not be started: \(String(cString: strerror(code)))"
        }
    }

    package var exitCode: Int32 {
        switch self {
        case .notFound: 127
        case .notExecutable: 126
        case .notStarted: 125
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

    /// Passed on where a process sends them to us. The terminal sends its own to the whole group.
    private static let passedOn = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT]

    /// Holds back the signals that a command will be passed, and becomes the parent of what its processes leave behind. To be
    /// called before there is a thread, because threads inherit what is held back.
    ///
    /// - Returns: what was held back before.
    package static func prepare() -> sigset_t {
        var held = awaited
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &held, &before)
        adoptOrphans()
        return before
    }

    /// A signal that is ignored stays so, for the command too: that is how nohup works.
    private static var awaited: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in passedOn where !isIgnored(number) { sigaddset(&set, number) }
        sigaddset(&set, SIGCHLD)
        return set
    }

    package static func isIgnored(_ number: Int32) -> Bool {
        var current = sigaction()
        sigaction(number, nil, &current)
        return unsafeBitCast(current.__sigaction_handler.sa_handler, to: Int.self) == 1
    }

    /// Swift does not import prctl(2), which takes a variable number of arguments; five words are passed as its are.
    private static func adoptOrphans() {
        let setChildSubreaper: Int32 = 36  // linux/prctl.h
        guard let symbol = dlsym(nil, "prctl") else { return }
        let prctl = unsafeBitCast(symbol, to: (@convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32).self)
        _ = prctl(setChildSubreaper, 1, 0, 0, 0)
    }

    /// - Parameters:
    ///   - words: the program, looked for in PATH, and its arguments.
    ///   - mask: the signals that it shall find held back.
    ///   - restored: signals that we ignore and it shall not.
    package init(_ words: [String], mask: sigset_t, restored: [Int32]) throws(CommandError) {
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
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, words[0], nil, &attributes, &arguments, environ)
        switch code {
        case 0: self.pid = pid
        case ENOENT, ENOTDIR: throw .notFound(words[0])
        case EAGAIN, ENOMEM: throw .notStarted(words[0], code: code)
        default: throw .notExecutable(words[0], code: code)
        }
    }

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
        var status: Int32 = 0
        if waitpid(pid, &status, WNOHANG) == pid {
            let signal = status & 0x7F
            return signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
        }
        while true {
            var info = siginfo_t()
            // Looked at before it is taken: how our own children end is for others of us to know.
            guard waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 else { return nil }
            let ended = info._sifields._sigchld.si_pid
            guard ended > 0, !OwnChild.isOne(ended) else { return nil }
            waitpid(ended, nil, WNOHANG)
        }
    }
}
