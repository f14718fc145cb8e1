import CSimulator
import NVMLCore

// MIG. Each instance has a handle of its own. A GPU without MIG answers NOT_SUPPORTED.

@_cdecl("nvmlDeviceGetMigMode")
public func nvmlDeviceGetMigMode(
    _ handle: Handle?, _ current: UnsafeMutablePointer<UInt32>?, _ pending: UnsafeMutablePointer<UInt32>?
) -> Int32 {
    onDevice(handle) { device in
        guard let current, let pending else { return Code.invalidArgument }
        guard device.max_instances > 0 else { return Code.notSupported }
        current.pointee = 1
        pending.pointee = 1
        return Code.success
    }
}

@_cdecl("nvmlDeviceGetMaxMigDeviceCount")
public func nvmlDeviceGetMaxMigDeviceCount(_ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?) -> Int32 {
    onDevice(handle) { give($0.max_instances, to: count) }
}

@_cdecl("nvmlDeviceGetMigDeviceHandleByIndex")
public func nvmlDeviceGetMigDeviceHandleByIndex(
    _ handle: Handle?, _ index: UInt32, _ instance: UnsafeMutablePointer<Handle?>?
) -> Int32 {
    onDevice(handle) { parent in
        for number in 0..<UInt32(SIM_MAX_DEVICES) {
            guard let device = SimulatorClient.device(number) else { break }
            guard device.parent == parent.number, device.slot == index else { continue }
            return take(number, instance)
        }
        return Code.notFound
    }
}

/// Answers for every handle, even if no GPU has MIG (nvml.h, nvmlDeviceIsMigDeviceHandle).
@_cdecl("nvmlDeviceIsMigDeviceHandle")
public func nvmlDeviceIsMigDeviceHandle(_ handle: Handle?, _ isInstance: UnsafeMutablePointer<UInt32>?) -> Int32 {
    onDevice(handle) { give($0.parent == SIM_NONE ? 0 : 1, to: isInstance) }
}

@_cdecl("nvmlDeviceGetDeviceHandleFromMigDeviceHandle")
public func nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
    _ handle: Handle?, _ parent: UnsafeMutablePointer<Handle?>?
) -> Int32 {
    onDevice(handle) { $0.parent == SIM_NONE ? Code.invalidArgument : take($0.parent, parent) }
}

@_cdecl("nvmlDeviceGetGpuInstanceId")
public func nvmlDeviceGetGpuInstanceId(_ handle: Handle?, _ id: UnsafeMutablePointer<UInt32>?) -> Int32 {
    onDevice(handle) { $0.parent == SIM_NONE ? Code.notSupported : give($0.gpu_instance, to: id) }
}

@_cdecl("nvmlDeviceGetComputeInstanceId")
public func nvmlDeviceGetComputeInstanceId(_ handle: Handle?, _ id: UnsafeMutablePointer<UInt32>?) -> Int32 {
    onDevice(handle) { $0.parent == SIM_NONE ? Code.notSupported : give($0.compute_instance, to: id) }
}
