/// Which of the host's processes are visible from here.
package struct ProcessView: Codable, Sendable, Equatable {
    /// Whether we run in the host's initial PID namespace; nil if unknown.
    package var inInitialNamespace: Bool?
    /// Whether the PIDs under the /proc that was read are those of our own PID namespace. False for a host's /proc
    /// mounted into a container.
    package var procIsOwn: Bool
    /// /proc is mounted with `hidepid` and we have no right to look past it.
    package var hidesProcesses: Bool
    /// Our own cgroup paths are relative to a container's root: we are in a cgroup namespace.
    package var inCgroupNamespace: Bool
    /// We run in a user namespace of our own, so that the uids we see are not the host's; nil if unknown.
    package var inUserNamespace: Bool?
    /// The mounts of our own that can name the container that we run in; nil outside a cgroup namespace, and in recordings of
    /// version 0.1.0.
    package var ownMounts: [OwnMount]?
    /// What marks of an engine there are: "Docker", "Podman", or the word of systemd's container interface. nil if there is none.
    package var ownEngine: String?
    /// The container that we run in, in recordings of version 0.1.0.
    package var ownContainer: String?
    /// Unit of start times, `sysconf(_SC_CLK_TCK)`.
    package var ticksPerSecond: Int64
    /// Boot time in seconds since 1970 (`btime` of /proc/stat); nil if it could not be read.
    package var bootTime: Int64?
    /// "535.104.05"; nil if the driver did not report it.
    package var nvidiaDriver: String?
    /// The newest CUDA version that NVIDIA's driver supports, 12040 for 12.4; nil if the driver did not report it.
    package var cudaVersion: UInt32?
    /// Windows' subsystem for Linux; nil in recordings that do not say.
    package var isWSL: Bool?
    /// "6.14.2-arch1-1": what kernel drivers report depends on it. nil in recordings without it.
    package var kernel: String?

    package init(
        inInitialNamespace: Bool? = true, procIsOwn: Bool = true, hidesProcesses: Bool = false,
        inCgroupNamespace: Bool = false, inUserNamespace: Bool? = nil, ownMounts: [OwnMount]? = nil,
        ownEngine: String? = nil, ticksPerSecond: Int64 = 100,
        bootTime: Int64? = nil, nvidiaDriver: String? = nil, isWSL: Bool? = nil, kernel: String? = nil
    ) {
        self.inInitialNamespace = inInitialNamespace
        self.procIsOwn = procIsOwn
        self.hidesProcesses = hidesProcesses
        self.inCgroupNamespace = inCgroupNamespace
        self.inUserNamespace = inUserNamespace
        self.ownMounts = ownMounts
        self.ownEngine = ownEngine
        self.ticksPerSecond = ticksPerSecond
        self.bootTime = bootTime
        self.nvidiaDriver = nvidiaDriver
        self.isWSL = isWSL
        self.kernel = kernel
    }
}

extension ProcessView {
    /// Whether a process that is not to be seen is not there.
    package var seesEveryProcess: Bool { inInitialNamespace != false && procIsOwn && !hidesProcesses }
}

extension ProcessView {
    /// Whether a PID in this driver's lists names a process of the /proc that was read. NVIDIA's driver lists PIDs of the
    /// caller's namespace since 535.113.01, before that of the initial one (open-gpu-kernel-modules, os_find_ns_pid);
    /// AMD's compute driver always lists PIDs of the initial one (kernel, kfd_process.c). Other drivers have no lists.
    func meansOurProcesses(_ vendor: Vendor) -> Bool {
        if inInitialNamespace != false { return procIsOwn }
        // Another /proc than our own namespace's is the host's, brought into the container.
        guard vendor == .nvidia else { return !procIsOwn }
        guard let translates = nvidiaDriver.flatMap(translatesPIDs) else { return false }
        return translates == procIsOwn
    }
}

extension ProcessView {
    /// Who runs the container that we are in, by the mark that it left: what `/run/systemd/container` or the variable
    /// `container` says (systemd, "The Container Interface"), or the name of a file.
    package var ownRuntime: Runtime {
        switch ownEngine {
        case "Docker": .docker
        case "Podman", "podman": .podman
        case "lxc", "lxc-libvirt": .lxc
        case "systemd-nspawn": .nspawn
        default: .unknown
        }
    }

    /// The container that we run in, if known: its id, and whether the id is certain.
    package var own: (id: String, isVerified: Bool)? {
        let own = OwnContainer(self)
        return own.id.map { ($0, own.isVerified) }
    }
}
