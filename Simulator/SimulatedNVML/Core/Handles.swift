import CSimulator

// A GPU's handle by index, by UUID or by PCI address (nvml.h, nvmlDeviceGetHandleBy...).

@_cdecl("nvmlDeviceGetHandleByIndex_v2")
public func nvmlDeviceGetHandleByIndex_v2(_ index: UInt32, _ handle: UnsafeMutablePointer<Handle?>?) -> Int32 {
    onDriver { take(sim_gpu_at(index, $0.count), handle) }
}

/// GPUs and MIG instances.
@_cdecl("nvmlDeviceGetHandleByUUID")
public func nvmlDeviceGetHandleByUUID(
    _ uuid: UnsafePointer<CChar>?, _ handle: UnsafeMutablePointer<Handle?>?
) -> Int32 {
    guard sim_is_initialized() != 0 else { return Code.uninitialized }
    guard let uuid else { return Code.invalidArgument }
    return take(handle) { isEqual($0.uuid, uuid) }
}

@_cdecl("nvmlDeviceGetHandleByPciBusId_v2")
public func nvmlDeviceGetHandleByPciBusId_v2(
    _ address: UnsafePointer<CChar>?, _ handle: UnsafeMutablePointer<Handle?>?
) -> Int32 {
    guard sim_is_initialized() != 0 else { return Code.uninitialized }
    guard let address, let wanted = PCIAddress(address) else { return Code.invalidArgument }
    return take(handle) { $0.parent == SIM_NONE && PCIAddress(of: $0) == wanted }
}

/// The handle of the first matching device that is visible to the process.
private func take(_ handle: UnsafeMutablePointer<Handle?>?, where isWanted: (sim_device) -> Bool) -> Int32 {
    for number in 0..<UInt32(SIM_MAX_DEVICES) {
        guard let device = SimulatorClient.device(number) else { break }
        guard sim_is_visible(device.parent == SIM_NONE ? number : device.parent) != 0, isWanted(device) else {
            continue
        }
        return take(number, handle)
    }
    return Code.notFound
}

private func isEqual<Field>(_ field: Field, _ text: UnsafePointer<CChar>) -> Bool {
    withUnsafeBytes(of: field) { bytes in
        for index in 0..<bytes.count {
            guard bytes[index] == UInt8(truncatingIfNeeded: text[index]) else { return false }
            if bytes[index] == 0 { return true }
        }
        return false
    }
}
