/// The RAM limit of each container, found by the paths that name it.
struct RAMLimits {
    /// By id; a value of nil is "no limit".
    private(set) var byContainer: [String: Reading<UInt64?>]

    init(_ observation: Observation, _ lookup: ProcessLookup) {
        byContainer = observation.ramLimits ?? [:]
        guard let limits = observation.cgroupLimits else { return }
        for (container, text) in observation.containerCgroups {
            note(container, CgroupMembership.places(of: container, cgroup: text).map { CgroupFolder($0) }, in: limits)
        }
        for process in observation.processes {
            guard let text = process.cgroup.value, let own = lookup.place(of: process.pid).container, own.isOwn
            else { continue }
            note(own.id, CgroupMembership.roots(cgroup: text), in: limits)
        }
    }

    /// The first folder that has a limit, or says that it has none, decides.
    private mutating func note(_ container: String, _ folders: [CgroupFolder], in limits: [String: Reading<UInt64?>]) {
        guard byContainer[container]?.value == nil else { return }
        let read = folders.compactMap { limits[$0.key] }
        let isOutside = !folders.isEmpty && folders.allSatisfy { $0.path.utf8.starts(with: "/..".utf8) }
        byContainer[container] =
            read.first { $0.value != nil } ?? read.first ?? (isOutside ? .unknown(.fact(.outsideView)) : nil)
    }
}
