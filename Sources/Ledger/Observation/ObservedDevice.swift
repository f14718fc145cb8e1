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
    /// Uptime in ticks of the machine just before the lists were asked for; nil if /proc/uptime could not be read.
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
    package var reportsReserved: Bool
    /// The source of the figures; nil for NVML.
    package var source: String?
    /// Why `used` is unknown.
    package var whyNoUse: Reason?

    /// Names in recordings. `tellsReserved` is the name that recordings of version 0.1 have.
    private enum CodingKeys: String, CodingKey {
        case total, used, free, reserved, source, whyNoUse
        case reportsReserved = "tellsReserved"
    }

    package init(
        total: UInt64, used: UInt64?, free: UInt64?, reserved: UInt64? = nil, reportsReserved: Bool = true,
        source: String? = nil, whyNoUse: Reason? = nil
    ) {
        self.total = total
        self.used = used
        self.free = free
        self.reserved = reserved
        self.reportsReserved = reportsReserved
        self.source = source
        self.whyNoUse = whyNoUse
    }
}
