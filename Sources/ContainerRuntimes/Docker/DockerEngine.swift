import FoundationEssentials
import Ledger

/// An engine that speaks Docker's API on a unix socket of this machine: Docker, or Podman's compatible service.
package struct DockerEngine: Sendable, Equatable {
    /// Path of the socket.
    package let socket: String

    package init(socket: String) {
        self.socket = socket
    }

    /// The containers that it runs. No version is in the paths: every engine answers as it knows best.
    package func containers(within seconds: Double) throws(EngineError) -> ObservedEngine {
        let client = UnixHTTP(path: socket, seconds: seconds)
        let response = try client.get("/containers/json")
        let (answer, owner) = (response.answer, response.owner)
        // Podman names itself in every answer (containers/podman, pkg/api/server: Libpod-API-Version).
        guard answer.headers["libpod-api-version"] != nil else {
            return ObservedEngine(
                runtime: .docker, containers: try list(answer).map(\.container), owner: owner)
        }
        // Its short list lacks what is paused or being stopped, which Docker's has, and which holds memory all the same;
        // and its filter by status takes no "stopping" (both seen with Podman 4.3.1).
        let all = try list(try client.get("/containers/json?all=true").answer)
        let alive: Set = ["running", "paused", "stopping"]
        return ObservedEngine(
            runtime: .podman, containers: all.filter { alive.contains($0.State ?? "") }.map(\.container),
            owner: owner)
    }

    /// The same of an answer that comes from no socket, headers and all: what is tried with hostile ones.
    package static func containers(answer: [UInt8], socket: String) throws(EngineError) -> [EngineContainer] {
        let response = try UnixHTTP(path: socket, seconds: 0).response(answer)
        return try DockerEngine(socket: socket).list(response).map(\.container)
    }

    private func list(_ response: ResponseParser.Response) throws(EngineError) -> [Listed] {
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
        guard listed.allSatisfy({ !$0.Id.isEmpty }) else {
            throw .notUnderstood(path: socket, why: "a container without an id")
        }
        // Part of a list would leave containers without names that have one.
        guard listed.count <= CountLimit.containers else {
            throw .notUnderstood(path: socket, why: "a list of \(listed.count) containers")
        }
        return listed
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
        var State: String?

        var container: EngineContainer {
            EngineContainer(id: Id, name: name, image: Image, labels: Labels ?? [:]).bounded
        }

        /// Its own name is "/NAME"; "/OTHER/ALIAS" are links that others have to it.
        private var name: String? {
            let names = (Names ?? []).map { $0.isAbsolutePath ? String($0.utf8.dropFirst()) ?? $0 : $0 }
            return names.first { !$0.utf8.contains(UInt8(ascii: "/")) } ?? names.first
        }
    }
}
