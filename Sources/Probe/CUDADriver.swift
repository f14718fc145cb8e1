import CCUDA
import Glibc

/// What a call into the CUDA driver answered, where it was not well: a CUresult.
struct CUDAError: Error, CustomStringConvertible {
    var call: String
    var code: Int32
    var name: String?

    /// CUDA_ERROR_OUT_OF_MEMORY.
    static let outOfMemory: Int32 = 2
    /// Of ours, no CUresult: the library has no such function.
    static let noFunction: Int32 = -1
    /// Of ours, no CUresult: the library cannot be loaded, or lacks what every version has.
    static let noLibrary: Int32 = 0
    /// CUDA_ERROR_NO_DEVICE.
    static let noDevice: Int32 = 100

    var description: String { "\(call): \(name ?? "CUDA error \(code)")" }
}

/// The CUDA driver API, loaded at run time. In the child alone: a context takes hundreds of MiB of the device, and goes only
/// with its process.
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
                throw CUDAError(call: "libcuda.so.1", code: CUDAError.noLibrary, name: "it has no \(symbol)")
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

    /// How many devices CUDA shows here. It takes no context.
    func deviceCount() throws(CUDAError) -> Int32 {
        var count: Int32 = 0
        try check(functions.device_count(&count), "cuDeviceGetCount")
        return count
    }

    /// The devices that CUDA shows here, which CUDA_VISIBLE_DEVICES chooses and orders: the CUdevice of each, by the digits of
    /// its UUID.
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

    func makeContext(on device: Int32) throws(CUDAError) -> ccuda_context? {
        var context: ccuda_context?
        try check(functions.retain(&context, device), "cuDevicePrimaryCtxRetain")
        return context
    }

    /// For the calls that this thread makes from now on.
    func enter(_ context: ccuda_context?) throws(CUDAError) {
        try check(functions.set_current(context), "cuCtxSetCurrent")
    }

    func allocate(_ bytes: UInt64) throws(CUDAError) -> UInt64 {
        var address: UInt64 = 0
        try check(functions.allocate(&address, Int(clamping: bytes)), "cuMemAlloc_v2")
        return address
    }

    /// Allocates managed memory: device and host share it, and its pages move to the one that accesses them (CUDA C++ Programming
    /// Guide, "Unified Memory").
    func allocateManaged(_ bytes: UInt64) throws(CUDAError) -> UInt64 {
        var address: UInt64 = 0
        try check(
            optional(functions.allocate_managed, "cuMemAllocManaged")(&address, Int(clamping: bytes), 1),
            "cuMemAllocManaged")
        return address
    }

    /// What another process opens to use the same memory, in hexadecimal digits.
    func handle(of address: UInt64) throws(CUDAError) -> String {
        var handle = ccuda_ipc_handle()
        try check(optional(functions.ipc_handle, "cuIpcGetMemHandle")(&handle, address), "cuIpcGetMemHandle")
        return withUnsafeBytes(of: handle) { bytes in bytes.map { Self.hexadecimal($0) }.joined() }
    }

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
            throw CUDAError(call: symbol, code: CUDAError.noFunction, name: "this driver lacks it")
        }
        return function
    }

    /// Writes to it, so that it is really there: some devices give pages only then.
    func fill(_ address: UInt64, _ bytes: UInt64) throws(CUDAError) {
        if let fill = functions.fill { try check(fill(address, 0xA5, Int(clamping: bytes)), "cuMemsetD8_v2") }
        if let synchronize = functions.synchronize { try check(synchronize(), "cuCtxSynchronize") }
    }

    func free(_ address: UInt64) throws(CUDAError) {
        try check(functions.release(address), "cuMemFree_v2")
    }

    /// Of the current context's device, in bytes.
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
