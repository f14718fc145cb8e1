import NVMLCore
import NVMLR535

// In 535.98 the longer records moved to a call of their own. Since then the records of _v3 have 24 bytes again.

@_cdecl("nvmlDeviceGetRunningProcessDetailList")
public func nvmlDeviceGetRunningProcessDetailList(_ handle: Handle?, _ list: UnsafeMutableRawPointer?) -> Int32 {
    onDevice(handle) { _ in Code.notSupported }
}
