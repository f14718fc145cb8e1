import HostFS
import Ledger

/// The GPUs with kernel drivers, as /sys and the devices report them: AMD's, Intel's, and those of small boards. NVIDIA's
/// are queried through its library. The calls can block if a driver hangs, so they belong in a child process.
package struct DRMDriver: Sendable {
    let kfd: KFDFS
    /// By vendor and bus address, the order in which the vendors' own tools count.
    package let gpus: [KernelGPU]
    /// What could not be read, so that GPUs may be missing.
    package let trouble: Reason?

    package init(sysfs: String) {
        kfd = KFDFS(sysfs: sysfs)
        let found = DRMFS(sysfs: sysfs).devices()
        gpus = KernelGPU.all(found.devices, kfd.nodes())
        trouble = .several(of: found.troubles)
    }

    /// A GPU, and then its partitions.
    ///
    /// - Parameter clock: uptime in ticks.
    package func observe(_ gpu: KernelGPU, clock: () -> Int64?) -> [ObservedDevice] {
        var device = gpu.unread
        device.askedAtTick = clock()
        switch gpu.vendor {
        case .amd: return observeAMD(gpu, device)
        case .intel: observeIntel(gpu, into: &device)
        default:
            device.sharesHostMemory = true
            device.memory = .unknown(.fact(.noOwnMemory))
        }
        return [device]
    }
}

extension ObservedDevice {
    /// The same device, which does not answer.
    package func unreadable(why: Reason) -> ObservedDevice {
        var device = self
        device.memory = .unknown(why)
        device.utilizationPercent = .unknown(why)
        device.compute = .failed(why)
        return device
    }
}

/// A GPU of a kernel driver, before anything was asked of it.
package struct KernelGPU: Sendable {
    package var vendor: Vendor
    /// The host's number for it among its vendor's.
    package var index = ""
    var device: DRMDevice?
    /// Nodes of AMD's compute driver; several if the GPU is partitioned.
    var nodes: [KFDNode] = []

    private var pci: String? { device?.pci ?? nodes.first?.pci }

    /// Drivers of GPUs on small boards, without memory of their own. A GPU with an unknown driver is shown if a program
    /// uses it and the driver reports how much.
    private static let sharing = ["panthor", "panfrost", "v3d", "msm", "msm_dpu", "adreno"]
    /// Drivers that do not report the memory of processes, or report it elsewhere: NVIDIA's own and the free ones for its
    /// GPUs, and drivers of displays without a GPU and of test devices (kernel,
    /// drivers/gpu/drm/{tiny,ast,mgag200,vgem,vkms,…}).
    private static let others = [
        "nvidia", "nouveau", "nova", "nova-core", "ast", "mgag200", "simple-framebuffer", "simpledrm", "ofdrm",
        "efidrm", "vesadrm", "bochs-drm", "bochs", "cirrus", "cirrus-qemu", "vgem", "vkms", "hibmc", "hibmc-drm",
        "udl", "evdi", "gud", "hyperv_drm", "vboxvideo",
    ]

    static func all(_ devices: [DRMDevice], _ nodes: [KFDNode]) -> [KernelGPU] {
        var gpus = devices.compactMap { device -> KernelGPU? in
            // The partitions of a GPU have device files at a platform device each (kernel, amdgpu_xcp_drv.c).
            guard let vendor = vendor(of: device), !device.driver.hasPrefix("amdgpu_xcp") else { return nil }
            return KernelGPU(vendor: vendor, device: device)
        }
        for node in nodes {
            // By its device file first: the address of a node leaves the PCI function out.
            let byFile = gpus.firstIndex { gpu in
                gpu.device?.nodes.contains { $0.minor == node.renderMinor && $0.name.hasPrefix("renderD") } == true
            }
            if let index = byFile ?? gpus.firstIndex(where: { $0.vendor == .amd && $0.pci == node.pci }) {
                gpus[index].nodes.append(node)
            } else {
                gpus.append(KernelGPU(vendor: .amd, nodes: [node]))
            }
        }
        let order: [Vendor] = [.nvidia, .amd, .intel, .other]
        gpus.sort { left, right in
            let places = [left, right].map { order.firstIndex(of: $0.vendor) ?? order.count }
            // Those that may not be shown take no number from others.
            let hidden = [left, right].map { $0.isUnknown ? 1 : 0 }
            return (places[0], hidden[0], left.id) < (places[1], hidden[1], right.id)
        }
        var counts: [Vendor: Int] = [:]
        for index in gpus.indices {
            gpus[index].index = String(counts[gpus[index].vendor, default: 0])
            counts[gpus[index].vendor, default: 0] += 1
        }
        return gpus
    }

    private var isUnknown: Bool { Self.isUnknown(vendor, driver: device?.driver) }

    private static func isUnknown(_ vendor: Vendor, driver: String?) -> Bool {
        vendor == .other && !sharing.contains(driver ?? "")
    }

    private var id: String { device?.id ?? pci ?? "" }

    private static func vendor(of device: DRMDevice) -> Vendor? {
        switch device.driver {
        case "amdgpu", "radeon": .amd
        case "i915", "xe": .intel
        case let driver where others.contains(driver): nil
        default: device.renderNode == nil ? nil : .other
        }
    }

    /// Whether a device is shown: a GPU with an unknown driver, only if the driver reports the memory of a process.
    package static func isShown(_ device: ObservedDevice, _ clients: [DRMClient]) -> Bool {
        guard isUnknown(device.vendor, driver: device.driver) else { return true }
        return clients.contains { client in
            client.minor.map { device.minors?.contains($0) == true } == true && !client.regions.isEmpty
        }
    }

    /// A stable key, by bus address: the index changes if another GPU is added.
    package var key: String { "\(vendor.rawValue):\(id)" }

    /// What is known without asking it anything.
    package var unread: ObservedDevice {
        var unread = ObservedDevice(
            index: index, vendor: vendor, uuid: uuid, name: name, pci: pci, memory: .unknown(.fact(.notAsked)),
            driver: device?.driver ?? "amdgpu", minors: device?.nodes.map(\.minor) ?? nodes.compactMap(\.renderMinor),
            utilizationPercent: .unknown(.fact(.notInSysfs)), compute: .absent)
        unread.isPartitioned = nodes.count > 1 ? true : nil
        return unread
    }

    /// As in ROCm (ROCR-Runtime, "GPU-" and unique_id in 16 digits); without such a number, the bus address.
    private var uuid: String? {
        if let id = device?.text("unique_id").flatMap({ UInt64($0, radix: 16) }) ?? nodes.first?.uniqueID, id != 0 {
            return "GPU-" + hex(id, 16)
        }
        return device?.id ?? pci
    }

    private var name: String? {
        // Boards of servers carry it (kernel, amdgpu_fru_eeprom.c).
        if let product = device?.text("product_name") { return product.hasPrefix("AMD") ? product : "AMD \(product)" }
        let vendorID = device?.vendorID ?? (vendor == .amd ? 0x1002 : nil)
        let deviceID = device?.deviceID ?? nodes.first?.deviceID
        if let known = ProductNames.name(vendor: vendorID, device: deviceID) { return known }
        guard let vendorID, let deviceID else { return device?.driver }
        let maker = vendor == .amd ? "AMD" : vendor == .intel ? "Intel" : "GPU"
        return "\(maker) \(hex(UInt64(vendorID), 4)):\(hex(UInt64(deviceID), 4))"
    }
}
