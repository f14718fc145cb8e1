import CSimulator

/// The PCI address of a GPU.
struct PCIAddress: Equatable {
    var domain: UInt32 = 0
    var bus: UInt32 = 0
    var device: UInt32 = 0

    init?(_ text: UnsafePointer<CChar>) {
        guard sim_pci(text, &domain, &bus, &device) != 0 else { return nil }
    }

    init?(of device: sim_device) {
        var text = device.pci
        let isAddress = withUnsafeBytes(of: &text) { bytes in
            sim_pci(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), &domain, &bus, &self.device) != 0
        }
        guard isAddress else { return nil }
    }

    /// The first 32 bytes of nvmlPciInfo_t: busIdLegacy at 0, domain at 16, bus at 20, device at 24, and at 28 a
    /// pciDeviceId, which simulated GPUs do not have.
    func write(to info: UnsafeMutableRawPointer) {
        sim_pci_legacy(domain, bus, device, info.assumingMemoryBound(to: CChar.self))
        info.storeBytes(of: domain, toByteOffset: 16, as: UInt32.self)
        info.storeBytes(of: bus, toByteOffset: 20, as: UInt32.self)
        info.storeBytes(of: device, toByteOffset: 24, as: UInt32.self)
    }
}

/// How much of an nvmlPciInfo_t each version of the call fills: pciSubSystemId at 32 came with NVML 2.285, `busId` at
/// 36 with the third version (nvml.h).
private enum Length {
    static let first = 32
    static let second = 36
    static let third = 68
}

private func fill(_ info: UnsafeMutableRawPointer?, _ length: Int, _ handle: Handle?) -> Int32 {
    onDevice(handle) { device in
        guard let info else { return Code.invalidArgument }
        for offset in 0..<length { info.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self) }
        PCIAddress(of: device)?.write(to: info)
        guard length == Length.third else { return Code.success }
        // As written in the host description. The real library writes a domain of eight digits here.
        return copy(device.pci, to: (info + Length.second).assumingMemoryBound(to: CChar.self), 32)
    }
}

@_cdecl("nvmlDeviceGetPciInfo_v3")
public func nvmlDeviceGetPciInfo_v3(_ handle: Handle?, _ info: UnsafeMutableRawPointer?) -> Int32 {
    fill(info, Length.third, handle)
}

@_cdecl("nvmlDeviceGetPciInfo_v2")
public func nvmlDeviceGetPciInfo_v2(_ handle: Handle?, _ info: UnsafeMutableRawPointer?) -> Int32 {
    fill(info, Length.second, handle)
}

@_cdecl("nvmlDeviceGetPciInfo")
public func nvmlDeviceGetPciInfo(_ handle: Handle?, _ info: UnsafeMutableRawPointer?) -> Int32 {
    fill(info, Length.first, handle)
}
