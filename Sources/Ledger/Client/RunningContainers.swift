/// The containers of a moment: those that hold memory, and those that an engine runs.
struct RunningContainers {
    struct Member {
        var id: String
        var name: String?
        var runtime: Runtime
        var project: String?
        /// An engine runs it.
        var isListed: Bool
        /// False if a cgroup claims to be it, and nothing confirms that.
        var isVerified = true
    }

    private(set) var all: [String: Member] = [:]
    /// By the id of a container that holds memory: the ids from the outermost container around it to itself.
    private(set) var chains: [[String]] = []

    init(_ snapshot: Snapshot) {
        for container in snapshot.containers + snapshot.idleContainers {
            all[container.id] = Member(
                id: container.id, name: container.name, runtime: container.runtime, project: container.composeProject,
                isListed: container.known, isVerified: container.verified)
            chains.append(container.parents + [container.id])
        }
        for id in chains.joined() where all[id] == nil {
            all[id] = Member(id: id, runtime: .unknown, isListed: false)
        }
    }

    var ids: Set<String> { Set(all.keys) }
    var listed: Set<String> { Set(all.values.filter(\.isListed).map(\.id)) }

    /// Those that a name means: one with that name or id, else those whose id begins so.
    func named(_ wanted: String) -> [Member] {
        guard !wanted.isEmpty else { return [] }
        let exact = all.values.filter { $0.id == wanted || $0.name == wanted }
        return exact.isEmpty ? all.values.filter { $0.id.hasPrefix(wanted) } : exact
    }
}

extension Snapshot {
    /// What a name on the command line means.
    package enum NamedContainer: Sendable, Equatable {
        case one(Container)
        case several([Container])
        case none
        /// No known container, but an engine did not report all names.
        case unknown
    }

    /// A running container by its name, by OUTER/INNER, or by the beginning of its id.
    package func container(named wanted: String) -> NamedContainer {
        let all = containers + idleContainers
        func isExact(_ container: Container) -> Bool {
            let own = container.name ?? shortID(container.id)
            return [container.id, container.name, (container.parentNames + [own]).joined(separator: "/")].contains(
                wanted)
        }
        let exact = all.filter(isExact)
        let meant = exact.isEmpty && !wanted.isEmpty ? all.filter { $0.id.hasPrefix(wanted) } : exact
        if meant.count == 1 { return .one(meant[0]) }
        if meant.count > 1 { return .several(meant) }
        return sources.contains { $0.isEngine && !$0.ok } ? .unknown : .none
    }
}
