import CSimulator
import NVMLCore
import NVMLR440

// R450 brought records of 24 bytes, which name the MIG instance.

@_cdecl("nvmlDeviceGetComputeRunningProcesses_v2")
public func nvmlDeviceGetComputeRunningProcesses_v2(
    _ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?, _ records: UnsafeMutableRawPointer?
) -> Int32 { list(handle, SIM_COMPUTE, stride: Stride.second, count, records) }

@_cdecl("nvmlDeviceGetGraphicsRunningProcesses_v2")
public func nvmlDeviceGetGraphicsRunningProcesses_v2(
    _ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?, _ records: UnsafeMutableRawPointer?
) -> Int32 { list(handle, SIM_GRAPHICS, stride: Stride.second, count, records) }

@_cdecl("nvmlDeviceGetMPSComputeRunningProcesses_v2")
public func nvmlDeviceGetMPSComputeRunningProcesses_v2(
    _ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?, _ records: UnsafeMutableRawPointer?
) -> Int32 { list(handle, SIM_MPS, stride: Stride.second, count, records) }
