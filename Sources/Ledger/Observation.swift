/// What the sources said at one moment, unjudged. A plain value: it can be recorded and replayed, and the ledger is a
/// function of it. It holds no command line and no environment; a recording of it no label but Compose's two.
package struct Observation: Codable, Sendable, Equatable {
    /// Milliseconds since 1970, UTC.
    package var time: Int64
    package var host: String
    package var view: ProcessView
    package var devices: [ObservedDevice]
    /// What /proc said of each PID that a driver listed and that was there.
    package var processes: [ObservedProcess]
    package var engines: [ObservedEngine]
    /// RAM limits in bytes of cgroups that processes are in or below, by `CgroupFolder.key`. A value of nil means no
    /// limit. If no container is known for a path, all of its folders are included. nil in recordings of version 0.1.0.
    package var cgroupLimits: [String: Reading<UInt64?>]?
    /// The same by container id, of recordings of version 0.1.0.
    package var ramLimits: [String: Reading<UInt64?>]?
    /// By `CgroupFolder.key`: who owns the folders that containers' cgroups are in, and the root of each hierarchy, as our user
    /// namespace has the uid. Without those that could not be read; nil in recordings that do not say.
    package var cgroupOwners: [String: UInt32]?
    /// The host's own memory; nil if no device uses it.
    package var hostMemory: HostMemory?
    /// The open files of DRM devices, or why they could not be read; nil if there is no such device.
    package var clients: Reading<ClientList>?
    /// GPU memory that the kernel's dmem controller charged to containers and to the whole host; nil if there is no such
    /// controller.
    package var deviceMemory: [ChargedCgroup]?
    package var sources: [SourceReport]

    package init(
        time: Int64, host: String, view: ProcessView, devices: [ObservedDevice] = [], processes: [ObservedProcess] = [],
        engines: [ObservedEngine] = [], cgroupLimits: [String: Reading<UInt64?>]? = nil,
        cgroupOwners: [String: UInt32]? = nil, hostMemory: HostMemory? = nil,
        clients: Reading<ClientList>? = nil, deviceMemory: [ChargedCgroup]? = nil, sources: [SourceReport] = []
    ) {
        self.time = time
        self.host = host
        self.view = view
        self.devices = devices
        self.processes = processes
        self.engines = engines
        self.cgroupLimits = cgroupLimits
        self.cgroupOwners = cgroupOwners
        self.hostMemory = hostMemory
        self.clients = clients
        self.deviceMemory = deviceMemory
        self.sources = sources
    }
}

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

package enum Vendor: String, Codable, Sendable {
    case nvidia, amd, intel, other
}

/// A GPU or a MIG instance, as its driver reported it.
package struct ObservedDevice: Codable, Sendable, Equatable {
    /// The host's index: "0", and "0:1" for a MIG instance.
    package var index: String
    package var vendor: Vendor
    package var uuid: String?
    package var name: String?
    package var pci: String?
    /// For a MIG instance: the index of the GPU that it is part of.
    package var parentIndex: String?
    package var gpuInstance: UInt32?
    package var computeInstance: UInt32?
    /// MIG is enabled: programs run in the instances, and nowhere if there are none. nil if unknown.
    package var isPartitioned: Bool?
    package var memory: Reading<ObservedMemory>
    /// The device has no memory of its own and uses the host's; nil if unknown.
    package var sharesHostMemory: Bool?
    /// The kernel's driver, "amdgpu" or "xe"; nil for NVIDIA's, which is asked through its library.
    package var driver: String?
    /// Minor numbers of its DRM device files; nil if it has none.
    package var minors: [UInt32]?
    package var utilizationPercent: Reading<Int>
    package var compute: ListReading
    package var graphics: ListReading
    package var mps: ListReading
    /// Uptime in ticks of the machine just before the lists were asked for; nil where /proc/uptime could not be read.
    /// A process that started later is not the one that the driver meant.
    package var askedAtTick: Int64?
    /// Records of its lists that were left out, because no process can have their PID; nil if there were none.
    package var leftOut: Int?
    /// The driver's accounts of the processes that were asked for; nil if none were.
    package var accounts: [ProcessAccount]?

    /// Names in recordings. `isDivided` is the name that recordings of version 0.1 have.
    private enum CodingKeys: String, CodingKey {
        case index, vendor, uuid, name, pci, parentIndex, gpuInstance, computeInstance, memory, sharesHostMemory,
            driver, minors
        case isPartitioned = "isDivided"
        case utilizationPercent, compute, graphics, mps, askedAtTick, leftOut, accounts
    }

    package init(
        index: String, vendor: Vendor = .nvidia, uuid: String? = nil, name: String? = nil, pci: String? = nil,
        parentIndex: String? = nil, gpuInstance: UInt32? = nil, computeInstance: UInt32? = nil,
        memory: Reading<ObservedMemory>, driver: String? = nil, minors: [UInt32]? = nil, sharesHostMemory: Bool? = nil,
        isPartitioned: Bool? = nil,
        utilizationPercent: Reading<Int>,
        compute: ListReading,
        graphics: ListReading = .absent, mps: ListReading = .absent, askedAtTick: Int64? = nil
    ) {
        self.index = index
        self.vendor = vendor
        self.uuid = uuid
        self.name = name
        self.pci = pci
        self.parentIndex = parentIndex
        self.gpuInstance = gpuInstance
        self.computeInstance = computeInstance
        self.memory = memory
        self.driver = driver
        self.minors = minors
        self.sharesHostMemory = sharesHostMemory
        self.isPartitioned = isPartitioned
        self.utilizationPercent = utilizationPercent
        self.compute = compute
        self.graphics = graphics
        self.mps = mps
        self.askedAtTick = askedAtTick
    }
}

/// The driver's account of one process on a device, which it keeps after the process has ended.
package struct ProcessAccount: Codable, Sendable, Equatable {
    package var pid: UInt32
    /// The most that it held at any time.
    package var peakBytes: UInt64
    /// When it began to use the device, in microseconds since 1970 (open-gpu-kernel-modules, gpuacctGetCurrTime).
    package var startTime: UInt64

    package init(pid: UInt32, peakBytes: UInt64, startTime: UInt64) {
        self.pid = pid
        self.peakBytes = peakBytes
        self.startTime = startTime
    }
}

/// A device's own memory in bytes.
package struct ObservedMemory: Codable, Sendable, Equatable {
    package var total: UInt64
    /// nil if the driver does not report it, or not to us.
    package var used: UInt64?
    package var free: UInt64?
    /// What the driver itself calls reserved; nil if it does not report it.
    package var reserved: UInt64?
    /// False if the driver has only the call that counts reserved memory as used.
    package var tellsReserved: Bool
    /// The source of the figures; nil for NVML.
    package var source: String?
    /// Why `used` is unknown.
    package var whyNoUse: Reason?

    package init(
        total: UInt64, used: UInt64?, free: UInt64?, reserved: UInt64? = nil, tellsReserved: Bool = true,
        source: String? = nil, whyNoUse: Reason? = nil
    ) {
        self.total = total
        self.used = used
        self.free = free
        self.reserved = reserved
        self.tellsReserved = tellsReserved
        self.source = source
        self.whyNoUse = whyNoUse
    }
}

/// The host's RAM in bytes (MemTotal and MemAvailable of /proc/meminfo).
package struct HostMemory: Codable, Sendable, Equatable {
    package var total: UInt64
    package var available: UInt64

    package init(total: UInt64, available: UInt64) {
        self.total = total
        self.available = available
    }
}

/// One of a driver's process lists: read, not there on this device or driver (so: empty), or failed.
package enum ListReading: Sendable, Equatable {
    case read([ListedProcess])
    case absent
    case failed(Reason)

    package var processes: [ListedProcess] {
        if case .read(let processes) = self { processes } else { [] }
    }

    /// The most processes that NVIDIA's driver lists in one query (NV2080_CTRL_GPU_GET_PIDS_MAX_COUNT, ctrl2080gpu.h).
    package static let capacity = 950

    /// There may be more than it could hold.
    package var isFull: Bool { processes.count >= Self.capacity }
}

extension ListReading: Codable {
    private enum Key: String, CodingKey { case processes, failed }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        if let reason = try container.decodeIfPresent(Reason.self, forKey: .failed) {
            self = .failed(reason)
        } else if let processes = try container.decodeIfPresent([ListedProcess].self, forKey: .processes) {
            self = .read(processes)
        } else {
            self = .absent
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .read(let processes): try container.encode(processes, forKey: .processes)
        case .failed(let reason): try container.encode(reason, forKey: .failed)
        case .absent: break
        }
    }
}

/// A line of a driver's list.
package struct ListedProcess: Codable, Sendable, Equatable {
    package var pid: UInt32
    /// nil if the driver does not report it (NVML_VALUE_NOT_AVAILABLE).
    package var bytes: UInt64?
    package var gpuInstance: UInt32?
    package var computeInstance: UInt32?
    /// True if the process uses at least `bytes`, because some of its contexts report nothing; else nil.
    package var isPartial: Bool?

    package init(
        pid: UInt32, bytes: UInt64?, gpuInstance: UInt32? = nil, computeInstance: UInt32? = nil, isPartial: Bool? = nil
    ) {
        self.pid = pid
        self.bytes = bytes
        self.gpuInstance = gpuInstance
        self.computeInstance = computeInstance
        self.isPartial = isPartial
    }
}

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

/// A container engine that answered, and the containers that it runs.
package struct ObservedEngine: Codable, Sendable, Equatable {
    package var runtime: Runtime
    package var containers: [EngineContainer]
    /// The uid that listens at its socket (unix(7), SO_PEERCRED), as our user namespace has it; nil in recordings that do not
    /// say.
    package var owner: UInt32?
    /// When it said so, in milliseconds since 1970, if it did not answer this time; nil if it did.
    package var toldAt: Int64?

    package init(runtime: Runtime, containers: [EngineContainer], owner: UInt32? = nil, toldAt: Int64? = nil) {
        self.runtime = runtime
        self.containers = containers
        self.owner = owner
        self.toldAt = toldAt
    }
}

package struct EngineContainer: Codable, Sendable, Equatable {
    package var id: String
    package var name: String?
    package var image: String?
    package var labels: [String: String]

    package init(id: String, name: String?, image: String?, labels: [String: String] = [:]) {
        self.id = id
        self.name = name
        self.image = image
        self.labels = labels
    }
}

/// Who runs a container.
package enum Runtime: String, Codable, Sendable {
    case docker, podman, containerd
    case crio = "cri-o"
    case lxc, nspawn, ecs, unknown
}

/// How a source answered.
package struct SourceReport: Codable, Sendable, Equatable {
    package var name: String
    package var seconds: Double
    /// nil if there was no error.
    package var error: Reason?
    /// The error is that this source does not exist here, and that no user asked for it; nil if the source exists.
    package var isAbsent: Bool?
    /// The error is that we have no permission to ask; nil if it is none of that kind, and in recordings that do not say.
    package var isForbidden: Bool?
    /// If the source did not answer and an earlier answer is used: the time of that answer, in milliseconds since 1970.
    /// Else nil.
    package var toldAt: Int64?

    /// The name of the source of processes.
    package static let proc = "proc"

    package var ok: Bool { error == nil }
    /// An engine is named by its kind; the second of a kind has its socket in the name.
    package var isEngine: Bool { ["docker", "podman"].contains(name.prefix { $0 != ":" }) }
    package var isDriver: Bool { ["nvml", "drm"].contains(name) }

    package init(name: String, seconds: Double, error: Reason? = nil, isAbsent: Bool? = nil, isForbidden: Bool? = nil) {
        self.name = name
        self.seconds = seconds
        self.error = error
        self.isAbsent = isAbsent
        self.isForbidden = isForbidden
    }
}
