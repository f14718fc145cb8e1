import CSimulator

/// If `count` is too small, the answer is INSUFFICIENT_SIZE and the number needed.
@_cdecl("nvmlDeviceGetAccountingPids")
public func nvmlDeviceGetAccountingPids(
    _ handle: Handle?, _ count: UnsafeMutablePointer<UInt32>?, _ pids: UnsafeMutablePointer<UInt32>?
) -> Int32 {
    guard sim_is_initialized() != 0 else { return Code.uninitialized }
    guard let handle, let count else { return Code.invalidArgument }
    guard let answer = SimulatorClient.accounts(handle) else { return Code.unknown }
    defer { answer.deallocate() }
    guard answer.pointee.code == Code.success else { return answer.pointee.code }
    let capacity = count.pointee
    let needed = answer.pointee.count
    count.pointee = needed
    guard needed > 0 else { return Code.success }
    guard let pids, capacity >= needed else { return Code.insufficientSize }
    withUnsafeBytes(of: &answer.pointee.processes) { bytes in
        let processes = bytes.bindMemory(to: sim_process.self)
        for index in 0..<Int(needed) { pids[index] = processes[index].pid }
    }
    return Code.success
}

/// NOT_SUPPORTED if accounting mode is off (nvml.h, nvmlDeviceGetAccountingStats).
///
/// nvmlAccountingStats_t, 56 bytes: maxMemoryUsage at 8, time in milliseconds at 16 (0 while the process runs),
/// startTime in microseconds at 24, isRunning at 32.
@_cdecl("nvmlDeviceGetAccountingStats")
public func nvmlDeviceGetAccountingStats(_ handle: Handle?, _ pid: UInt32, _ stats: UnsafeMutableRawPointer?) -> Int32 {
    guard sim_is_initialized() != 0 else { return Code.uninitialized }
    guard let stats, let handle else { return Code.invalidArgument }
    guard let account = SimulatorClient.account(of: pid, on: handle) else { return Code.unknown }
    guard account.code == Code.success else { return account.code }
    for offset in 0..<56 { stats.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self) }
    stats.storeBytes(of: account.bytes, toByteOffset: 8, as: UInt64.self)
    stats.storeBytes(of: account.address, toByteOffset: 24, as: UInt64.self)
    stats.storeBytes(of: account.count, toByteOffset: 32, as: UInt32.self)
    return Code.success
}
