/// Whose a PID is: a process that it may mean, and the container that this process is in.
package struct Ownership: Sendable {
    /// nil if only a driver knows the process.
    package var process: ObservedProcess?
    package var pid: UInt32
    package var holder: Holder
    package var container: Container?
    /// Its PID in the initial namespace; nil if only the PID in a container that we are in ourselves is known.
    package var hostPID: UInt32?
    /// Its PID in the innermost namespace that it is in, if that is not the initial one.
    package var insidePID: UInt32?
    /// Whether the process is in the initial PID namespace, so that it has no PID inside a container.
    package var isInHostPIDNamespace: Bool { hostPID != nil && process?.namespacePIDs.count == 1 }
    /// As `GPUProcess` has them.
    package var unrecognizedCgroup: String?
    package var namespaceContainer: String?
    /// What it holds, by device; empty for a process that no driver lists.
    package var held: [GPUProcess]
}

/// Whose PIDs are: made once for an observation, because many may be asked for.
package struct Owners {
    private let lookup: ProcessLookup
    private let processes: [UInt32: ObservedProcess]
    /// By a PID that they have inside their container.
    private let inside: [UInt32: [ObservedProcess]]
    /// The processes of threads.
    private let threads: [UInt32: UInt32]
    private let held: [UInt32: [GPUProcess]]
    private let containers: [String: Container]
    /// We are in a PID namespace of our own, and the PIDs are that namespace's.
    private let isInside: Bool

    /// - Parameters:
    ///   - snapshot: the ledger of this observation.
    ///   - threads: the process of each thread that may be asked for.
    package init(_ observation: Observation, in snapshot: Snapshot, threads: [UInt32: UInt32] = [:]) {
        self.threads = threads
        lookup = ProcessLookup(observation)
        isInside = observation.view.inInitialNamespace == false && observation.view.procIsOwn
        processes = Dictionary(observation.processes.map { ($0.pid, $0) }, uniquingKeysWith: { first, _ in first })
        var inside: [UInt32: [ObservedProcess]] = [:]
        for process in observation.processes {
            for pid in Set(process.namespacePIDs.dropFirst()) where pid != process.pid {
                inside[pid, default: []].append(process)
            }
        }
        self.inside = inside
        held = Dictionary(grouping: snapshot.processes, by: \.pid)
        containers = Dictionary(
            (snapshot.containers + snapshot.idleContainers).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first }
        )
    }

    /// The processes that `pid` may mean: the host's with this PID, or with this thread, and those that have it inside their
    /// container.
    package func owners(of pid: UInt32) -> [Ownership] {
        var owners: [Ownership] = []
        let own = threads[pid] ?? pid
        if processes[own] != nil || held[own] != nil { owners.append(ownership(own, processes[own])) }
        for process in inside[pid] ?? [] where process.pid != own { owners.append(ownership(process.pid, process)) }
        return owners
    }

    /// A container that holds nothing and that no engine reported.
    private func idle(_ id: String, _ attribution: ProcessAttribution) -> Container {
        var container = Container(
            id: id, name: attribution.container?.name, runtime: attribution.container?.runtime ?? .unknown,
            known: false,
            parents: attribution.parents, labels: [:], usage: [])
        container.parentNames = attribution.parents.map {
            containers[$0]?.name ?? lookup.claimed.names[$0] ?? shortID($0)
        }
        return container
    }

    private func ownership(_ pid: UInt32, _ process: ObservedProcess?) -> Ownership {
        let held = held[pid] ?? []
        let attribution = lookup.attribution(of: pid)
        // What a driver lists may be another process than the one that has this PID here.
        let isSame = held.first.map { $0.holder == .container || $0.holder == .host } ?? true
        let id = held.isEmpty ? attribution.container?.id : held[0].container
        var container = id.map { containers[$0] ?? idle($0, attribution) }
        if !attribution.isVerified { container?.verified = false }
        let pids = process?.namespacePIDs ?? []
        return Ownership(
            process: isSame ? process : nil, pid: pid, holder: held.first?.holder ?? attribution.holder,
            container: container,
            hostPID: isInside ? nil : pid, insidePID: isInside ? pids.last ?? pid : pids.count > 1 ? pids.last : nil,
            unrecognizedCgroup: attribution.unrecognized, namespaceContainer: attribution.movedFrom, held: held)
    }
}
