/// The holder of a process that a driver listed: a container, the host, or why there is none.
struct ProcessAttribution {
    var holder: Holder
    var container: CgroupContainer?
    /// Ids of the containers around it, outermost first.
    var parents: [String] = []
    /// That it is in the container and its parents is not undecided.
    var isVerified = true
    var process: ObservedProcess?
    /// Of one of the host: the scope or folder of its cgroup path that is of no known kind.
    var unrecognized: String?
    /// Of one of the host: id of the container whose PID namespace it is in.
    var movedFrom: String?

    static let gone = ProcessAttribution(holder: .gone)
    static let hidden = ProcessAttribution(holder: .hidden)
}

/// Finds the processes that drivers listed among those that /proc showed.
struct ProcessLookup {
    private let view: ProcessView
    private let processes: [UInt32: ObservedProcess]
    let memberships: [UInt32: CgroupMembership]
    private let owners: FolderOwners
    let claimed: ClaimedContainers
    private let listsStrangers: Bool

    init(_ observation: Observation) {
        view = observation.view
        processes = Dictionary(observation.processes.map { ($0.pid, $0) }, uniquingKeysWith: { first, _ in first })
        let owners = FolderOwners(observation)
        self.owners = owners
        memberships = processes.compactMapValues { $0.cgroup.value.map { CgroupMembership(cgroup: $0, owners) } }
        claimed = ClaimedContainers(observation, of: memberships.values)
        listsStrangers = observation.listsStrangers
    }

    /// Kernel drivers report memory in the files of the processes themselves.
    func seen(on vendor: Vendor) -> ProcessesSeen {
        if view.seesEveryProcess { return .all }
        return vendor != .nvidia || means(.nvidia) ? .own : .none
    }

    private func means(_ vendor: Vendor) -> Bool {
        view.meansOurProcesses(vendor) && !(vendor == .nvidia && listsStrangers)
    }

    /// Of a PID in a driver's list.
    func attribution(of pid: UInt32, listedBy device: ObservedDevice) -> ProcessAttribution {
        guard means(device.vendor) else { return .hidden }
        // It got its PID after the driver was asked: another one had it then, and that one is no more.
        if let asked = device.askedAtTick, let process = processes[pid], process.startTick > asked { return .gone }
        return attribution(of: pid)
    }

    /// The attribution of a process whose own files reported the memory, so that the PID is certainly this host's.
    func attribution(of pid: UInt32, startedAt startTick: Int64) -> ProcessAttribution {
        if let process = processes[pid], process.startTick != startTick, process.startTick != 0 { return .gone }
        return attribution(of: pid)
    }

    /// Of a PID in the /proc that was read.
    func attribution(of pid: UInt32) -> ProcessAttribution {
        guard let process = processes[pid] else { return view.seesEveryProcess ? .gone : .hidden }
        guard let membership = memberships[pid] else {
            return ProcessAttribution(holder: .hidden, process: process)
        }
        let believed = claimed.believed(membership)
        if let container = believed.innermost {
            return ProcessAttribution(
                holder: .container, container: container, parents: believed.parents, isVerified: believed.isVerified,
                process: process)
        }
        // A zombie keeps its cgroup path on cgroup v2 and is moved to the root on v1. Without a container, it counts as
        // gone.
        if process.isDead { return ProcessAttribution(holder: .gone, process: process) }
        if view.inCgroupNamespace, membership.isBelowRoot {
            // The process is in our own container. Which container that is, only the mounts of some engines say. Do not
            // count the memory under an id that may be another container's.
            let own = view.own.flatMap { $0.isVerified ? $0.id : nil }
            let container = CgroupContainer(
                id: own ?? Container.ownWithoutID, runtime: view.ownRuntime, hierarchy: "", path: "/")
            return ProcessAttribution(holder: .container, container: container, process: process)
        }
        let origin = process.namespaceCgroup.map { claimed.believed(CgroupMembership(cgroup: $0, owners)) }
        return ProcessAttribution(
            holder: .host, process: process, unrecognized: membership.unrecognized, movedFrom: origin?.innermost?.id)
    }
}

extension Observation {
    /// Whether NVIDIA's driver lists PIDs that do not exist in our PID namespace, although it should list only processes
    /// of that namespace. Then its PIDs are those of another namespace, and a PID that exists here matches by chance.
    package var listsStrangers: Bool {
        guard !view.seesEveryProcess, !view.hidesProcesses, view.meansOurProcesses(.nvidia) else { return false }
        let known = Set(processes.map(\.pid))
        return devices.contains { device in
            device.vendor == .nvidia
                && [device.compute, device.graphics, device.mps].contains { list in
                    list.processes.contains { !known.contains($0.pid) }
                }
        }
    }
}
