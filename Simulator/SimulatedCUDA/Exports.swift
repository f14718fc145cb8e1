import CSimulator

// The symbols of libcuda.so.1 that an allocating program needs, with their version suffixes (cuda.h): the names without
// a suffix are another, 32-bit ABI. Exported with @_cdecl, which every Swift since 6.2 supports; @c is the same from
// 6.3 on.

/// CUresult, as far as the simulator answers with it.
enum Code {
    static let success: Int32 = 0
    static let invalidValue: Int32 = 1
    static let outOfMemory: Int32 = 2
    static let notInitialized: Int32 = 3
    static let noDevice: Int32 = 100
    static let invalidDevice: Int32 = 101
    static let invalidContext: Int32 = 201
}

/// A CUcontext: the number of its device, plus one so that no context is null. There is one per process and device.
public typealias Context = OpaquePointer

private func ask(_ operation: sim_operation, device: UInt32 = 0, bytes: UInt64 = 0, address: UInt64 = 0) -> sim_reply {
    var request = sim_request()
    request.operation = operation.rawValue
    request.device = device
    request.bytes = bytes
    request.address = address
    var reply = sim_reply()
    if sim_ask(&request, &reply, MemoryLayout<sim_reply>.size) != 0 { reply.code = Code.notInitialized }
    return reply
}

/// The device of a CUdevice, which is gpusimd's number of a GPU or of a MIG instance; nil if there is none.
private func device(_ number: Int32) -> sim_device? {
    guard number >= 0 else { return nil }
    var request = sim_request()
    request.operation = SIM_DEVICE.rawValue
    request.device = UInt32(number)
    var answer = sim_device()
    guard sim_ask(&request, &answer, MemoryLayout<sim_device>.size) == 0, answer.code == 0 else { return nil }
    return answer
}

private func hello() -> sim_reply { ask(SIM_HELLO, bytes: sim_pid_namespace("self")) }

@_cdecl("cuInit")
public func cuInit(_ flags: UInt32) -> Int32 {
    let hello = hello()
    guard hello.code == Code.success else { return hello.code }
    return sim_cuda_gpus(hello.count) == 0 ? Code.noDevice : ask(SIM_INITIALIZE).code
}

@_cdecl("cuDriverGetVersion")
public func cuDriverGetVersion(_ version: UnsafeMutablePointer<Int32>?) -> Int32 {
    guard let version else { return Code.invalidValue }
    let hello = hello()
    version.pointee = Int32(truncatingIfNeeded: hello.bytes)
    return hello.code
}

@_cdecl("cuDeviceGetCount")
public func cuDeviceGetCount(_ count: UnsafeMutablePointer<Int32>?) -> Int32 {
    guard let count else { return Code.invalidValue }
    let hello = hello()
    count.pointee = Int32(truncatingIfNeeded: sim_cuda_gpus(hello.count))
    return hello.code
}

@_cdecl("cuDeviceGet")
public func cuDeviceGet(_ result: UnsafeMutablePointer<Int32>?, _ ordinal: Int32) -> Int32 {
    guard let result else { return Code.invalidValue }
    guard ordinal >= 0, case let gpu = sim_cuda_gpu(UInt32(ordinal), hello().count), gpu != SIM_NONE else {
        return Code.invalidDevice
    }
    result.pointee = Int32(gpu)
    return Code.success
}

/// CUuuid: the 16 bytes that NVML writes as "GPU-" and hexadecimal digits.
@_cdecl("cuDeviceGetUuid_v2")
public func cuDeviceGetUuid_v2(_ uuid: UnsafeMutablePointer<UInt8>?, _ number: Int32) -> Int32 {
    guard let uuid else { return Code.invalidValue }
    guard var device = device(number) else { return Code.invalidDevice }
    sim_uuid_bytes(&device, uuid)
    return Code.success
}

@_cdecl("cuDeviceTotalMem_v2")
public func cuDeviceTotalMem_v2(_ bytes: UnsafeMutablePointer<UInt>?, _ number: Int32) -> Int32 {
    guard let bytes else { return Code.invalidValue }
    guard let device = device(number) else { return Code.invalidDevice }
    bytes.pointee = UInt(device.total)
    return Code.success
}

@_cdecl("cuDevicePrimaryCtxRetain")
public func cuDevicePrimaryCtxRetain(_ context: UnsafeMutablePointer<Context?>?, _ number: Int32) -> Int32 {
    guard let context else { return Code.invalidValue }
    guard device(number) != nil else { return Code.invalidDevice }
    let reply = ask(SIM_CONTEXT, device: UInt32(number))
    if reply.code == Code.success { context.pointee = Context(bitPattern: UInt(number) + 1) }
    return reply.code
}

@_cdecl("cuDevicePrimaryCtxRelease_v2")
public func cuDevicePrimaryCtxRelease_v2(_ number: Int32) -> Int32 {
    guard number >= 0 else { return Code.invalidDevice }
    if sim_current_device() == UInt32(number) { sim_set_current_device(SIM_NONE) }
    return ask(SIM_UNCONTEXT, device: UInt32(number)).code
}

@_cdecl("cuCtxSetCurrent")
public func cuCtxSetCurrent(_ context: Context?) -> Int32 {
    sim_set_current_device(context.map { UInt32(truncatingIfNeeded: UInt(bitPattern: $0) - 1) } ?? SIM_NONE)
    return Code.success
}

@_cdecl("cuMemGetInfo_v2")
public func cuMemGetInfo_v2(_ free: UnsafeMutablePointer<UInt>?, _ total: UnsafeMutablePointer<UInt>?) -> Int32 {
    guard let free, let total else { return Code.invalidValue }
    guard let device = device(Int32(bitPattern: sim_current_device())) else { return Code.invalidContext }
    free.pointee = UInt(device.free)
    total.pointee = UInt(device.total)
    return Code.success
}

@_cdecl("cuMemAlloc_v2")
public func cuMemAlloc_v2(_ address: UnsafeMutablePointer<UInt64>?, _ bytes: UInt) -> Int32 {
    guard let address, bytes > 0 else { return Code.invalidValue }
    guard sim_current_device() != SIM_NONE else { return Code.invalidContext }
    let reply = ask(SIM_ALLOCATE, device: sim_current_device(), bytes: UInt64(bytes))
    if reply.code == Code.success { address.pointee = reply.address }
    return reply.code
}

/// `flags` is CU_MEM_ATTACH_GLOBAL (1) or CU_MEM_ATTACH_HOST (2).
@_cdecl("cuMemAllocManaged")
public func cuMemAllocManaged(_ address: UnsafeMutablePointer<UInt64>?, _ bytes: UInt, _ flags: UInt32) -> Int32 {
    guard let address, bytes > 0, flags == 1 || flags == 2 else { return Code.invalidValue }
    guard sim_current_device() != SIM_NONE else { return Code.invalidContext }
    let reply = ask(SIM_MANAGED, device: sim_current_device(), bytes: UInt64(bytes))
    if reply.code == Code.success { address.pointee = reply.address }
    return reply.code
}

@_cdecl("cuIpcGetMemHandle")
public func cuIpcGetMemHandle(_ handle: UnsafeMutablePointer<sim_ipc_handle>?, _ address: UInt64) -> Int32 {
    guard let handle, address != 0 else { return Code.invalidValue }
    handle.pointee = sim_ipc_handle()
    handle.pointee.address = address
    return Code.success
}

@_cdecl("cuIpcOpenMemHandle_v2")
public func cuIpcOpenMemHandle_v2(
    _ address: UnsafeMutablePointer<UInt64>?, _ handle: sim_ipc_handle, _ flags: UInt32
) -> Int32 {
    guard let address, flags == 1 else { return Code.invalidValue }
    guard sim_current_device() != SIM_NONE else { return Code.invalidContext }
    let reply = ask(SIM_IMPORT, address: handle.address)
    if reply.code == Code.success { address.pointee = reply.address }
    return reply.code
}

@_cdecl("cuMemsetD8_v2")
public func cuMemsetD8_v2(_ address: UInt64, _ value: UInt8, _ bytes: UInt) -> Int32 { Code.success }

@_cdecl("cuCtxSynchronize")
public func cuCtxSynchronize() -> Int32 { Code.success }

@_cdecl("cuMemFree_v2")
public func cuMemFree_v2(_ address: UInt64) -> Int32 {
    ask(SIM_FREE, address: address).code
}

@_cdecl("cuGetErrorName")
public func cuGetErrorName(_ code: Int32, _ name: UnsafeMutablePointer<UnsafePointer<CChar>?>?) -> Int32 {
    guard let name else { return Code.invalidValue }
    let text: StaticString =
        switch code {
        case Code.outOfMemory: "CUDA_ERROR_OUT_OF_MEMORY"
        case Code.notInitialized: "CUDA_ERROR_NOT_INITIALIZED"
        case Code.noDevice: "CUDA_ERROR_NO_DEVICE"
        case Code.invalidDevice: "CUDA_ERROR_INVALID_DEVICE"
        default: "CUDA_ERROR_UNKNOWN"
        }
    name.pointee = UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
    return Code.success
}
