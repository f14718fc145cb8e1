import CSimulator

// Settings that root can change (nvml.h).

@_cdecl("nvmlDeviceGetAccountingMode")
public func nvmlDeviceGetAccountingMode(_ handle: Handle?, _ mode: UnsafeMutablePointer<UInt32>?) -> Int32 {
    onDevice(handle) { $0.max_instances > 0 ? Code.notSupported : give($0.keeps_accounts, to: mode) }
}

@_cdecl("nvmlDeviceSetAccountingMode")
public func nvmlDeviceSetAccountingMode(_ handle: Handle?, _ mode: UInt32) -> Int32 {
    set(SIM_ACCOUNTING, mode, handle)
}

@_cdecl("nvmlDeviceSetPersistenceMode")
public func nvmlDeviceSetPersistenceMode(_ handle: Handle?, _ mode: UInt32) -> Int32 {
    set(SIM_PERSISTENCE, mode, handle)
}

private func set(_ setting: sim_mode, _ mode: UInt32, _ handle: Handle?) -> Int32 {
    guard sim_is_initialized() != 0 else { return Code.uninitialized }
    guard let handle, mode < 2 else { return Code.invalidArgument }
    guard sim_is_root() != 0 else { return Code.noPermission }
    return SimulatorClient.set(setting, mode, on: handle)
}
