/// The processes of one reading that count.
package struct CommandMembers: Sendable, Equatable {
    /// By PID.
    var ours: [UInt32: CommandUsage.ProcessKey] = [:]
    /// Those whose parents could not be read, and who may be the command's.
    var undecided: Set<UInt32> = []

    func adding(_ more: [UInt32: CommandUsage.ProcessKey]) -> CommandMembers {
        CommandMembers(ours: ours.merging(more) { own, _ in own }, undecided: undecided.subtracting(more.keys))
    }
}

/// Finds a command's own processes, reading by reading: its descendants, and in a container all that run in it.
struct CommandDescent: Sendable {
    var scope: CommandScope
    private(set) var members = CommandMembers()
    /// Those that are not the command's. Who is no descendant of ours never becomes one, but looking that up reads the files of
    /// a process's ancestors one after the other, while they come and go: after a while it is looked up again.
    private var foreign: Set<CommandUsage.ProcessKey> = []
    private var foreignSince = 0.0
    private static let freshness = 2.0

    init(_ scope: CommandScope) { self.scope = scope }

    mutating func forgetForeign() { foreign = [] }

    /// What was judged long ago is judged anew.
    mutating func refresh(at time: Double) {
        guard time - foreignSince > Self.freshness else { return }
        foreign = []
        foreignSince = time
    }

    /// Which processes are the command's. One that was and is still listed is, also where /proc has forgotten it already.
    mutating func find(in snapshot: Snapshot, _ observation: Observation, _ ancestors: CommandUsage.Ancestors) {
        // Numbers of another namespace may be those of processes here all the same.
        guard let ownPID = scope.ownPID, observation.view.procIsOwn else { return }
        let meant = snapshot.processes.filter { snapshot.devices[$0.device].processesSeen != .none }
        let listed = Set(meant.map(\.pid))
        var found: [UInt32: CommandUsage.ProcessKey] = [:]
        var unknown: [CommandUsage.ProcessKey] = []
        let seen = Dictionary(observation.processes.map { ($0.pid, $0) }, uniquingKeysWith: { first, _ in first })
        for pid in listed {
            guard let process = seen[pid] else {
                found[pid] = members.ours[pid]
                continue
            }
            let key = CommandUsage.ProcessKey(process)
            if members.ours[pid] == key {
                found[pid] = key
            } else if !foreign.contains(key) {
                if scope.isInContainer(process, observation.view) { found[pid] = key } else { unknown.append(key) }
            }
        }
        let chains = unknown.isEmpty ? [:] : ancestors(unknown.map(\.pid), ownPID)
        members = CommandMembers()
        for key in unknown {
            guard let chain = chains[key.pid] else {
                members.undecided.insert(key.pid)
                continue
            }
            if chain.contains(ownPID) {
                found[key.pid] = key
            } else if scope.isContainer, seen[key.pid]?.cgroup.value == nil {
                // It may be another process of our container.
                members.undecided.insert(key.pid)
            } else {
                foreign.insert(key)
            }
        }
        members.ours = found
    }
}

extension CommandUsage.ProcessKey {
    init(_ process: ObservedProcess) { self.init(pid: process.pid, startTick: process.startTick) }
}

/// Processes that count in addition to a command's descendants; without a command, the only ones that count.
package enum CommandTarget: Sendable, Equatable {
    /// The processes in these containers, and in those inside them. With `since`, those that began at this tick or later.
    case containers(Set<String>, since: Int64?)
    /// The host's processes in a service of systemd that began at this tick or later.
    case unit(String, since: Int64?)

    /// - Parameter earlier: its processes of the reading before. One that is still listed counts, also where /proc has
    ///   forgotten it already.
    func members(
        _ snapshot: Snapshot, _ observation: Observation, earlier: [UInt32: CommandUsage.ProcessKey]
    ) -> [UInt32: CommandUsage.ProcessKey] {
        let seen = Dictionary(observation.processes.map { ($0.pid, $0) }, uniquingKeysWith: { first, _ in first })
        var found: [UInt32: CommandUsage.ProcessKey] = [:]
        for process in snapshot.processes {
            guard let observed = seen[process.pid] else {
                found[process.pid] = earlier[process.pid]
                continue
            }
            if has(process, observed, snapshot) { found[process.pid] = CommandUsage.ProcessKey(observed) }
        }
        return found
    }

    private func has(_ process: GPUProcess, _ observed: ObservedProcess, _ snapshot: Snapshot) -> Bool {
        switch self {
        case .containers(let ids, let since):
            guard let container = process.container, since.map({ observed.startTick >= $0 }) ?? true else {
                return false
            }
            return ids.contains(container) || !ids.isDisjoint(with: snapshot.parents(of: container))
        case .unit(let name, let since):
            guard process.holder == .host, since.map({ observed.startTick >= $0 }) ?? true else { return false }
            return observed.cgroup.value.map { ServiceUnit.names(cgroup: $0).contains(name) } ?? false
        }
    }

    /// Whether the driver reports the command's processes on a device to this PID namespace.
    func isSeen(on device: Device, from view: ProcessView) -> Bool {
        guard device.processesSeen == .own else { return true }
        // In a container, the driver lists only that container's processes.
        guard case .containers(let ids, _) = self else { return false }
        return view.own.map { ids.contains($0.id) } ?? false
    }
}

extension Snapshot {
    /// Ids of the containers around one, outermost first.
    func parents(of container: String) -> [String] { containers.first { $0.id == container }?.parents ?? [] }
}
