/// What /proc said of one PID.
package struct ObservedProcess: Codable, Sendable, Equatable {
    package var pid: UInt32
    /// Ticks since boot (field 22 of /proc/PID/stat): with the PID, the process's identity.
    package var startTick: Int64
    /// No thread of it lives: it is a zombie, or being reaped.
    package var isDead: Bool
    /// Text of /proc/PID/cgroup; that of a living thread if only the leader is dead.
    package var cgroup: Reading<String>
    /// The PIDs it has, outermost namespace first.
    package var namespacePIDs: [UInt32]
    /// `comm`.
    package var name: String
    /// The host's name for the effective user, or its number if it has no name; nil if status could not be read.
    package var user: String?
    /// Inode of its PID namespace, of a process that is in one of its own and in no container by its cgroup; nil for others,
    /// and if it could not be read.
    package var pidNamespace: UInt64?
    /// The cgroup text of the first process of that namespace.
    package var namespaceCgroup: String?

    package init(
        pid: UInt32, startTick: Int64, isDead: Bool = false, cgroup: Reading<String>, namespacePIDs: [UInt32] = [],
        name: String = "", user: String? = nil
    ) {
        self.pid = pid
        self.startTick = startTick
        self.isDead = isDead
        self.cgroup = cgroup
        self.namespacePIDs = namespacePIDs
        self.name = name
        self.user = user
    }
}
