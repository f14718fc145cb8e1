import HostFS
import Ledger

/// Looks up the processes that drivers list, each right after it was listed, and remembers them: a process that is still the
/// same is not read in full again, and one that has died is still known to have been in its container. Used by one thread.
final class ProcessWatch {
    /// Seconds after which what can change while a process lives is read again: its cgroup and its user.
    static let freshness = 10.0

    private let proc: ProcFS
    private let cgroups: CgroupFS
    private var known: [UInt32: Known] = [:]
    private var limits: [String: (limit: Reading<UInt64?>, readAt: Double)] = [:]
    /// Of this sample.
    private var found: [UInt32: ObservedProcess] = [:]
    private var now = 0.0

    private struct Known {
        var process: ObservedProcess
        var readAt: Double
    }

    init(_ proc: ProcFS, _ cgroups: CgroupFS) {
        self.proc = proc
        self.cgroups = cgroups
    }

    func beginSample() {
        found = [:]
        now = monotonicSeconds()
    }

    /// One that several GPUs list is looked up after each of them: it may have ended between them, and its PID been given
    /// to another.
    func look(up devices: [ObservedDevice]) {
        var listed: Set<UInt32> = []
        for device in devices {
            for list in [device.compute, device.graphics, device.mps] {
                for process in list.processes { listed.insert(process.pid) }
            }
        }
        look(up: listed)
    }

    func look(up clients: [DRMClient]) { look(up: Set(clients.map(\.pid))) }

    private func look(up pids: Set<UInt32>) {
        for pid in pids { if let process = process(pid) { found[pid] = process } }
    }

    /// By PID.
    var processes: [ObservedProcess] { found.values.sorted { $0.pid < $1.pid } }

    /// - Parameter completely: every list was read, so what is in none of them need not be remembered.
    func endSample(completely: Bool) {
        // A list that fails for good must not make it remember everybody.
        let oldest = completely ? Double.infinity : now - 6 * Self.freshness
        known = known.filter { found[$0.key] != nil || $0.value.readAt > oldest }
    }

    private func process(_ pid: UInt32) -> ObservedProcess? {
        let earlier = known[pid]
        if let earlier, now - earlier.readAt < Self.freshness, let process = proc.refreshed(earlier.process) {
            return process
        }
        guard var process = proc.process(pid) else { return nil }
        // On cgroup v1 a zombie has moved to the root; while it lived it was seen in its container.
        if process.isDead, let earlier, earlier.process.startTick == process.startTick {
            process.cgroup = earlier.process.cgroup
        }
        if process.cgroup.value != nil { known[pid] = Known(process: process, readAt: now) }
        return process
    }

    /// - Parameter containers: those that hold memory, each with a text of /proc/PID/cgroup that names its cgroup.
    func ramLimits(of containers: [(container: String, cgroup: String)]) -> [String: Reading<UInt64?>] {
        var told: [String: Reading<UInt64?>] = [:]
        for (container, text) in containers where told[container]?.value == nil {
            if let kept = limits[container], now - kept.readAt < Self.freshness, kept.limit.value != nil {
                told[container] = kept.limit
            } else {
                told[container] = cgroups.ramLimit(of: container, cgroup: text)
                limits[container] = (told[container]!, now)
            }
        }
        limits = limits.filter { told[$0.key] != nil }
        return told
    }
}
