/// A container engine that answered, and the containers that it runs.
package struct ObservedEngine: Codable, Sendable, Equatable {
    package var runtime: Runtime
    package var containers: [EngineContainer]
    /// The uid that listens at its socket (unix(7), SO_PEERCRED), as our user namespace has it; nil in recordings that do not
    /// say.
    package var owner: UInt32?
    /// When it said so, in milliseconds since 1970, if it did not answer this time; nil if it did.
    package var answeredAt: Int64?

    /// Names in recordings. `toldAt` is the name that recordings of version 0.1 have.
    private enum CodingKeys: String, CodingKey {
        case runtime, containers, owner
        case answeredAt = "toldAt"
    }

    package init(runtime: Runtime, containers: [EngineContainer], owner: UInt32? = nil, answeredAt: Int64? = nil) {
        self.runtime = runtime
        self.containers = containers
        self.owner = owner
        self.answeredAt = answeredAt
    }
}

package struct EngineContainer: Codable, Sendable, Equatable {
    package var id: String
    package var name: String?
    package var image: String?
    package var labels: [String: String]

    package init(id: String, name: String?, image: String?, labels: [String: String] = [:]) {
        self.id = id
        self.name = name
        self.image = image
        self.labels = labels
    }
}

/// Who runs a container.
package enum Runtime: String, Codable, Sendable {
    case docker, podman, containerd
    case crio = "cri-o"
    case lxc, nspawn, ecs, unknown
}
