/// How the user named engines; nothing of it is judged yet.
package struct EngineNaming: Sendable {
    /// URLs of `--docker-host`, or of the docker client's `-H`.
    package var hosts: [String]
    /// Of the docker client's `--context`.
    package var context: String?
    /// DOCKER_HOST, DOCKER_CONTEXT and XDG_RUNTIME_DIR are looked at.
    package var environment: [String: String]

    package init(hosts: [String] = [], context: String? = nil, environment: [String: String] = [:]) {
        self.hosts = hosts
        self.context = context
        self.environment = environment
    }

    /// A variable that is empty counts as unset, as for the docker client.
    func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
}

/// What named an engine: an option, a variable or the configuration.
package enum EngineOrigin: Sendable, Equatable {
    /// `--docker-host`, or `-H` of the docker client.
    case hostOption
    /// `--context` of the docker client.
    case contextOption
    /// DOCKER_HOST.
    case hostVariable
    /// DOCKER_CONTEXT, with the name of the context.
    case contextVariable(String)
    /// The current context in the docker client's configuration, a file.
    case configuration(String, file: String)

    /// The user asked for it in this command.
    package var isOption: Bool { self == .hostOption || self == .contextOption }
}

/// An engine that was named and cannot be asked.
package struct UnusableEngine: Sendable, Equatable {
    package enum Reason: Sendable, Equatable {
        /// It is on another machine.
        case elsewhere(url: String)
        /// The engine runs in Docker Desktop's virtual machine. The URL, or the context if there is no URL.
        case desktop(String)
        /// It may be on this machine, but not at a unix socket.
        case noUnixSocket(url: String)
        /// No URL of an engine.
        case noAddress(String)
        case noContext(name: String, folder: String)
        /// The context is there, and names no engine.
        case noEndpoint(context: String, file: String)
        /// The docker client's configuration cannot be read or understood.
        case unreadable(why: String)
        /// The docker client's configuration did not answer in time.
        case silent
    }

    package var origin: EngineOrigin
    package var reason: Reason
}

/// The address of an engine, as DOCKER_HOST and `--docker-host` have it.
enum EngineAddress: Equatable {
    case socket(String)
    case unusable(UnusableEngine.Reason)

    init(_ url: String) {
        if let path = Self.path(in: url) {
            // Docker Desktop's engine runs in a virtual machine, which has no GPU of ours.
            self = path.contains("/.docker/desktop/") ? .unusable(.desktop(url)) : .socket(path)
        } else {
            self = .unusable(Self.reason(url))
        }
    }

    /// nil if the context does not name an address.
    init?(_ context: DockerContext) {
        let isDesktops = ["desktop-linux", "desktop-windows"].contains(context.name)
        switch context.endpoint {
        case .usual: return nil
        case .endpoint(let url): self = isDesktops ? .unusable(.desktop(url)) : EngineAddress(url)
        case _ where isDesktops: self = .unusable(.desktop(context.name))
        case .missing(let folder): self = .unusable(.noContext(name: context.name, folder: folder))
        case .empty(let file): self = .unusable(.noEndpoint(context: context.name, file: file))
        case .unreadable(let why): self = .unusable(.unreadable(why: why))
        }
    }

    /// The path of a unix socket; nil for another URL.
    private static func path(in url: String) -> String? {
        if url.isAbsolutePath { return url }
        guard let rest = rest(of: url, after: "unix") else { return nil }
        return rest.isEmpty ? EngineSelection.systemSocket : rest
    }

    /// What follows `SCHEME://`.
    private static func rest(of url: String, after scheme: String) -> String? {
        let prefix = "\(scheme)://"
        guard url.utf8.count >= prefix.utf8.count, url.prefix(prefix.count).lowercased() == prefix else { return nil }
        return String(url.dropFirst(prefix.count))
    }

    private static func reason(_ url: String) -> UnusableEngine.Reason {
        for scheme in ["ssh", "npipe"] where rest(of: url, after: scheme) != nil { return .elsewhere(url: url) }
        for scheme in ["tcp", "http", "https"] {
            guard let rest = rest(of: url, after: scheme) else { continue }
            return isHere(rest) ? .noUnixSocket(url: url) : .elsewhere(url: url)
        }
        // The docker client takes HOST:PORT for TCP.
        let parts = url.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        let isPort = parts.count == 2 && UInt16(String(decoding: parts[1], as: UTF8.self)) != nil
        let isHost = parts[0].allSatisfy { byte in
            byte.isLetterOrDigit || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
        }
        guard isPort, isHost else { return .noAddress(url) }
        return isHere(url) ? .noUnixSocket(url: url) : .elsewhere(url: url)
    }

    /// Whether `HOST:PORT/PATH` is this machine by one of the names that every machine has for itself.
    private static func isHere(_ address: String) -> Bool {
        let authority = address.prefix { $0 != "/" }
        let host =
            authority.hasPrefix("[")
            ? authority.dropFirst().prefix { $0 != "]" } : authority.prefix { $0 != ":" }
        return host.isEmpty || ["localhost", "0.0.0.0", "::1", "::"].contains(host.lowercased())
            || host.hasPrefix("127.")
    }
}

extension UInt8 {
    fileprivate var isLetterOrDigit: Bool {
        let lower = self | 0x20
        return UInt8(ascii: "0")...UInt8(ascii: "9") ~= self || UInt8(ascii: "a")...UInt8(ascii: "z") ~= lower
    }
}
