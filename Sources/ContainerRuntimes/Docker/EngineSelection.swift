import FoundationEssentials

/// Which engines to ask, as the user named them or as they are found.
package struct EngineSelection: Sendable {
    package var engines: [DockerEngine]
    /// Somebody named them, so that each must answer. Else those that are not there are passed over in silence.
    package var isNamed: Bool

    /// - Parameters:
    ///   - hosts: URLs from the command line.
    ///   - environment: DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, HOME and XDG_RUNTIME_DIR are looked at, in the order in
    ///     which the docker client does.
    package init(hosts: [String], environment: [String: String]) throws(EngineError) {
        isNamed = true
        engines = []
        if !hosts.isEmpty {
            for host in hosts {
                let engine = try Self.engine(at: host)
                if !engines.contains(engine) { engines.append(engine) }
            }
        } else if let host = environment["DOCKER_HOST"], !host.isEmpty {
            engines = [try Self.engine(at: host)]
        } else if let host = try DockerContext(environment).host {
            engines = [try Self.engine(at: host)]
        } else {
            engines = Self.usualSockets(environment).map(DockerEngine.init)
            isNamed = false
        }
    }

    /// An engine from a URL as DOCKER_HOST has it: a unix socket, or a path of one.
    private static func engine(at url: String) throws(EngineError) -> DockerEngine {
        let path: String
        if url.hasPrefix("unix://") {
            path = String(url.dropFirst("unix://".count))
        } else if url.hasPrefix("/") {
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

/// The endpoint of the current Docker context; none for the context `default`.
private struct DockerContext {
    var host: String?

    private struct Settings: Decodable {
        var currentContext: String?
    }

    private struct Meta: Decodable {
        struct Endpoint: Decodable {
            var Host: String?
        }
        var Name: String
        var Endpoints: [String: Endpoint]
    }

    init(_ environment: [String: String]) throws(EngineError) {
        let folder = environment["DOCKER_CONFIG"] ?? "\(environment["HOME"] ?? "")/.docker"
        let current =
            environment["DOCKER_CONTEXT"].flatMap { $0.isEmpty ? nil : $0 }
            ?? Self.decode(Settings.self, "\(folder)/config.json")?.currentContext ?? ""
        guard !current.isEmpty, current != "default" else { return }
        // A context's folder is named after the SHA-256 of its name; its file says the name itself.
        let contexts = "\(folder)/contexts/meta"
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: contexts)) ?? []
        let found = folders.lazy.compactMap { Self.decode(Meta.self, "\(contexts)/\($0)/meta.json") }
        guard let host = found.first(where: { $0.Name == current })?.Endpoints["docker"]?.Host else {
            throw .noContext(name: current, folder: contexts)
        }
        self.host = host
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ path: String) -> Value? {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else { return nil }
        return try? JSONDecoder().decode(type, from: data)
    }
}
