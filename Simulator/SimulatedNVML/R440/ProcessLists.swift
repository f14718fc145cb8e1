import CSimulator
import NVMLCore

/// Record sizes of the versions of the lists, in bytes.
package enum Stride {
    package static let first = 16
    package static let second = 24
    package static let third = 32
}

/// Fills `records` with a list, by the real library's two-call protocol. If `count` is too small, the answer is
/// INSUFFICIENT_SIZE and the number needed.
package func list(
    _ handle: Handle?, _ list: sim_list, stride: Int, _ count: UnsafeMutablePointer<UInt32>?,
    _ records: UnsafeMutableRawPointer?
) -> Int32 {
    guard sim_is_initialized() != 0 else { return Code.uninitialized }
    guard let handle, let count else { return Code.invalidArgument }
    guard let answer = SimulatorClient.processes(handle, list: list) else { return Code.unknown }
    defer { answer.deallocate() }
    guard answer.pointee.code == Code.success else { return answer.pointee.code }

    let capacity = count.pointee
    let isMadeUp = answer.pointee.claims > 0
    let needed = isMadeUp ? answer.pointee.claims : answer.pointee.count
    if needed == 0 {
        count.pointee = 0
        return Code.success
    }
    // A growing list answers a request for its length with an outdated length.
    count.pointee = records == nil && answer.pointee.grows != 0 ? 1 : needed
    let length = sim_length_answer(answer.pointee.length_answer)
    if length == SIM_LENGTH_SUCCEEDS, records == nil { return Code.success }
    if length == SIM_LENGTH_NOT_ASKED, records == nil { sim_crash() }
    guard let records, capacity >= needed || length == SIM_LENGTH_NOT_ASKED else { return Code.insufficientSize }

    withUnsafeBytes(of: &answer.pointee.processes) { bytes in
        let processes = bytes.bindMemory(to: sim_process.self)
        for index in 0..<Int(needed) {
            let madeUp = sim_process(
                pid: UInt32(index) % 4_000_000 + 1, gpu_instance: SIM_NONE, compute_instance: SIM_NONE, padding: 0,
                bytes: 1 << 20)
            write(isMadeUp ? madeUp : processes[index], to: records + index * stride, stride)
        }
    }
    return Code.success
}

/// nvmlProcessInfo_v1_t, 16 bytes: pid at 0, usedGpuMemory at 8. nvmlProcessInfo_v2_t, 24 bytes: gpuInstanceId at 16
/// and computeInstanceId at 20 too. nvmlProcessDetail_v1_t, 32 bytes: usedGpuCcProtectedMemory at 24.
private func write(_ process: sim_process, to record: UnsafeMutableRawPointer, _ stride: Int) {
    record.storeBytes(of: process.pid, as: UInt32.self)
    record.storeBytes(of: process.bytes, toByteOffset: 8, as: UInt64.self)
    if stride >= Stride.second {
        record.storeBytes(of: process.gpu_instance, toByteOffset: 16, as: UInt32.self)
        record.storeBytes(of: process.compute_instance, toByteOffset: 20, as: UInt32.self)
    }
    if stride == Stride.third { record.storeBytes(of: 0, toByteOffset: 24, as: UInt64.self) }
}

// The names without a suffix are the oldest ABI. Every driver still has them.

@_cdecl("nvmlDeviceGetComputeRunningProcesses")
public func nvmlDeviceGetComputeRunningProcesses(
    _ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?, _ records: UnsafeMutableRawPointer?
) -> Int32 { list(handle, SIM_COMPUTE, stride: Stride.first, count, records) }

@_cdecl("nvmlDeviceGetGraphicsRunningProcesses")
public func nvmlDeviceGetGraphicsRunningProcesses(
    _ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?, _ records: UnsafeMutableRawPointer?
) -> Int32 { list(handle, SIM_GRAPHICS, stride: Stride.first, count, records) }

@_cdecl("nvmlDeviceGetMPSComputeRunningProcesses")
public func nvmlDeviceGetMPSComputeRunningProcesses(
    _ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?, _ records: UnsafeMutableRawPointer?
) -> Int32 { list(handle, SIM_MPS, stride: Stride.first, count, records) }
