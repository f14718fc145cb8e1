import CSimulator

/// The two-call protocol of the real lists: a room too small is answered with the number needed.
private func list(
    _ handle: Handle?, _ list: sim_list, _ count: UnsafeMutablePointer<UInt32>?, _ records: UnsafeMutableRawPointer?
) -> Int32 {
    guard let handle, let count else { return Code.invalidArgument }
    guard let answer = Book.processes(handle, list: list) else { return Code.unknown }
    defer { answer.deallocate() }
    guard answer.pointee.code == Code.success else { return answer.pointee.code }

    let room = count.pointee
    let needed = answer.pointee.count
    count.pointee = needed
    if needed == 0 { return Code.success }
    guard let records, room >= needed else { return Code.insufficientSize }

    // nvmlProcessInfo_t, 24 bytes: pid at 0, usedGpuMemory at 8, gpuInstanceId at 16, computeInstanceId at 20.
    withUnsafeBytes(of: &answer.pointee.processes) { bytes in
        let processes = bytes.bindMemory(to: sim_process.self)
        for index in 0..<Int(needed) {
            let record = records + index * 24
            record.storeBytes(of: processes[index].pid, as: UInt32.self)
            record.storeBytes(of: processes[index].bytes, toByteOffset: 8, as: UInt64.self)
            record.storeBytes(of: processes[index].gpu_instance, toByteOffset: 16, as: UInt32.self)
            record.storeBytes(of: processes[index].compute_instance, toByteOffset: 20, as: UInt32.self)
        }
    }
    return Code.success
}

// The marker symbol nvmlDeviceGetConfComputeMemSizeInfo is absent here, so 24 bytes are what every reader expects of _v3.

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
