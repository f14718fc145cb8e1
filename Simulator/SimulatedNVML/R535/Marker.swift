import NVMLCore
import NVMLR510

// R535 brought confidential computing; by this symbol readers know that records may be of 32 bytes.

@_cdecl("nvmlDeviceGetConfComputeMemSizeInfo")
public func nvmlDeviceGetConfComputeMemSizeInfo(_ handle: Handle?, _ info: UnsafeMutableRawPointer?) -> Int32 {
    onDevice(handle) { _ in Code.notSupported }
}
