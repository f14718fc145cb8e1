/// The RAM limit of each container, found by the paths that name it.
struct RAMLimits {
    /// By container id.
    private(set) var byContainer: [String: Reading<Limit<UInt64>>]

    init(_ observation: Observation, _ lookup: ProcessLookup) {
        byContainer = observation.ramLimits ?? [:]
        guard let limits = observation.cgroupLimits else { return }
        for (container, text) in lookup.containerCgroups(observation) {
            let places = CgroupMembership.places(of: container, cgroup: text)
            note(container.id, places.map { CgroupFolder($0) }, in: limits)
        }
        for process in observation.processes {
            guard let text = process.cgroup.value, let own = lookup.attribution(of: process.pid).container, own.isOwn
            else { continue }
            note(own.id, CgroupMembership.roots(cgroup: text), in: limits)
        }
    }

    /// The first folder that has a limit, or says that it has none, decides.
    private mutating func note(
        _ container: String, _ folders: [CgroupFolder], in limits: [String: Reading<Limit<UInt64>>]
    ) {
        guard byContainer[container]?.value == nil else { return }
        let read = folders.compactMap { limits[$0.key] }
        let isOutside = !folders.isEmpty && folders.allSatisfy { $0.path.utf8.starts(with: "/..".utf8) }
        byContainer[container] =
            read.first { $0.value != nil } ?? read.first ?? (isOutside ? .unknown(.fact(.outsideView)) : nil)
    }
}

extension ProcessLookup {
    /// The containers that processes and charges are in, each with a text of /proc/PID/cgroup that names its cgroup: what its
    /// limits are read from. A false claim is none of them, because the limits of its folder are not the container's.
    func containerCgroups(_ observation: Observation) -> [(container: CgroupContainer, cgroup: String)] {
        let ofProcesses = observation.processes.compactMap { process -> (CgroupMembership, String)? in
            guard let text = process.cgroup.value, let membership = memberships[process.pid] else { return nil }
            return (membership, text)
        }
        // As /proc/PID/cgroup has it on the one hierarchy that has this controller.
        let ofCharges = observation.chargedMemberships.filter { !$0.cgroup.current.isEmpty }.map { cgroup, membership in
            (membership, "0::\(cgroup.path)\n")
        }
        return (ofProcesses + ofCharges).compactMap { membership, text in
            claimed.believed(membership).innermost.map { ($0, text) }
        }
    }
}
