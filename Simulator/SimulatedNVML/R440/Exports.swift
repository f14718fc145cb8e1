import CSimulator

// The symbols of libnvidia-ml.so.1 that a monitor asks for, with the record layouts of nvml.h (x86-64 and arm64). Named
// with @_cdecl, which every Swift since 6.2 knows; @c is the same from 6.3 on.
//
// Each folder beside this one adds what a driver generation brought, and is a library of its own with all that came before.
// What was in which: nvitop, issues 79 and 89; go-nvml, issue 25.

@_cdecl("nvmlInit_v2")
public func nvmlInit_v2() -> Int32 {
    guard let hello = Book.hello() else { return Code.driverNotLoaded }
    return hello.code
}

@_cdecl("nvmlShutdown")
public func nvmlShutdown() -> Int32 { Code.success }

@_cdecl("nvmlErrorString")
public func nvmlErrorString(_ code: Int32) -> UnsafePointer<CChar>? {
    // The wording of the real library, as its users paste it in their threads.
    let text: StaticString =
        switch code {
        case 0: "Success"
        case 1: "Uninitialized"
        case 2: "Invalid Argument"
        case 3: "Not Supported"
        case 4: "Insufficient Permissions"
        case 6: "Not Found"
        case 9: "Driver Not Loaded"
        case 15: "GPU is lost"
        case 18: "Driver/library version mismatch"
        default: "Unknown Error"
        }
    return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

@_cdecl("nvmlSystemGetDriverVersion")
public func nvmlSystemGetDriverVersion(_ buffer: UnsafeMutablePointer<CChar>?, _ length: UInt32) -> Int32 {
    guard let hello = Book.hello() else { return Code.uninitialized }
    return copy(hello.text, to: buffer, length)
}

@_cdecl("nvmlSystemGetCudaDriverVersion_v2")
public func nvmlSystemGetCudaDriverVersion_v2(_ version: UnsafeMutablePointer<Int32>?) -> Int32 {
    guard let version else { return Code.invalidArgument }
    guard let hello = Book.hello() else { return Code.uninitialized }
    version.pointee = Int32(truncatingIfNeeded: hello.bytes)
    return Code.success
}

@_cdecl("nvmlDeviceGetCount_v2")
public func nvmlDeviceGetCount_v2(_ count: UnsafeMutablePointer<UInt32>?) -> Int32 {
    guard let count else { return Code.invalidArgument }
    guard let hello = Book.hello() else { return Code.uninitialized }
    count.pointee = sim_shown_cards(hello.count)
    return Code.success
}

@_cdecl("nvmlDeviceGetHandleByIndex_v2")
public func nvmlDeviceGetHandleByIndex_v2(_ index: UInt32, _ handle: UnsafeMutablePointer<Handle?>?) -> Int32 {
    guard let handle else { return Code.invalidArgument }
    guard let hello = Book.hello() else { return Code.uninitialized }
    guard let device = Book.device(sim_card(index, hello.count)) else { return Code.invalidArgument }
    var playing = device
    sim_play(&playing)
    guard device.handle_code == Code.success else { return device.handle_code }
    handle.pointee = Book.handle(device)
    return Code.success
}

@_cdecl("nvmlDeviceGetName")
public func nvmlDeviceGetName(_ handle: Handle?, _ buffer: UnsafeMutablePointer<CChar>?, _ length: UInt32) -> Int32 {
    guard let device = Book.device(handle) else { return Code.invalidArgument }
    return copy(device.name, to: buffer, length)
}

@_cdecl("nvmlDeviceGetUUID")
public func nvmlDeviceGetUUID(_ handle: Handle?, _ buffer: UnsafeMutablePointer<CChar>?, _ length: UInt32) -> Int32 {
    guard let device = Book.device(handle) else { return Code.invalidArgument }
    return copy(device.uuid, to: buffer, length)
}

/// nvmlPciInfo_t, 68 bytes, of which `busId` starts at 36; the real one writes an eight-digit domain there.
@_cdecl("nvmlDeviceGetPciInfo_v3")
public func nvmlDeviceGetPciInfo_v3(_ handle: Handle?, _ info: UnsafeMutableRawPointer?) -> Int32 {
    guard let info else { return Code.invalidArgument }
    guard let device = Book.device(handle) else { return Code.invalidArgument }
    for offset in 0..<68 { info.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self) }
    return copy(device.pci, to: (info + 36).assumingMemoryBound(to: CChar.self), 32)
}

/// nvmlMemory_t, 24 bytes: total, free, used; here `used` includes what the driver reserves.
@_cdecl("nvmlDeviceGetMemoryInfo")
public func nvmlDeviceGetMemoryInfo(_ handle: Handle?, _ memory: UnsafeMutablePointer<UInt64>?) -> Int32 {
    guard let memory, let device = Book.device(handle) else { return Code.invalidArgument }
    guard device.memory_code == Code.success else { return device.memory_code }
    memory[0] = device.total
    memory[1] = device.free
    memory[2] = device.used + device.reserved
    return Code.success
}

/// nvmlUtilization_t: gpu and memory, in percent.
@_cdecl("nvmlDeviceGetUtilizationRates")
public func nvmlDeviceGetUtilizationRates(_ handle: Handle?, _ rates: UnsafeMutablePointer<UInt32>?) -> Int32 {
    guard let rates, let device = Book.device(handle) else { return Code.invalidArgument }
    guard device.utilization_code == Code.success else { return device.utilization_code }
    rates[0] = device.utilization
    rates[1] = 0
    return Code.success
}

@_cdecl("nvmlDeviceGetPersistenceMode")
public func nvmlDeviceGetPersistenceMode(_ handle: Handle?, _ mode: UnsafeMutablePointer<UInt32>?) -> Int32 {
    guard let mode, let device = Book.device(handle) else { return Code.invalidArgument }
    mode.pointee = device.sleeps_ms == 0 ? 1 : 0
    return Code.success
}
