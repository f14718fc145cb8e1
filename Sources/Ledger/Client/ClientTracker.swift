/// Finds what an engine or systemd starts for a client while it runs, and keeps count of each that it may be.
///
/// Which of them it was is decided at the end: one that seems to be the only one can get a rival later.
struct ClientTracker: Sendable {
    let client: CommandClient
    /// Ids of containers, or names of services, that were there before the command began.
    private var before: Set<String> = []
    /// Of these the containers that an engine listed.
    private var listedBefore: Set<String> = []
    /// Whether the engine listed in time what it ran before the command began.
    private(set) var hasListBefore = false
    private(set) var obstacle: ClientFinding.Obstacle?
    var candidates: [Candidate] = []
    private(set) var leftOut: Set<String> = []
    /// In ticks since boot: what began earlier is not the command's.
    private var beginTick: Int64?
    /// Of the containers that we are in.
    private var own: Set<String> = []
    /// An engine of Docker's has answered, so that Podman's containers are not what a docker client started.
    private var dockerAnswers = false

    /// Each is kept count of, which takes time at every reading.
    private static let most = 16

    struct Candidate: Sendable {
        /// Id of a container, or the name of a service or of a Compose project.
        var key: String
        /// Its containers by id, with the names that an engine reported.
        var containers: [String: String?]
        /// Whether an engine has reported what it is.
        var isReported: Bool
        var usage: CommandUsage
        /// False if any user can have made what looks like it.
        var isVerified = true
        /// A descendant of the command is in it.
        var holdsDescendant = false
        /// The number of engine answers that left it out while it held memory.
        var missed = 0
        var peak: Bytes?
        var stillRuns = false
        var held: Bytes?

        /// It may be what an engine started for the command.
        var isBelieved: Bool { holdsDescendant || isReported || isVerified && missed < Self.mostMissed }

        /// An answer can be older than the container, and an engine lists a container only some time after it began.
        private static let mostMissed = 3

        var part: ClientFinding.Part {
            let names = containers.values.compactMap(\.self).sorted()
            return ClientFinding.Part(
                id: containers.count == 1 ? containers.keys.first! : key,
                name: names.isEmpty ? nil : names.joined(separator: ", "), peak: peak, stillRuns: stillRuns, held: held)
        }
    }

    init(_ client: CommandClient) {
        self.client = client
        if client.program == .nerdctl { obstacle = .containerd }
    }

    /// The engines are to be asked again soon: a container has no name yet.
    var wantsNames: Bool { asksEngines && candidates.contains { !$0.isReported && $0.isBelieved } }

    var asksEngines: Bool { client.program != .systemd && obstacle != .containerd && obstacle != .elsewhere }

    mutating func note(obstacle: ClientFinding.Obstacle) { self.obstacle = obstacle }

    // MARK: Before

    /// What the engines reported before the command began.
    mutating func begin(engines: [ObservedEngine], _ sources: [SourceReport]) {
        note(sources, engines)
        hasListBefore = obstacle == nil
        listedBefore = Set(engines.flatMap { $0.containers.map(\.id) })
        before.formUnion(listedBefore)
    }

    /// What held memory before the command began.
    mutating func begin(_ snapshot: Snapshot, _ observation: Observation, _ scope: CommandScope) {
        own = scope.ownContainers
        noteTick(observation, at: 0)
        switch client.action {
        case .unit: before.formUnion(services(snapshot, observation, since: 0))
        default: before.formUnion(RunningContainers(snapshot).ids)
        }
    }

    /// The engines that a client of this kind can have asked have answered, or why not.
    private mutating func note(_ sources: [SourceReport], _ engines: [ObservedEngine]) {
        guard asksEngines else { return }
        let all = sources.filter(\.isEngine)
        let kind = all.filter { $0.name.hasPrefix(client.program.rawValue) }
        let meant = kind.isEmpty ? all : kind
        if let trouble = meant.compactMap(\.error).first {
            obstacle = .engine(trouble)
        } else if !meant.isEmpty {
            obstacle = nil
        } else {
            obstacle = .late
        }
        if engines.contains(where: { $0.runtime == .docker }) { dockerAnswers = true }
    }

    /// The clock of processes when the command began, or a little earlier.
    private mutating func noteTick(_ observation: Observation, at time: Double) {
        guard beginTick == nil, let asked = observation.devices.compactMap(\.askedAtTick).min() else { return }
        beginTick = asked - Int64((time * Double(observation.view.ticksPerSecond)).rounded(.up))
    }

    // MARK: While it runs

    /// - Parameter base: the command's own usage before this reading.
    mutating func add(
        _ snapshot: Snapshot, _ observation: Observation, at time: Double, base: CommandUsage, scope: CommandScope
    ) {
        own = scope.ownContainers
        noteTick(observation, at: time)
        if !observation.sources.filter(\.isEngine).isEmpty { note(observation.sources, observation.engines) }
        discover(snapshot, observation, base: base)
    }

    /// Counts this reading with each candidate.
    ///
    /// - Parameters:
    ///   - isFresh: every engine has listed its containers since the previous reading.
    ///   - members: the command's own processes.
    mutating func count(
        _ snapshot: Snapshot, _ observation: Observation, at time: Double, isFresh: Bool, _ members: CommandMembers
    ) {
        let inside = Set(
            snapshot.processes.filter { members.ours[$0.pid] != nil }.compactMap(\.container).flatMap {
                snapshot.parents(of: $0) + [$0]
            })
        for index in candidates.indices {
            candidates[index].usage.add(snapshot, observation, at: time, of: members)
            if !inside.isDisjoint(with: candidates[index].containers.keys) { candidates[index].holdsDescendant = true }
            if isFresh, !candidates[index].isReported, !candidates[index].usage.targeted.isEmpty {
                candidates[index].missed += 1
            }
            if let held = candidates[index].usage.targetBytes(snapshot) {
                candidates[index].peak = max(candidates[index].peak ?? 0, held)
            }
        }
    }

    private mutating func discover(_ snapshot: Snapshot, _ observation: Observation, base: CommandUsage) {
        let running = RunningContainers(snapshot)
        switch client.action {
        case .unit(let wanted):
            for name in services(snapshot, observation, since: beginTick ?? .max).sorted() where !before.contains(name)
            {
                if wanted.map({ $0 == name }) ?? ServiceUnit.isTransient(name) { noteUnit(name, base) }
            }
        case .exec(let wanted):
            for member in running.named(wanted) where isOfClient(member.runtime) {
                note(member, as: member.id, base, since: beginTick ?? .max)
            }
        case .start(let wanted):
            for member in wanted.flatMap({ running.named($0) }) where isOfClient(member.runtime) {
                note(member, as: wanted.joined(separator: ", "), base)
            }
        case .run, .compose:
            for chain in running.chains { noteNew(in: chain, running, base) }
        }
    }

    /// Nested containers come as a chain, outermost first. The client's engine runs the first one that we are not in ourselves.
    private mutating func noteNew(in chain: [String], _ running: RunningContainers, _ base: CommandUsage) {
        guard let id = chain.first(where: { !own.contains($0) }), !before.contains(id),
            let member = running.all[id], isOfClient(member.runtime)
        else { return }
        guard case .compose(let project) = client.action, member.isListed else { return note(member, as: id, base) }
        // Before the engine reported its label, it was noted under its id.
        candidates.removeAll { $0.key == id }
        if let name = member.project, project.map({ $0.lowercased() == name }) ?? true { note(member, as: name, base) }
    }

    private mutating func note(
        _ member: RunningContainers.Member, as key: String, _ base: CommandUsage, since: Int64? = nil
    ) {
        if let index = candidates.firstIndex(where: { $0.key == key }) {
            let known = candidates[index].containers[member.id] ?? nil
            candidates[index].containers[member.id] = .some(known ?? member.name)
            candidates[index].isReported = candidates[index].isReported || member.isListed
            candidates[index].isVerified = candidates[index].isVerified || member.isVerified
            candidates[index].usage.target = .containers(Set(candidates[index].containers.keys), since: since)
        } else if candidates.count < Self.most {
            let usage = base.counting(.containers([member.id], since: since))
            candidates.append(
                Candidate(
                    key: key, containers: [member.id: member.name], isReported: member.isListed, usage: usage,
                    isVerified: member.isVerified))
        } else {
            leftOut.insert(key)
        }
    }

    private mutating func noteUnit(_ name: String, _ base: CommandUsage) {
        guard !candidates.contains(where: { $0.key == name }) else { return }
        guard candidates.count < Self.most else {
            leftOut.insert(name)
            return
        }
        let usage = base.counting(.unit(name, since: beginTick))
        candidates.append(Candidate(key: name, containers: [:], isReported: true, usage: usage))
    }

    private func isOfClient(_ runtime: Runtime) -> Bool {
        switch client.program {
        case .docker: runtime == .docker || runtime == .unknown || runtime == .podman && !dockerAnswers
        case .podman: runtime == .podman || runtime == .unknown
        case .nerdctl: runtime == .containerd || runtime == .unknown
        case .systemd: false
        }
    }

    /// Services of the host that hold memory by processes that began at a tick or later.
    private func services(_ snapshot: Snapshot, _ observation: Observation, since tick: Int64) -> Set<String> {
        let hosts = Set(snapshot.processes.filter { $0.holder == .host }.map(\.pid))
        let meant = observation.processes.filter { hosts.contains($0.pid) && $0.startTick >= tick }
        return Set(meant.flatMap { process in process.cgroup.value.map { ServiceUnit.names(cgroup: $0) } ?? [] })
    }
}
