/// Which processes are a command's: its descendants, and in a container all that run in it.
package struct CommandScope: Sendable {
    /// Our own PID as /proc counts: everything below it is the command's, and what its parents left behind too, since the
    /// kernel hands that to us (prctl(2), PR_SET_CHILD_SUBREAPER).
    private let ownPID: UInt32
    /// Our cgroups, where we are in a container.
    private let cgroup: String?

    /// - Parameter cgroup: text of /proc/self/cgroup in a container; nil elsewhere.
    package init(ownPID: UInt32, cgroup: String?) {
        self.ownPID = ownPID
        self.cgroup = cgroup
    }

    package var isContainer: Bool { cgroup != nil }

    /// - Parameter parent: of a process, as /proc tells it now; nil for one that is no more.
    func holds(_ process: ObservedProcess, in view: ProcessView, parent: (UInt32) -> UInt32?) -> Bool {
        isInContainer(process, view) || descends(process.pid, parent)
    }

    private func isInContainer(_ process: ObservedProcess, _ view: ProcessView) -> Bool {
        guard let cgroup, let text = process.cgroup.value else { return false }
        if text == cgroup { return true }
        if view.inCgroupNamespace { return CgroupMembership(cgroup: text).isBelowRoot }
        guard let own = CgroupMembership(cgroup: cgroup).innermost else { return false }
        return CgroupMembership.isInside(own, cgroup: text)
    }

    private func descends(_ pid: UInt32, _ parent: (UInt32) -> UInt32?) -> Bool {
        // Where one on the way ends while we climb, its children have got another parent: from the start again.
        for _ in 0..<3 {
            var current = pid
            for _ in 0..<1000 {
                guard let next = parent(current) else { break }
                if next == ownPID { return true }
                if next <= 1 { return false }
                current = next
            }
        }
        return false
    }
}
