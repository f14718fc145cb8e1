/// What the kernel's dmem controller reports for a cgroup, by region: "drm/0000:03:00.0/vram0" (kernel 6.14 and later,
/// Documentation/admin-guide/cgroup-v2.rst, "DMEM").
package struct ChargedCgroup: Codable, Sendable, Equatable {
    /// Its path, as in /proc/PID/cgroup; "/" for the whole machine.
    package var path: String
    /// `dmem.current`: bytes that it and the cgroups in it have allocated.
    package var current: [String: UInt64]
    /// `dmem.max` by region: the lowest limit of the cgroup and of the cgroups around it. Regions without a limit are
    /// missing.
    package var limits: [String: UInt64]
    /// `dmem.capacity`, which the root alone has.
    package var capacity: [String: UInt64]?

    package init(
        path: String, current: [String: UInt64], limits: [String: UInt64] = [:], capacity: [String: UInt64]? = nil
    ) {
        self.path = path
        self.current = current
        self.limits = limits
        self.capacity = capacity
    }
}

extension Observation {
    /// What is charged on the machine as a whole.
    var chargedInAll: ChargedCgroup? { deviceMemory?.first { $0.path == "/" } }

    /// The cgroups that have charges, and the containers that their paths name. The machine's root alone has a capacity: without
    /// one, the paths begin at the root of our cgroup namespace.
    var chargedMemberships: [(cgroup: ChargedCgroup, membership: CgroupMembership)] {
        let isWhole = chargedInAll?.capacity?.isEmpty == false
        let owners = FolderOwners(self)
        return (deviceMemory ?? []).map { ($0, CgroupMembership(path: $0.path, isBelowRoot: !isWhole, owners)) }
    }
}

extension [String: UInt64] {
    /// The sum over a device's own memory; nil if no region belongs to this device.
    ///
    /// DRM drivers name a region `drm/ADDRESS/NAME` with the names vram and vram0, NVIDIA's since R615
    /// `nvidia/ADDRESS/vidmem` with a domain of eight digits (open-gpu-kernel-modules, os.c). The region `stolen` of xe
    /// is not VRAM.
    package func ofDevice(at pci: String) -> Bytes? {
        let regions = regions(at: pci)
        guard !regions.isEmpty else { return nil }
        return Bytes(reported: regions.values.reduce(0, &+))
    }

    func regions(at pci: String) -> [String: UInt64] {
        let wanted = Self.address(pci)
        return filter { region, _ in
            let parts = region.split(separator: "/")
            guard parts.count == 3, parts[2].hasPrefix("vram") || parts[2] == "vidmem" else { return false }
            return wanted != nil && Self.address(parts[1]) ?? (0, "") == wanted!
        }
    }

    /// The domain is written with four digits or eight.
    private static func address(_ text: some StringProtocol) -> (domain: UInt32, rest: String)? {
        guard let colon = text.firstIndex(of: ":"), let domain = UInt32(text[..<colon], radix: 16) else { return nil }
        return (domain, text[colon...].lowercased())
    }
}
