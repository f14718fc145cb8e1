import CSimulator

// Functions that every driver exports and that simulated GPUs do not support: clocks, sensors, engines. To monitors
// NOT_SUPPORTED means a GPU without the feature; a missing symbol means a broken driver (nvitop, api/libnvml.py,
// nvmlQuery).

private func notSupported(_ handle: Handle?) -> Int32 { onDevice(handle) { _ in Code.notSupported } }

@_cdecl("nvmlDeviceGetSerial")
public func nvmlDeviceGetSerial(
    _ handle: Handle?, _ serial: UnsafeMutablePointer<CChar>?, _ length: UInt32
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetEncoderUtilization")
public func nvmlDeviceGetEncoderUtilization(
    _ handle: Handle?, _ percent: UnsafeMutablePointer<UInt32>?, _ period: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetDecoderUtilization")
public func nvmlDeviceGetDecoderUtilization(
    _ handle: Handle?, _ percent: UnsafeMutablePointer<UInt32>?, _ period: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetClockInfo")
public func nvmlDeviceGetClockInfo(
    _ handle: Handle?, _ type: UInt32, _ clock: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetMaxClockInfo")
public func nvmlDeviceGetMaxClockInfo(
    _ handle: Handle?, _ type: UInt32, _ clock: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetFanSpeed")
public func nvmlDeviceGetFanSpeed(
    _ handle: Handle?, _ percent: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetTemperature")
public func nvmlDeviceGetTemperature(
    _ handle: Handle?, _ sensor: UInt32, _ degrees: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetPowerUsage")
public func nvmlDeviceGetPowerUsage(
    _ handle: Handle?, _ milliwatts: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetPowerManagementLimit")
public func nvmlDeviceGetPowerManagementLimit(
    _ handle: Handle?, _ milliwatts: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetEnforcedPowerLimit")
public func nvmlDeviceGetEnforcedPowerLimit(
    _ handle: Handle?, _ milliwatts: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetPcieThroughput")
public func nvmlDeviceGetPcieThroughput(
    _ handle: Handle?, _ counter: UInt32, _ value: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetFieldValues")
public func nvmlDeviceGetFieldValues(
    _ handle: Handle?, _ count: Int32, _ values: UnsafeMutableRawPointer?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetDisplayActive")
public func nvmlDeviceGetDisplayActive(
    _ handle: Handle?, _ isActive: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetDisplayMode")
public func nvmlDeviceGetDisplayMode(
    _ handle: Handle?, _ mode: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

/// Windows only (nvml.h, nvmlDeviceGetDriverModel_v2).
@_cdecl("nvmlDeviceGetDriverModel")
public func nvmlDeviceGetDriverModel(
    _ handle: Handle?, _ current: UnsafeMutablePointer<UInt32>?, _ pending: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetPerformanceState")
public func nvmlDeviceGetPerformanceState(
    _ handle: Handle?, _ state: UnsafeMutablePointer<UInt32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetTotalEccErrors")
public func nvmlDeviceGetTotalEccErrors(
    _ handle: Handle?, _ type: UInt32, _ counter: UInt32, _ count: UnsafeMutablePointer<UInt64>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetCudaComputeCapability")
public func nvmlDeviceGetCudaComputeCapability(
    _ handle: Handle?, _ major: UnsafeMutablePointer<Int32>?, _ minor: UnsafeMutablePointer<Int32>?
) -> Int32 { notSupported(handle) }

@_cdecl("nvmlDeviceGetProcessUtilization")
public func nvmlDeviceGetProcessUtilization(
    _ handle: Handle?, _ samples: UnsafeMutableRawPointer?, _ count: UnsafeMutablePointer<UInt32>?, _ since: UInt64
) -> Int32 { notSupported(handle) }
