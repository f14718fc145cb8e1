import Glibc
import Ledger

/// /proc under an injected root: the only type that knows its layout.
package struct ProcFS: Sendable {
    package let root: String
    /// `self` is a link to our PID as that /proc counts: another number there means another namespace's /proc. A tree of
    /// plain files has no such link and stands for the machine's own.
    package let isOwn: Bool

    package init(root: String) {
        let root = root.utf8.count > 1 && root.endsWithSlash ? String(root.dropLast()) : root
        self.root = root
        // In a /proc of a namespace that we are not in, the link is there and leads nowhere.
        isOwn = FileReading.link("\(root)/self").map { $0 == String(getpid()) } ?? !FileReading.isLink("\(root)/self")
    }

    package static let ticksPerSecond = Int64(sysconf(Int32(_SC_CLK_TCK)))

    /// Uptime in ticks, on the clock of start times; nil if it cannot be read.
    ///
    /// LXCFS replaces the host's uptime with a container's own, but start times stay the host's. So for the system's own
    /// /proc, the kernel's clock is read, on which both are based. Elsewhere, a clock by which we would not have started
    /// yet is not used.
    package func uptime() -> Int64? {
        if root == "/proc" {
            var now = timespec()
            guard clock_gettime(CLOCK_BOOTTIME, &now) == 0 else { return nil }
            let fraction = Int64(now.tv_nsec) * Self.ticksPerSecond / 1_000_000_000
            return Int64(now.tv_sec) * Self.ticksPerSecond + fraction
        }
        guard let text = try? FileReading.text("\(root)/uptime"),
            let uptime = uptimeTicks(text, ticksPerSecond: Self.ticksPerSecond)
        else { return nil }
        let ownStart = (try? FileReading.text("\(root)/self/stat")).flatMap(ProcessStat.init)?.startTick
        return ownStart.map { $0 <= uptime } ?? true ? uptime : nil
    }

    /// Text of our own cgroup file; nil if it cannot be read.
    package var ownCgroup: String? {
        (try? FileReading.text("\(root)/self/cgroup"))?.capped(at: TextLimit.cgroup)
    }

    /// Inodes of the initial namespaces, fixed in the kernel since 3.8 (include/linux/proc_ns.h).
    private static let initialPIDNamespace: UInt64 = 0xEFFF_FFFC
    private static let initialCgroupNamespace: UInt64 = 0xEFFF_FFFB
    private static let initialUserNamespace: UInt64 = 0xEFFF_FFFD

    /// Reads what the links in /proc say about our namespaces. Every other part is unknown until `viewParts` are read.
    ///
    /// - Throws: if there is no /proc under the root at all.
    package func view() throws(FileError) -> ProcessView {
        try FileReading.checkFolder(root)
        // The folder is there and nothing is mounted on it. A captured tree has no such link either.
        if root == "/proc", !FileReading.isLink("/proc/self") { throw FileError(path: "/proc/self", code: ENOENT) }
        let namespace = FileReading.link("\(root)/self/ns/pid").flatMap(namespaceInode)
        let cgroup = FileReading.link("\(root)/self/ns/cgroup").flatMap(namespaceInode)
        let user = FileReading.link("\(root)/self/ns/user").flatMap(namespaceInode)
        return ProcessView(
            inInitialNamespace: namespace.map { $0 == Self.initialPIDNamespace }, procIsOwn: isOwn,
            hidesProcesses: true,
            inCgroupNamespace: cgroup.map { $0 != Self.initialCgroupNamespace } ?? false,
            inUserNamespace: user.map { $0 != Self.initialUserNamespace }, ticksPerSecond: Self.ticksPerSecond)
    }

    /// Reads a part of the view; what it returns notes the part.
    package typealias ViewPart = @Sendable () -> @Sendable (inout ProcessView) -> Void

    /// The parts of the view that come from files, each a reading of its own: LXCFS serves some of them by FUSE and can
    /// hang.
    package var viewParts: [ViewPart] {
        [
            { [self] in
                let hides = hidesProcesses
                return { $0.hidesProcesses = hides }
            },
            { [self] in
                let boot = (try? FileReading.text("\(root)/stat")).flatMap(HostFS.bootTime)
                return { $0.bootTime = boot }
            },
            { [self] in
                let isWSL = (try? FileReading.text("\(root)/version")).map(isWindowsKernel)
                return { $0.isWSL = isWSL }
            },
            { [self] in
                let text = try? FileReading.text("\(root)/sys/kernel/osrelease")
                let kernel = text.map { String($0.prefix { !$0.isNewline }).capped(at: TextLimit.deviceName) }
                return { $0.kernel = kernel }
            },
            { [self] in
                let mounts = ownMounts
                return { if $0.inCgroupNamespace { $0.ownMounts = mounts ?? [] } }
            },
            { [self] in
                // Marks are in the system's own root, and say nothing of another /proc.
                let mark = root == "/proc" ? SystemPath.engineMark : nil
                return { if $0.inCgroupNamespace { $0.ownEngine = mark } }
            },
        ]
    }

    /// The mounts of our own that can name our container; nil if they cannot be read.
    var ownMounts: [OwnMount]? { (try? FileReading.text("\(root)/self/mountinfo")).map(HostFS.ownMounts) }

    /// The host's RAM; nil if it cannot be read.
    package func hostMemory() -> HostMemory? {
        (try? FileReading.text("\(root)/meminfo")).flatMap(HostFS.hostMemory)
    }

    /// Whether processes of other users are hidden. `hidepid` does not apply to root, nor to members of a group named in
    /// the mount. PID 1 always exists and belongs to another user, so whether we can read it is the test.
    private var hidesProcesses: Bool {
        // The mount table comes second: with each container it is longer, and the kernel takes its time to write it.
        if (try? FileReading.text("\(root)/1/cgroup")) != nil { return false }
        return (try? FileReading.text("\(root)/mounts")).map(mountsHideProcesses) ?? false
    }

    /// Every PID that is to be seen.
    package func pids() throws(FileError) -> [UInt32] {
        try FileReading.names(in: root).compactMap { UInt32($0) }
    }

    /// The kernel serves it: a tree of plain files has no such link, and the folder of a thread only below its process.
    package var isKernels: Bool { FileReading.isLink("\(root)/self") }

    /// The kernel module's release, "550.144.03".
    package func kernelDriverVersion(sysfs: String) -> String? {
        (try? FileReading.text("\(sysfs)/module/nvidia/version")).map {
            String($0.prefix { !$0.isNewline }).capped(at: TextLimit.deviceName)
        }
    }
}
