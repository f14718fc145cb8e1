import CSimulator

// The symbols of libnvidia-ml.so.1 that a monitor loads, with the record layouts of nvml.h (x86-64 and arm64). Exported
// with @_cdecl, which every Swift since 6.2 supports; @c is the same from 6.3 on.
//
// This folder has the functions of all drivers, except the process lists. Each sibling folder adds the functions that a
// driver generation brought, and builds a library of its own with all earlier ones. Which generation has which
// functions: nvitop, issues 79 and 89; go-nvml, issue 25.

@_cdecl("nvmlInit_v2")
public func nvmlInit_v2() -> Int32 {
    guard let hello = SimulatorClient.hello() else { return Code.driverNotLoaded }
    if hello.code == Code.success { sim_initialize() }
    return hello.code
}

/// The flags decide what happens if there is no GPU, and whether GPUs are attached. Neither matters here (nvml.h,
/// NVML_INIT_FLAG_NO_GPUS and NVML_INIT_FLAG_NO_ATTACH).
@_cdecl("nvmlInitWithFlags")
public func nvmlInitWithFlags(_ flags: UInt32) -> Int32 { nvmlInit_v2() }

@_cdecl("nvmlShutdown")
public func nvmlShutdown() -> Int32 { sim_shut_down() != 0 ? Code.success : Code.uninitialized }

@_cdecl("nvmlErrorString")
public func nvmlErrorString(_ code: Int32) -> UnsafePointer<CChar>? {
    // The wording of the real library, as users quote it in issue threads.
    let text: StaticString =
        switch code {
        case 0: "Success"
        case 1: "Uninitialized"
        case 2: "Invalid Argument"
        case 3: "Not Supported"
        case 4: "Insufficient Permissions"
        case 6: "Not Found"
        case 9: "Driver Not Loaded"
        case 13: "Function Not Found"
        case 15: "GPU is lost"
        case 18: "Driver/library version mismatch"
        default: "Unknown Error"
        }
    return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

@_cdecl("nvmlSystemGetDriverVersion")
public func nvmlSystemGetDriverVersion(_ buffer: UnsafeMutablePointer<CChar>?, _ length: UInt32) -> Int32 {
    onDriver { copy($0.text, to: buffer, length) }
}

@_cdecl("nvmlSystemGetCudaDriverVersion_v2")
public func nvmlSystemGetCudaDriverVersion_v2(_ version: UnsafeMutablePointer<Int32>?) -> Int32 {
    onDriver { hello in
        guard let version else { return Code.invalidArgument }
        version.pointee = Int32(truncatingIfNeeded: hello.bytes)
        return Code.success
    }
}

@_cdecl("nvmlDeviceGetCount_v2")
public func nvmlDeviceGetCount_v2(_ count: UnsafeMutablePointer<UInt32>?) -> Int32 {
    onDriver { give(sim_visible_gpus($0.count), to: count) }
}

@_cdecl("nvmlDeviceGetName")
public func nvmlDeviceGetName(_ handle: Handle?, _ buffer: UnsafeMutablePointer<CChar>?, _ length: UInt32) -> Int32 {
    onDevice(handle) { copy($0.name, to: buffer, length) }
}

@_cdecl("nvmlDeviceGetUUID")
public func nvmlDeviceGetUUID(_ handle: Handle?, _ buffer: UnsafeMutablePointer<CChar>?, _ length: UInt32) -> Int32 {
    onDevice(handle) { copy($0.uuid, to: buffer, length) }
}

/// The index of a GPU in nvmlDeviceGetHandleByIndex_v2, or of an instance in nvmlDeviceGetMigDeviceHandleByIndex
/// (nvml.h, nvmlDeviceGetIndex).
@_cdecl("nvmlDeviceGetIndex")
public func nvmlDeviceGetIndex(_ handle: Handle?, _ index: UnsafeMutablePointer<UInt32>?) -> Int32 {
    onDevice(handle) { give($0.parent == SIM_NONE ? sim_index($0.number) : $0.slot, to: index) }
}

/// The N of /dev/nvidiaN: the GPU's number on the host, even in a container that sees fewer GPUs (nvml.h,
/// nvmlDeviceGetMinorNumber). An instance has no such file.
@_cdecl("nvmlDeviceGetMinorNumber")
public func nvmlDeviceGetMinorNumber(_ handle: Handle?, _ minor: UnsafeMutablePointer<UInt32>?) -> Int32 {
    onDevice(handle) { $0.parent == SIM_NONE ? give($0.number, to: minor) : Code.notSupported }
}

/// nvmlMemory_t, 24 bytes: total, free, used. Here `used` includes the memory that the driver reserves.
@_cdecl("nvmlDeviceGetMemoryInfo")
public func nvmlDeviceGetMemoryInfo(_ handle: Handle?, _ memory: UnsafeMutablePointer<UInt64>?) -> Int32 {
    onDevice(handle) { device in
        guard let memory else { return Code.invalidArgument }
        guard device.memory_code == Code.success else { return device.memory_code }
        memory[0] = device.total
        memory[1] = device.free
        memory[2] = device.used &+ device.reserved
        return Code.success
    }
}

/// nvmlBAR1Memory_t, 24 bytes: bar1Total, bar1Free, bar1Used. The 256 MiB window of a GPU without resizable BAR, with
/// nothing mapped. nvitop 1.7.2 ends with an error if an instance does not answer this call.
@_cdecl("nvmlDeviceGetBAR1MemoryInfo")
public func nvmlDeviceGetBAR1MemoryInfo(_ handle: Handle?, _ memory: UnsafeMutablePointer<UInt64>?) -> Int32 {
    onDevice(handle) { _ in
        guard let memory else { return Code.invalidArgument }
        memory[0] = 256 << 20
        memory[1] = 256 << 20
        memory[2] = 0
        return Code.success
    }
}

/// nvmlUtilization_t: gpu and memory, in percent.
@_cdecl("nvmlDeviceGetUtilizationRates")
public func nvmlDeviceGetUtilizationRates(_ handle: Handle?, _ rates: UnsafeMutablePointer<UInt32>?) -> Int32 {
    onDevice(handle) { device in
        guard let rates else { return Code.invalidArgument }
        guard device.utilization_code == Code.success else { return device.utilization_code }
        rates[0] = device.utilization
        rates[1] = 0
        return Code.success
    }
}

@_cdecl("nvmlDeviceGetPersistenceMode")
public func nvmlDeviceGetPersistenceMode(_ handle: Handle?, _ mode: UnsafeMutablePointer<UInt32>?) -> Int32 {
    onDevice(handle) { give($0.is_persistent, to: mode) }
}

@_cdecl("nvmlDeviceGetComputeMode")
public func nvmlDeviceGetComputeMode(_ handle: Handle?, _ mode: UnsafeMutablePointer<UInt32>?) -> Int32 {
    onDevice(handle) { give($0.compute_mode, to: mode) }
}
