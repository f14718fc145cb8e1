import CSimulator

// Names without a suffix are the first version of a call. Every driver still has them (nvml.h, under
// NVML_NO_UNVERSIONED_FUNC_DEFS). The first versions leave out the GPUs that a user may not use, and count only the
// others; the simulator has no such GPUs.

@_cdecl("nvmlInit")
public func nvmlInit() -> Int32 { nvmlInit_v2() }

@_cdecl("nvmlSystemGetCudaDriverVersion")
public func nvmlSystemGetCudaDriverVersion(_ version: UnsafeMutablePointer<Int32>?) -> Int32 {
    nvmlSystemGetCudaDriverVersion_v2(version)
}

@_cdecl("nvmlDeviceGetCount")
public func nvmlDeviceGetCount(_ count: UnsafeMutablePointer<UInt32>?) -> Int32 { nvmlDeviceGetCount_v2(count) }

@_cdecl("nvmlDeviceGetHandleByIndex")
public func nvmlDeviceGetHandleByIndex(_ index: UInt32, _ handle: UnsafeMutablePointer<Handle?>?) -> Int32 {
    nvmlDeviceGetHandleByIndex_v2(index, handle)
}

@_cdecl("nvmlDeviceGetHandleByPciBusId")
public func nvmlDeviceGetHandleByPciBusId(
    _ address: UnsafePointer<CChar>?, _ handle: UnsafeMutablePointer<Handle?>?
) -> Int32 { nvmlDeviceGetHandleByPciBusId_v2(address, handle) }
