import Glibc
import Ledger

/// Why a container engine did not list its containers.
package enum EngineError: Error, Sendable, Equatable, CustomStringConvertible {
    case noSocket(path: String)
    /// No process listens at the socket any more.
    case notRunning(path: String)
    /// `group` is the group with access, if there is one.
    case forbidden(path: String, group: String?)
    case timedOut(path: String, seconds: Double)
    case broken(path: String, code: Int32)
    case refused(path: String, status: Int, message: String)
    case notUnderstood(path: String, why: String)
    /// An option names an engine that cannot be asked.
    case unusable(UnusableEngine)
    /// No engine was named, and none listens on the default sockets.
    case none(lookedFor: [String])

    /// On one line, whatever is in a path, in a name, or in what an engine answers.
    package var description: String { sentence.capped(at: TextLimit.message).cleaned }

    private var sentence: String {
        switch self {
        case .noSocket(let path): "no container engine at \(path) (no such socket): container names are unknown"
        case .notRunning(let path): "no container engine answers at \(path): is it running?"
        case .forbidden(let path, let group?):
            """
            no permission for \(path); members of group '\(group)' have it: `sudo usermod -aG \(group) "$USER"`, then log \
            in again (that is as good as root), or use sudo
            """
        case .forbidden(let path, nil): "no permission for \(path); only its owner has it: use sudo"
        case .timedOut(let path, let seconds): "\(path) gave no answer within \(seconds.plain) s"
        case .broken(let path, let code): "\(path): \(String(cString: strerror(code)))"
        case .refused(let path, let status, let message): "\(path) answered \(status): \(message)"
        case .notUnderstood(let path, let why): "\(path) answered what no container engine would: \(why)"
        case .unusable(let engine): engine.reason.words + engine.reason.advice
        case .none(let lookedFor):
            "no container engine answered: container names are unknown; looked for \(lookedFor.joined(separator: ", "))"
        }
    }

    package var isForbidden: Bool {
        if case .forbidden = self { true } else { false }
    }

    /// There is no engine here at all, as opposed to one that does not answer as it should.
    package var isAbsence: Bool {
        switch self {
        case .noSocket, .notRunning: true
        default: false
        }
    }
}

extension UnusableEngine: CustomStringConvertible {
    /// A warning on one line, whatever is in a URL, in a name or in a path.
    package var description: String {
        // A configuration that did not answer has named no engine.
        let what = reason == .silent ? reason.words : "\(origin.words) is ignored: \(reason.words)"
        return "\(what.capped(at: TextLimit.message)). The engines of this machine are asked instead.".cleaned
    }
}

extension EngineOrigin {
    fileprivate var words: String {
        switch self {
        case .hostOption: "--docker-host"
        case .contextOption: "--context"
        case .hostVariable: "DOCKER_HOST"
        case .contextVariable(let name): "DOCKER_CONTEXT '\(name)'"
        case .configuration("", let file): "Docker's configuration \(file)"
        case .configuration(let name, let file): "the current Docker context '\(name)' of \(file)"
        }
    }
}

extension UnusableEngine.Reason {
    /// What to do about an engine that was asked for.
    fileprivate var advice: String {
        if case .elsewhere = self { ": run it there" } else { "" }
    }

    fileprivate var words: String {
        let reads = "Plimsoll reads the GPUs of the machine it runs on"
        let asks = "Plimsoll asks engines only at unix sockets: use unix:///PATH"
        return switch self {
        case .elsewhere(let url): "\(url) is an engine on another machine, and \(reads)"
        case .desktop(let name):
            "\(name) is an engine on another machine (Docker Desktop's virtual machine), and \(reads)"
        case .noUnixSocket(let url):
            "\(url) is not a unix socket. \(asks)"
        case .noAddress(let text):
            "'\(text)' is not the address of an engine. \(asks)"
        case .noContext(let name, let folder): "there is no Docker context '\(name)' in \(folder)"
        case .noEndpoint(let context, let file): "the Docker context '\(context)' has no engine in \(file)"
        case .unreadable(let why): why
        case .silent: "reading Docker's configuration timed out"
        }
    }
}
