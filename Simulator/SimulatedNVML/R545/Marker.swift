import NVMLCore
import NVMLR535

// The list of longer records moved to a call of its own in 535.98; with it, _v3 is of 24 bytes again.

@_cdecl("nvmlDeviceGetRunningProcessDetailList")
public func nvmlDeviceGetRunningProcessDetailList(_ handle: Handle?, _ list: UnsafeMutableRawPointer?) -> Int32 {
    onDevice(handle) { _ in Code.notSupported }
}
