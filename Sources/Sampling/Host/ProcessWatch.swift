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
        var owners: [CgroupFolder: (owner: UInt32?, readAt: Double)] = [:]
        var firsts: (cgroups: [UInt64: String], readAt: Double, sample: UInt32)?
    }

    private struct Known {
        var process: ObservedProcess
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
            // A question's thread may come late.
            guard Int32(bitPattern: sample &- memory.sample) > 0 else { return }
            memory.sample = sample
            // A list that fails for good must not make it remember everybody.
            let oldest = forgets ? Double.infinity : monotonicSeconds() - 6 * Self.freshness
            memory.processes = memory.processes.filter { $0.value.sample &+ 1 == sample || $0.value.readAt > oldest }
        }
    }

    /// The present state of a process; nil if it does not exist.
    ///
    /// - Parameter whole: send everything, also what was sent before.
    func process(_ pid: UInt32, whole: Bool) -> SentProcess? {
        let (earlier, sample) = memory.withLock { ($0.processes[pid], $0.sample) }
        let now = monotonicSeconds()
        if let earlier, now - earlier.readAt < Self.freshness, let process = proc.refreshed(earlier.process) {
            keep(Known(process: process, readAt: earlier.readAt, sample: sample))
            let isSame = !whole && process.name == earlier.process.name
            return isSame ? .same(pid: pid, startTick: process.startTick) : .whole(process)
        }
        guard var process = proc.process(pid) else { return nil }
        // On cgroup v1 a zombie has moved to the root; while it lived it was seen in its container.
        if process.isDead, let earlier, earlier.process.startTick == process.startTick {
            process.cgroup = earlier.process.cgroup
        }
        process.namespaceCgroup = process.pidNamespace.flatMap { cgroup(ofFirstIn: $0) }
        if process.cgroup.value != nil { keep(Known(process: process, readAt: now, sample: sample)) }
        return .whole(process)
    }

    /// They are read in full the next time.
    func resend(_ pids: [UInt32]) {
        memory.withLock { memory in for pid in pids { memory.processes[pid]?.readAt = -.infinity } }
    }

    private func keep(_ known: Known) { memory.withLock { $0.processes[known.process.pid] = known } }

    /// Finding it takes a look at every process: once in a sample at most, for all namespaces.
    private func cgroup(ofFirstIn namespace: UInt64) -> String? {
        let now = monotonicSeconds()
        let (kept, sample) = memory.withLock { ($0.firsts, $0.sample) }
        if let kept, now - kept.readAt < Self.freshness, kept.sample == sample || kept.cgroups[namespace] != nil {
            return kept.cgroups[namespace]
        }
        let cgroups = proc.cgroupsOfFirstProcesses()
        memory.withLock { $0.firsts = (cgroups, now, sample) }
        return cgroups[namespace]
    }

    // MARK: Cgroups

    func limit(of folder: CgroupFolder) -> Reading<Limit<UInt64>> { cgroups.ramLimit(of: folder) }

    /// Who owns a folder of cgroups; nil if that cannot be read. Most containers have theirs in the same few folders.
    func owner(of folder: CgroupFolder) -> UInt32? {
        let now = monotonicSeconds()
        if let kept = memory.withLock({ $0.owners[folder] }), now - kept.readAt < Self.freshness { return kept.owner }
        let owner = cgroups.owner(of: folder)
        memory.withLock { memory in
            if memory.owners.count >= Self.mostKept { memory.owners = [:] }
            memory.owners[folder] = (owner, now)
        }
        return owner
    }

    private static let mostKept = 1024
}
