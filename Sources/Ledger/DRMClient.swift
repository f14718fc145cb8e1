/// An open file of a DRM device in one process, as /proc/PID/fdinfo reports it (kernel,
/// Documentation/gpu/drm-usage-stats.rst). The client itself may be open in several processes: after a fork, or if the
/// descriptor was passed on.
package struct DRMClient: Codable, Sendable, Equatable {
    /// Programs that open device files for the user's own, by their `comm`.
    static let openers: Set = ["systemd-logind", "elogind", "elogind-daemon", "seatd"]

    package var pid: UInt32
    /// Of the process: with the PID, its identity.
    package var startTick: Int64
    /// The same wherever the same file is open; unique on its device.
    package var id: UInt64
    /// "0000:03:00.0"; nil for a device that is not on a PCI bus, and on kernels that do not report it.
    package var pci: String?
    /// Minor number of the open device file: 128 for renderD128. nil if only its fdinfo could be read.
    package var minor: UInt32?
    package var regions: [DRMRegion]
    /// Bytes that belong in the device's own memory and were evicted; only amdgpu reports them.
    package var evicted: UInt64?
    /// It has kept an engine busy that computes, or one that does anything else but copy.
    package var hasComputed: Bool
    package var hasDrawn: Bool

    package init(
        pid: UInt32, startTick: Int64, id: UInt64, pci: String?, minor: UInt32?, regions: [DRMRegion],
        evicted: UInt64? = nil, hasComputed: Bool = false, hasDrawn: Bool = false
    ) {
        self.pid = pid
        self.startTick = startTick
        self.id = id
        self.pci = pci
        self.minor = minor
        self.regions = regions
        self.evicted = evicted
        self.hasComputed = hasComputed
        self.hasDrawn = hasDrawn
    }
}

/// Bytes of one kind of memory that a client uses. Each is nil if the driver does not report it.
package struct DRMRegion: Codable, Sendable, Equatable {
    /// The driver's word for it: "vram", "gtt", "local0", "system".
    package var name: String
    package var resident: UInt64?
    /// What amdgpu called it before there was `resident`.
    package var memory: UInt64?
    /// Also what is in no memory at present.
    package var total: UInt64?

    package init(name: String, resident: UInt64? = nil, memory: UInt64? = nil, total: UInt64? = nil) {
        self.name = name
        self.resident = resident
        self.memory = memory
        self.total = total
    }

    /// The best of the three figures. They describe the same memory, so they are never added.
    package var bytes: UInt64? { resident ?? memory ?? total }

    /// Whether this is the device's own memory: amdgpu's vram, i915's local0, xe's vram0, and the stolen part of the
    /// latter two.
    package var isDevices: Bool {
        isNumbered("vram") || isNumbered("local") || isStolen && !name.hasPrefix("stolen-system")
    }

    /// Whether the firmware reserved this memory at boot: from the device's own memory, or from host RAM if the device
    /// has none.
    package var isStolen: Bool { name == "stolen" || isNumbered("stolen-local") || isNumbered("stolen-system") }

    /// The host's memory: amdgpu's and xe's gtt, amdgpu's cpu, i915's system0, what xe calls system and others memory, and
    /// what panthor's own objects take beside that.
    package var isHosts: Bool { ["gtt", "cpu", "memory", "panthor"].contains(name) || isNumbered("system") }

    private func isNumbered(_ kind: String) -> Bool {
        name.hasPrefix(kind) && name.utf8.dropFirst(kind.utf8.count).allSatisfy { 0x30...0x39 ~= $0 }
    }
}

/// The clients of every process whose descriptors could be read.
package struct ClientList: Codable, Sendable, Equatable {
    package var clients: [DRMClient]
    /// Processes whose descriptors are not ours to read, and who may have clients.
    package var unreadable: Int

    package init(clients: [DRMClient], unreadable: Int) {
        self.clients = clients
        self.unreadable = unreadable
    }

    /// What is missing; nil if nothing is.
    package var complaint: Reason? { unreadable > 0 ? .unreadProcesses(unreadable) : nil }
}
