import NVMLCore
import NVMLR510

// R535 brought confidential computing. If a library exports this symbol, its records may have 32 bytes.

@_cdecl("nvmlDeviceGetConfComputeMemSizeInfo")
public func nvmlDeviceGetConfComputeMemSizeInfo(_ handle: Handle?, _ info: UnsafeMutableRawPointer?) -> Int32 {
    onDevice(handle) { _ in Code.notSupported }
}
