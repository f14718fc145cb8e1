/// Which engines to ask, as the user named them or as they are found.
package struct EngineSelection: Sendable {
    package var engines: [DockerEngine]
    /// The user named the engines, so each must answer. Otherwise engines that do not exist are skipped silently.
    package var isNamed: Bool
    /// An engine that the environment or Docker's configuration names but that cannot be asked. The default sockets are
    /// tried instead: names are never worth losing the numbers for.
    package var skipped: UnusableEngine?

    /// The order is the docker client's: options, DOCKER_HOST, DOCKER_CONTEXT, the current context, the usual sockets.
    ///
    /// - Parameter context: the docker client's context, that of this name or else the current one; nil if its files do not
    ///   answer. Asked for only if it decides.
    /// - Throws: what an option names and cannot be asked.
    package init(_ naming: EngineNaming, context: (String?) -> DockerContext?) throws(EngineError) {
        var found = Found.usual
        // To the docker client "default" is the context of DOCKER_HOST.
        let named = naming.context.flatMap { $0 == DockerContext.defaultName ? nil : $0 }
        if !naming.hosts.isEmpty {
            found = .at(naming.hosts.map { EngineAddress($0) }, .hostOption)
        } else if let named {
            found = Self.found(context(named), .contextOption)
        } else if let host = naming.variable("DOCKER_HOST") {
            found = .at([EngineAddress(host)], .hostVariable)
        } else if naming.context == nil {
            let name = naming.variable("DOCKER_CONTEXT")
            found = Self.found(context(name), name.map { .contextVariable($0) })
        }
        (engines, isNamed, skipped) = ([], true, nil)
        if case .at(let addresses, let origin) = found {
            for address in addresses {
                switch address {
                case .socket(let path):
                    let engine = DockerEngine(socket: path)
                    if !engines.contains(engine) { engines.append(engine) }
                case .unusable(let reason):
                    let unusable = UnusableEngine(origin: origin, reason: reason)
                    if origin.isOption { throw .unusable(unusable) }
                    skipped = unusable
                }
            }
        }
        if engines.isEmpty {
            engines = Self.usualSockets(naming).map(DockerEngine.init)
            isNamed = false
        }
    }

    private enum Found {
        /// No engine was named.
        case usual
        case at([EngineAddress], EngineOrigin)
    }

    /// - Parameter origin: nil if the configuration alone names a context.
    private static func found(_ context: DockerContext?, _ origin: EngineOrigin?) -> Found {
        guard let context else {
            return .at([.unusable(.silent)], origin ?? .configuration("", file: ""))
        }
        guard let address = EngineAddress(context) else { return .usual }
        return .at([address], origin ?? .configuration(context.name, file: context.file))
    }

    /// Where Docker listens, and the docker client looks for it.
    static let systemSocket = "/var/run/docker.sock"

    private static func usualSockets(_ naming: EngineNaming) -> [String] {
        let session = naming.variable("XDG_RUNTIME_DIR")
        return [systemSocket] + (session.map { ["\($0)/docker.sock", "\($0)/podman/podman.sock"] } ?? [])
            + ["/run/podman/podman.sock"]
    }
}
