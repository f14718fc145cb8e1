/// Which engines to ask, as the user named them or as they are found.
package struct EngineSelection: Sendable {
    package var engines: [DockerEngine]
    /// Somebody named them, so that each must answer. Else those that are not there are passed over in silence.
    package var isNamed: Bool

    /// - Parameters:
    ///   - hosts: URLs from the command line.
    ///   - environment: DOCKER_HOST and XDG_RUNTIME_DIR are looked at.
    ///   - context: the Docker client's current one; asked for if neither names an engine, as the docker client does.
    package init(
        hosts: [String], environment: [String: String], context: () -> DockerContext
    ) throws(EngineError) {
        isNamed = true
        engines = []
        if !hosts.isEmpty {
            for host in hosts {
                let engine = try Self.engine(at: host)
                if !engines.contains(engine) { engines.append(engine) }
            }
        } else if let host = environment["DOCKER_HOST"], !host.isEmpty {
            engines = [try Self.engine(at: host)]
        } else {
            switch context() {
            case .endpoint(let host): engines = [try Self.engine(at: host)]
            case .missing(let name, let folder): throw .noContext(name: name, folder: folder)
            case .usual:
                engines = Self.usualSockets(environment).map(DockerEngine.init)
                isNamed = false
            }
        }
    }

    /// An engine from a URL as DOCKER_HOST has it: a unix socket, or a path of one.
    private static func engine(at url: String) throws(EngineError) -> DockerEngine {
        let path: String
        if url.hasPrefix("unix://") {
            path = String(url.dropFirst("unix://".count))
        } else if url.isAbsolutePath {
            path = url
        } else {
            throw .elsewhere(url: url)
        }
        // Docker Desktop's engine runs in a virtual machine, which has no GPU of ours.
        guard !path.contains("/.docker/desktop/") else { throw .elsewhere(url: url) }
        return DockerEngine(socket: path)
    }

    private static func usualSockets(_ environment: [String: String]) -> [String] {
        let session = environment["XDG_RUNTIME_DIR"].flatMap { $0.isEmpty ? nil : $0 }
        return ["/var/run/docker.sock"] + (session.map { ["\($0)/docker.sock", "\($0)/podman/podman.sock"] } ?? [])
            + ["/run/podman/podman.sock"]
    }
}
