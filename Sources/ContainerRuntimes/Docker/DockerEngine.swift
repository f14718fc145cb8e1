import FoundationEssentials
import Ledger

/// An engine that speaks Docker's API on a unix socket of this machine: Docker, or Podman's compatible service.
package struct DockerEngine: Sendable, Equatable {
    /// Path of the socket.
    package let socket: String

    package init(socket: String) {
        self.socket = socket
    }

    /// The containers that it runs. One request, without a version in its path: every engine answers it as it knows best.
    package func containers(within seconds: Double) throws(EngineError) -> ObservedEngine {
        let response = try UnixHTTP(path: socket, seconds: seconds).get("/containers/json")
        guard response.status == 200 else {
            let message = (try? JSONDecoder().decode(Message.self, from: Data(response.body)))?.message
            throw .refused(path: socket, status: response.status, message: message ?? "no reason given")
        }
        let listed: [Listed]
        do {
            listed = try JSONDecoder().decode([Listed].self, from: Data(response.body))
        } catch {
            throw .notUnderstood(path: socket, why: "no list of containers")
        }
        // Podman names itself in every answer (containers/podman, pkg/api/server: Libpod-API-Version).
        let isPodman = response.headers["libpod-api-version"] != nil
        return ObservedEngine(runtime: isPodman ? .podman : .docker, containers: listed.map(\.container))
    }

    private struct Message: Decodable {
        var message: String
    }

    /// An entry of `GET /containers/json` (Docker Engine API, ContainerList).
    private struct Listed: Decodable {
        var Id: String
        var Names: [String]?
        var Image: String?
        var Labels: [String: String]?

        var container: EngineContainer {
            EngineContainer(id: Id, name: name, image: Image, labels: Labels ?? [:])
        }

        /// Its own name is "/NAME"; "/OTHER/ALIAS" are links that others have to it.
        private var name: String? {
            let names = (Names ?? []).map { $0.hasPrefix("/") ? String($0.dropFirst()) : $0 }
            return names.first { !$0.contains("/") } ?? names.first
        }
    }
}
