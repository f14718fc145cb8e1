import FoundationEssentials
import HostFS
import Ledger

/// A context of the docker client, as its configuration has it (docker/cli, cli/context/store).
package struct DockerContext: Sendable, Equatable {
    package enum Endpoint: Sendable, Equatable {
        /// No context was chosen: the engine listens on the default socket.
        case usual
        /// The URL of its endpoint.
        case endpoint(String)
        /// It is not in this folder.
        case missing(folder: String)
        /// This file is of the context, and has no endpoint of an engine.
        case empty(file: String)
        /// The configuration is there, and cannot be read or understood.
        case unreadable(why: String)
    }

    /// Empty if no context was chosen.
    package var name: String
    /// The client's configuration, which names the current context.
    package var file: String
    package var endpoint: Endpoint

    package init(name: String, file: String, endpoint: Endpoint) {
        self.name = name
        self.file = file
        self.endpoint = endpoint
    }

    /// The variables that it is found by.
    package static let variables = ["DOCKER_CONTEXT", "DOCKER_CONFIG", "HOME"]
    /// A context that is in no file.
    package static let defaultName = "default"

    private struct Settings: Decodable {
        var currentContext: String?
    }

    private struct Meta: Decodable {
        struct Endpoint: Decodable {
            var Host: String?
        }
        var Name: String
        var Endpoints: [String: Endpoint]?
    }

    /// The context that DOCKER_CONTEXT names, else the current one. Reads the user's files, which can hang if the home
    /// directory is on a network.
    package static func current(_ environment: [String: String]) -> DockerContext {
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let folder = variable("DOCKER_CONFIG") ?? "\(variable("HOME") ?? "")/.docker"
        let file = "\(folder)/config.json"
        let chosen = variable("DOCKER_CONTEXT").map { .named($0) } ?? Chosen(file)
        switch chosen {
        case .unreadable(let why): return DockerContext(name: "", file: file, endpoint: .unreadable(why: why))
        case .named(let name) where !name.isEmpty && name != defaultName:
            return DockerContext(
                name: name.capped(at: TextLimit.path), file: file,
                endpoint: endpoint(of: name, in: "\(folder)/contexts/meta")
            )
        case .named: return DockerContext(name: "", file: file, endpoint: .usual)
        }
    }

    private enum Chosen {
        /// Empty if no context is chosen.
        case named(String)
        case unreadable(why: String)

        /// - Parameter file: the client's configuration.
        init(_ file: String) {
            do throws(FileError) {
                let bytes = try FileReading.bytes(file, limit: FileReading.limit)
                let settings = try? JSONDecoder().decode(Settings.self, from: Data(bytes))
                // To the docker client a file without a byte is one without settings.
                if settings == nil, !bytes.isEmpty {
                    self = .unreadable(why: "\(file): not understood")
                } else {
                    self = .named(settings?.currentContext ?? "")
                }
            } catch {
                self = error.isAbsent ? .named("") : .unreadable(why: error.description)
            }
        }
    }

    /// A context's folder is named after the SHA-256 of its name; its file says the name itself.
    private static func endpoint(of name: String, in folder: String) -> Endpoint {
        for entry in (try? FileReading.names(in: folder)) ?? [] {
            let file = "\(folder)/\(entry)/meta.json"
            guard let bytes = try? FileReading.bytes(file, limit: FileReading.limit),
                let meta = try? JSONDecoder().decode(Meta.self, from: Data(bytes)), meta.Name == name
            else { continue }
            guard let endpoint = meta.Endpoints?["docker"] else { return .empty(file: file) }
            // Without a host, the docker client uses the default socket.
            return endpoint.Host.flatMap { $0.isEmpty ? nil : .endpoint($0.capped(at: TextLimit.path)) } ?? .usual
        }
        return .missing(folder: folder)
    }
}
