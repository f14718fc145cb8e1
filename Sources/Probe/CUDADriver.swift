import CCUDA
import Glibc

/// A failed call of the CUDA driver API, with its CUresult.
struct CUDAError: Error, CustomStringConvertible {
    /// The function, or the library if it does not load.
    var call: String
    var code: Int32
    /// The name of the code, such as CUDA_ERROR_UNKNOWN, or why the library does not load; nil if unknown.
    var name: String?

    /// CUDA_ERROR_OUT_OF_MEMORY.
    static let outOfMemory: Int32 = 2
    /// The library lacks the function. This code is our own; it is not a CUresult.
    static let noFunction: Int32 = -1
    /// The library cannot be loaded, or lacks a function that every version has. This code is our own; it is not a
    /// CUresult.
    static let noLibrary: Int32 = 0
    /// CUDA_ERROR_NO_DEVICE.
    static let noDevice: Int32 = 100

    var description: String { "\(call): \(name ?? "CUDA error \(code)")" }
}

/// The CUDA driver API, loaded at run time. Only child processes use it: a context takes hundreds of MiB of the device,
/// and is freed only when its process ends.
struct CUDADriver {
    private let functions: ccuda_functions

    init(library: String) throws(CUDAError) {
        guard let handle = dlopen(library, RTLD_NOW | RTLD_LOCAL) else {
            throw CUDAError(
                call: "libcuda.so.1", code: CUDAError.noLibrary, name: dlerror().map { String(cString: $0) })
        }
        func optional<Function>(_ symbol: String) -> Function? {
            dlsym(handle, symbol).map { unsafeBitCast($0, to: Function.self) }
        }
        func required<Function>(_ symbol: String) throws(CUDAError) -> Function {
            guard let function: Function = optional(symbol) else {
                throw CUDAError(call: "libcuda.so.1", code: CUDAError.noLibrary, name: "function \(symbol) is missing")
            }
            return function
        }
        functions = ccuda_functions(
            initialize: try required("cuInit"), device_count: try required("cuDeviceGetCount"),
            device: try required("cuDeviceGet"), retain: try required("cuDevicePrimaryCtxRetain"),
            set_current: try required("cuCtxSetCurrent"), allocate: try required("cuMemAlloc_v2"),
            release: try required("cuMemFree_v2"), memory: try required("cuMemGetInfo_v2"),
            uuid: optional("cuDeviceGetUuid_v2") ?? optional("cuDeviceGetUuid"), fill: optional("cuMemsetD8_v2"),
            synchronize: optional("cuCtxSynchronize"), allocate_managed: optional("cuMemAllocManaged"),
            ipc_handle: optional("cuIpcGetMemHandle"), open_ipc_handle: optional("cuIpcOpenMemHandle_v2"),
            error_name: optional("cuGetErrorName"))
        try check(functions.initialize(0), "cuInit")
    }

    /// The number of devices that CUDA shows. Needs no context.
    func deviceCount() throws(CUDAError) -> Int32 {
        var count: Int32 = 0
        try check(functions.device_count(&count), "cuDeviceGetCount")
        return count
    }

    /// The CUdevice of each device that CUDA shows, by the digits of its UUID (`Allocation.digits`).
    /// CUDA_VISIBLE_DEVICES selects the devices and their order.
    func devices() throws(CUDAError) -> [String: Int32] {
        let count = try deviceCount()
        var devices: [String: Int32] = [:]
        for ordinal in 0..<max(0, count) {
            var device: Int32 = 0
            try check(functions.device(&device, ordinal), "cuDeviceGet")
            var uuid = ccuda_uuid()
            guard let call = functions.uuid, call(&uuid, device) == 0 else { continue }
            devices[withUnsafeBytes(of: uuid) { bytes in bytes.map { Self.hexadecimal($0) }.joined() }] = device
        }
        return devices
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
    }

    /// Creates the primary context, and keeps it until the process ends.
    func makeContext(on device: Int32) throws(CUDAError) -> ccuda_context? {
        var context: ccuda_context?
        try check(functions.retain(&context, device), "cuDevicePrimaryCtxRetain")
        return context
    }

    /// Makes this the context of all later calls on this thread.
    func enter(_ context: ccuda_context?) throws(CUDAError) {
        try check(functions.set_current(context), "cuCtxSetCurrent")
    }

    /// - Returns: the address.
    func allocate(_ bytes: UInt64) throws(CUDAError) -> UInt64 {
        var address: UInt64 = 0
        try check(functions.allocate(&address, Int(clamping: bytes)), "cuMemAlloc_v2")
        return address
    }

    /// Allocates managed memory. Device and host share it; its pages move to the processor that accesses them (CUDA C++
    /// Programming Guide, "Unified Memory").
    func allocateManaged(_ bytes: UInt64) throws(CUDAError) -> UInt64 {
        var address: UInt64 = 0
        try check(
            optional(functions.allocate_managed, "cuMemAllocManaged")(&address, Int(clamping: bytes), 1),
            "cuMemAllocManaged")
        return address
    }

    /// The IPC handle of an allocation, in hexadecimal digits. Another process opens the handle to use the same memory.
    func handle(of address: UInt64) throws(CUDAError) -> String {
        var handle = ccuda_ipc_handle()
        try check(optional(functions.ipc_handle, "cuIpcGetMemHandle")(&handle, address), "cuIpcGetMemHandle")
        return withUnsafeBytes(of: handle) { bytes in bytes.map { Self.hexadecimal($0) }.joined() }
    }

    /// Maps an allocation of another process.
    ///
    /// - Returns: its address in this process.
    func open(handle digits: some StringProtocol) throws(CUDAError) -> UInt64 {
        var handle = ccuda_ipc_handle()
        withUnsafeMutableBytes(of: &handle) { bytes in
            var rest = Substring(digits)
            for index in bytes.indices where rest.count >= 2 {
                bytes[index] = UInt8(rest.prefix(2), radix: 16) ?? 0
                rest = rest.dropFirst(2)
            }
        }
        var address: UInt64 = 0
        try check(
            optional(functions.open_ipc_handle, "cuIpcOpenMemHandle_v2")(&address, handle, 1), "cuIpcOpenMemHandle_v2")
        return address
    }

    private func optional<Function>(_ function: Function?, _ symbol: String) throws(CUDAError) -> Function {
        guard let function else {
            throw CUDAError(call: symbol, code: CUDAError.noFunction, name: "this driver does not have it")
        }
        return function
    }

    /// Writes to every byte, because some devices allocate pages only on access.
    func fill(_ address: UInt64, bytes: UInt64) throws(CUDAError) {
        if let fill = functions.fill { try check(fill(address, 0xA5, Int(clamping: bytes)), "cuMemsetD8_v2") }
        if let synchronize = functions.synchronize { try check(synchronize(), "cuCtxSynchronize") }
    }

    func free(_ address: UInt64) throws(CUDAError) {
        try check(functions.release(address), "cuMemFree_v2")
    }

    /// Free memory of the current context's device, in bytes.
    func freeMemory() throws(CUDAError) -> UInt64 {
        var free = 0
        var total = 0
        try check(functions.memory(&free, &total), "cuMemGetInfo_v2")
        return UInt64(UInt(bitPattern: free))
    }

    private func check(_ code: Int32, _ call: String) throws(CUDAError) {
        guard code != 0 else { return }
        var name: UnsafePointer<CChar>?
        let isNamed = functions.error_name.map { $0(code, &name) == 0 } ?? false
        throw CUDAError(call: call, code: code, name: isNamed ? name.map { String(cString: $0) } : nil)
    }
}
