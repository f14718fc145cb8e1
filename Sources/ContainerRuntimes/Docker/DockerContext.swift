import FoundationEssentials
import HostFS

/// The Docker client's current context, as its configuration names it (docker/cli, cli/context/store).
package enum DockerContext: Sendable, Equatable {
    /// Nobody chose one: the engine is where it usually is.
    case usual
    /// The URL of its endpoint.
    case endpoint(String)
    /// The configuration names a context that is not in this folder.
    case missing(name: String, folder: String)

    /// The variables that it is found by.
    package static let variables = ["DOCKER_CONTEXT", "DOCKER_CONFIG", "HOME"]

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

    /// Reads the user's files, which can hang where a home directory is on a network.
    package static func current(_ environment: [String: String]) -> DockerContext {
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let folder = variable("DOCKER_CONFIG") ?? "\(variable("HOME") ?? "")/.docker"
        let name =
            variable("DOCKER_CONTEXT") ?? decode(Settings.self, "\(folder)/config.json")?.currentContext ?? ""
        guard !name.isEmpty, name != "default" else { return .usual }
        // A context's folder is named after the SHA-256 of its name; its file says the name itself.
        let contexts = "\(folder)/contexts/meta"
        let folders = (try? FileReading.names(in: contexts)) ?? []
        let found = folders.lazy.compactMap { decode(Meta.self, "\(contexts)/\($0)/meta.json") }
        guard let host = found.first(where: { $0.Name == name })?.Endpoints["docker"]?.Host else {
            return .missing(name: name, folder: contexts)
        }
        return .endpoint(host)
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ path: String) -> Value? {
        guard let bytes = try? FileReading.bytes(path, limit: FileReading.limit) else { return nil }
        return try? JSONDecoder().decode(type, from: Data(bytes))
    }
}
