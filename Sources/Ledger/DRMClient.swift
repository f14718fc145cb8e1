/// An open file of a DRM device in one process, as /proc/PID/fdinfo tells of it (kernel, Documentation/gpu/drm-usage-stats.rst).
/// The file itself, the client, may be open in several processes: forked ones, or such as it was passed to.
package struct DRMClient: Codable, Sendable, Equatable {
    /// Programs that open device files for the user's own, by their `comm`.
    static let openers: Set = ["systemd-logind", "elogind", "elogind-daemon", "seatd"]

    package var pid: UInt32
    /// Of the process: with the PID, its identity.
    package var startTick: Int64
    /// The same wherever the same file is open; unique on its device.
    package var id: UInt64
    /// "0000:03:00.0"; nil for a device that is on no PCI bus, and on kernels that do not tell.
    package var pci: String?
    /// Of the device file that is open: 128 for renderD128. nil where only its fdinfo could be read.
    package var minor: UInt32?
    package var regions: [DRMRegion]
    /// Bytes that belong into the device's own memory and were moved out of it, as amdgpu alone tells.
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

/// Bytes of one kind of memory that a client has; each is nil where the driver does not tell it.
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

    /// Never their sum: they are one amount, told in several ways.
    package var bytes: UInt64? { resident ?? memory ?? total }

    /// The device's own memory: amdgpu's vram, i915's local0, xe's vram0, and what the latter two have set aside of it.
    package var isDevices: Bool {
        isNumbered("vram") || isNumbered("local") || isStolen && !name.hasPrefix("stolen-system")
    }

    /// Set aside at boot: of the device's own memory, or of the host's where it has none.
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
