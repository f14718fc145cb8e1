import CSimulator
import NVMLCore
import NVMLR440
import NVMLR450

// R510 brought a third version, whose records are those of the second version (24 bytes). In the drivers from 535.43 to
// 535.86 they have 32 bytes, and on one known system 16 (nvitop, issue 226). gpusimd sends the size, by the simulated
// driver version.

private func list(
    _ handle: Handle?, _ kind: sim_list, _ count: UnsafeMutablePointer<UInt32>?, _ records: UnsafeMutableRawPointer?
) -> Int32 {
    onDriver { hello in
        guard hello.third_code == Code.success else { return hello.third_code }
        return list(handle, kind, stride: Int(hello.stride), count, records)
    }
}

@_cdecl("nvmlDeviceGetComputeRunningProcesses_v3")
public func nvmlDeviceGetComputeRunningProcesses_v3(
    _ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?, _ records: UnsafeMutableRawPointer?
) -> Int32 { list(handle, SIM_COMPUTE, count, records) }

@_cdecl("nvmlDeviceGetGraphicsRunningProcesses_v3")
public func nvmlDeviceGetGraphicsRunningProcesses_v3(
    _ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?, _ records: UnsafeMutableRawPointer?
) -> Int32 { list(handle, SIM_GRAPHICS, count, records) }

@_cdecl("nvmlDeviceGetMPSComputeRunningProcesses_v3")
public func nvmlDeviceGetMPSComputeRunningProcesses_v3(
    _ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?, _ records: UnsafeMutableRawPointer?
) -> Int32 { list(handle, SIM_MPS, count, records) }
