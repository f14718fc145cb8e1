import CSimulator
import NVMLR440

// MIG: a GPU that can be divided says so, and its instances are handles of their own. A GPU that cannot says NOT_SUPPORTED.

@_cdecl("nvmlDeviceGetMigMode")
public func nvmlDeviceGetMigMode(
    _ handle: Handle?, _ current: UnsafeMutablePointer<UInt32>?, _ pending: UnsafeMutablePointer<UInt32>?
) -> Int32 {
    guard let current, let pending, let device = Book.device(handle) else { return Code.invalidArgument }
    guard device.max_instances > 0 else { return Code.notSupported }
    current.pointee = 1
    pending.pointee = 1
    return Code.success
}

@_cdecl("nvmlDeviceGetMaxMigDeviceCount")
public func nvmlDeviceGetMaxMigDeviceCount(_ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?) -> Int32 {
    guard let count, let device = Book.device(handle) else { return Code.invalidArgument }
    count.pointee = device.max_instances
    return Code.success
}

@_cdecl("nvmlDeviceGetMigDeviceHandleByIndex")
public func nvmlDeviceGetMigDeviceHandleByIndex(
    _ handle: Handle?, _ index: UInt32, _ instance: UnsafeMutablePointer<Handle?>?
) -> Int32 {
    guard let instance, let parent = Book.device(handle) else { return Code.invalidArgument }
    for number in 0..<UInt32(SIM_MAX_DEVICES) {
        guard let device = Book.device(number) else { break }
        guard device.parent == parent.number, device.slot == index else { continue }
        guard device.handle_code == Code.success else { return device.handle_code }
        instance.pointee = Book.handle(device)
        return Code.success
    }
    return Code.notFound
}

@_cdecl("nvmlDeviceGetGpuInstanceId")
public func nvmlDeviceGetGpuInstanceId(_ handle: Handle?, _ id: UnsafeMutablePointer<UInt32>?) -> Int32 {
    guard let id, let device = Book.device(handle) else { return Code.invalidArgument }
    guard device.parent != SIM_NONE else { return Code.notSupported }
    id.pointee = device.gpu_instance
    return Code.success
}

@_cdecl("nvmlDeviceGetComputeInstanceId")
public func nvmlDeviceGetComputeInstanceId(_ handle: Handle?, _ id: UnsafeMutablePointer<UInt32>?) -> Int32 {
    guard let id, let device = Book.device(handle) else { return Code.invalidArgument }
    guard device.parent != SIM_NONE else { return Code.notSupported }
    id.pointee = device.compute_instance
    return Code.success
}
