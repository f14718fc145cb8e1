import CSimulator
import NVMLCore

/// nvmlMemory_v2_t, 40 bytes: version, total, reserved, free, used.
@_cdecl("nvmlDeviceGetMemoryInfo_v2")
public func nvmlDeviceGetMemoryInfo_v2(_ handle: Handle?, _ memory: UnsafeMutablePointer<UInt64>?) -> Int32 {
    onDevice(handle) { device in
        guard let memory else { return Code.invalidArgument }
        guard UInt32(truncatingIfNeeded: memory[0]) == 40 | 2 << 24 else { return Code.versionMismatch }
        guard device.memory_code == Code.success else { return device.memory_code }
        memory[1] = device.total
        memory[2] = device.reserved
        memory[3] = device.free
        memory[4] = device.used
        return Code.success
    }
}
