import Ledger

/// RAM limits of containers and owners of their folders, as the child told them when it read them.
struct CgroupReadings {
    /// By container, one for each text of /proc/PID/cgroup that names it.
    private var readings: [String: [RAMLimitReading]] = [:]
    private var owners: [String: UInt32] = [:]
    /// How many readings are too many to keep those of texts that no process has any more.
    private var most = 256

    private var count: Int { readings.values.reduce(0) { $0 + $1.count } }

    /// As `Observation` has them; nil if none is known.
    var recordedOwners: [String: UInt32]? { owners.isEmpty ? nil : owners }

    func limit(of container: String, in cgroup: String) -> Reading<UInt64?>? {
        readings[container]?.first { $0.cgroup == cgroup }?.limit
    }

    mutating func note(_ facts: CgroupFacts) {
        for reading in facts.limits {
            readings[reading.container, default: []].removeAll { $0.cgroup == reading.cgroup }
            readings[reading.container, default: []].append(reading)
        }
        owners.merge(facts.owners) { $1 }
    }

    /// Forgets cgroups that no process is in any more, now and then.
    mutating func forget(in observation: Observation) {
        guard max(count, owners.count) > most else { return }
        let charged = (observation.deviceMemory ?? []).map { "0::\($0.path)\n" }
        let texts = Set(observation.processes.compactMap(\.cgroup.value) + charged)
        readings = readings.compactMapValues { readings in
            let kept = readings.filter { texts.contains($0.cgroup) }
            return kept.isEmpty ? nil : kept
        }
        let folders = texts.reduce(into: Set()) {
            $0.formUnion(CgroupMembership.foldersOfClaims(cgroup: $1).map(\.key))
        }
        owners = owners.filter { folders.contains($0.key) }
        most = max(256, 2 * max(count, owners.count))
    }
}
