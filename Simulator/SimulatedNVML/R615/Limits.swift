import CSimulator
import NVMLCore
import NVMLR545

/// nvmlGetMemoryLimits_v1_t, 32 bytes: nameSpace, softLimit, hardLimit, currentUsed. The answer is NOT_SUPPORTED
/// without a limit; the simulator has no limits. A path that cannot be opened as a cgroup's is OPERATING_SYSTEM
/// (nvml.h; NVIDIA, MPS, "Memory Partitioning").
@_cdecl("nvmlDeviceGetMemoryLimits_v1")
public func nvmlDeviceGetMemoryLimits_v1(
    _ handle: Handle?, _ limits: UnsafeMutablePointer<UnsafePointer<CChar>?>?
) -> Int32 {
    onDevice(handle) { _ in
        guard let limits, let path = limits.pointee else { return Code.invalidArgument }
        return sim_exists(path) != 0 ? Code.notSupported : Code.operatingSystem
    }
}
