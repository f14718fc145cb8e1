import HostFS
import Ledger
import Synchronization

/// Looks up the processes that drivers list, and remembers them: a process that is still the same is not read in full again,
/// and one that has died is still known to have been in its container. Its calls can hang.
final class ProcessWatch: Sendable {
    /// Seconds after which what can change while a process lives is read again: its cgroup and its user.
    static let freshness = 10.0

    private let proc: ProcFS
    private let cgroups: CgroupFS
    private let memory = Mutex(Memory())

    private struct Memory {
        var sample: UInt32 = 0
        var processes: [UInt32: Known] = [:]
        var limits: [LimitKey: KnownLimit] = [:]
        /// Processes whose files have not answered.
        var hangingProcesses: Set<UInt32> = []
        /// Users who are being looked up, and since when.
        var users: [UInt32: Double] = [:]
    }

    private struct Known {
        var process: ObservedProcess
        var readAt: Double
        var sample: UInt32
    }

    private struct LimitKey: Hashable {
        var container: String
        var cgroup: String
    }

    private struct KnownLimit {
        var reading: RAMLimitReading
        var readAt: Double
        var sample: UInt32
    }

    init(_ proc: ProcFS, _ cgroups: CgroupFS) {
        self.proc = proc
        self.cgroups = cgroups
    }

    /// - Parameter forgets: every list of the sample before was read, so what is in none of them need not be remembered.
    func begin(sample: UInt32, forgets: Bool) {
        memory.withLock { memory in
            guard memory.sample != sample else { return }
            memory.sample = sample
            // A list that fails for good must not make it remember everybody.
            let oldest = forgets ? Double.infinity : monotonicSeconds() - 6 * Self.freshness
            memory.processes = memory.processes.filter { $0.value.sample &+ 1 == sample || $0.value.readAt > oldest }
            memory.limits = memory.limits.filter { $0.value.sample &+ 1 == sample }
        }
    }

    /// What can be told of a process now; nil if there is none.
    func process(_ pid: UInt32) -> ObservedProcess? {
        let (earlier, sample) = memory.withLock { ($0.processes[pid], $0.sample) }
        let now = monotonicSeconds()
        if let earlier, now - earlier.readAt < Self.freshness, let process = proc.refreshed(earlier.process) {
            keep(Known(process: process, readAt: earlier.readAt, sample: sample))
            return process
        }
        guard var process = proc.process(pid) else { return nil }
        // On cgroup v1 a zombie has moved to the root; while it lived it was seen in its container.
        if process.isDead, let earlier, earlier.process.startTick == process.startTick {
            process.cgroup = earlier.process.cgroup
        }
        if process.cgroup.value != nil { keep(Known(process: process, readAt: now, sample: sample)) }
        return process
    }

    private func keep(_ known: Known) { memory.withLock { $0.processes[known.process.pid] = known } }

    // MARK: RAM limits

    /// The containers whose RAM limit can be read for this text of /proc/PID/cgroup.
    static func containers(in cgroup: String) -> [String] {
        CgroupMembership(cgroup: cgroup).containers.map(\.id)
    }

    func limit(of container: String, cgroup: String) -> RAMLimitReading {
        let key = LimitKey(container: container, cgroup: cgroup)
        let now = monotonicSeconds()
        let (kept, sample) = memory.withLock { ($0.limits[key], $0.sample) }
        if var kept, now - kept.readAt < Self.freshness, kept.reading.limit.value != nil {
            kept.sample = sample
            memory.withLock { $0.limits[key] = kept }
            return kept.reading
        }
        var reading = RAMLimitReading(
            container: container, cgroup: cgroup, limit: cgroups.ramLimit(of: container, cgroup: cgroup))
        if Self.containers(in: cgroup).first == container { reading.owners = cgroups.owners(ofClaimsIn: cgroup) }
        memory.withLock { $0.limits[key] = KnownLimit(reading: reading, readAt: now, sample: sample) }
        return reading
    }

    // MARK: What hangs

    /// Those of the PIDs whose files have not answered since an earlier question.
    func hanging(among pids: [UInt32]) -> Set<UInt32> {
        memory.withLock { $0.hangingProcesses.isEmpty ? [] : $0.hangingProcesses.intersection(pids) }
    }

    func hangs(_ pid: UInt32) { memory.withLock { _ = $0.hangingProcesses.insert(pid) } }
    func answered(_ pid: UInt32) {
        memory.withLock { if !$0.hangingProcesses.isEmpty { $0.hangingProcesses.remove(pid) } }
    }

    /// - Returns: whether the user is to be looked up: not if that has hung for a while already.
    func beginsLookingUp(_ user: UInt32) -> Bool {
        let now = monotonicSeconds()
        return memory.withLock { memory in
            guard let since = memory.users[user] else {
                memory.users[user] = now
                return true
            }
            return now - since < 0.5
        }
    }
    func endsLookingUp(_ user: UInt32) { memory.withLock { _ = $0.users.removeValue(forKey: user) } }
}
