import Ledger

/// RAM limits of cgroups and owners of their folders, as the child read them.
struct CgroupReadings {
    /// By `CgroupFolder.key`.
    private var limits: [String: Reading<Limit<UInt64>>] = [:]
    private var owners: [String: UInt32] = [:]
    /// How many readings are too many to keep those of cgroups that no process is in any more.
    private var most = 256

    /// As `Observation` has them.
    var recordedLimits: [String: Reading<Limit<UInt64>>] { limits }
    /// As `Observation` has them; nil if none is known.
    var recordedOwners: [String: UInt32]? { owners.isEmpty ? nil : owners }

    mutating func note(_ facts: CgroupFacts) {
        limits.merge(facts.limits) { $1 }
        owners.merge(facts.owners) { $1 }
    }

    /// Forgets cgroups that no process is in any more, now and then.
    mutating func forget(in observation: Observation) {
        guard max(limits.count, owners.count) > most else { return }
        let charged = (observation.deviceMemory ?? []).map { "0::\($0.path)\n" }
        let texts = Set(observation.processes.compactMap(\.cgroup.value) + charged)
        let limited = Set(texts.flatMap { CgroupMembership.limitFolders(cgroup: $0).keys.map(\.key) })
        limits = limits.filter { limited.contains($0.key) }
        let owned = texts.reduce(into: Set()) { $0.formUnion(CgroupMembership.foldersOfClaims(cgroup: $1).map(\.key)) }
        owners = owners.filter { owned.contains($0.key) }
        most = max(256, 2 * max(limits.count, owners.count))
    }
}
