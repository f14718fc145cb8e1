/// Which processes are a command's: its descendants, and in a container all that run in it.
package struct CommandScope: Sendable {
    /// Our own PID as /proc counts: everything below it belongs to the command. So does what the command's processes
    /// leave behind, because the kernel makes us their parent (prctl(2), PR_SET_CHILD_SUBREAPER). nil if there is no
    /// command.
    let ownPID: UInt32?
    /// Our cgroups, if we are in a container.
    private let cgroup: String?

    /// - Parameter cgroup: text of /proc/self/cgroup in a container; nil elsewhere.
    package init(ownPID: UInt32, cgroup: String?) {
        self.ownPID = ownPID
        self.cgroup = cgroup
    }

    /// There is no command, or nothing is known of it yet.
    package static let none = CommandScope()

    private init() { (ownPID, cgroup) = (nil, nil) }

    /// Ids of the containers that we are in.
    var ownContainers: Set<String> {
        Set(cgroup.map { CgroupMembership(cgroup: $0).containers.map(\.id) } ?? [])
    }

    package var isContainer: Bool { cgroup != nil }

    package init(_ environment: RuntimeEnvironment, ownPID: UInt32) {
        self.init(ownPID: ownPID, cgroup: environment.kind == .container ? environment.cgroup : nil)
    }

    func isInContainer(_ process: ObservedProcess, _ view: ProcessView) -> Bool {
        guard let cgroup, let text = process.cgroup.value else { return false }
        if text == cgroup { return true }
        if view.inCgroupNamespace { return CgroupMembership(cgroup: text).isBelowRoot }
        guard let own = CgroupMembership(cgroup: cgroup).innermost else { return false }
        return CgroupMembership.isInside(own, cgroup: text)
    }
}
