import Glibc

/// The functions of the CUDA driver API that allocate memory, from the libcuda.so.1 that the loader finds.
struct CUDADriver {
    private typealias Init = @convention(c) (UInt32) -> Int32
    private typealias Get = @convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Int32
    private typealias Retain = @convention(c) (UnsafeMutablePointer<OpaquePointer?>, Int32) -> Int32
    private typealias SetCurrent = @convention(c) (OpaquePointer?) -> Int32
    private typealias Allocate = @convention(c) (UnsafeMutablePointer<UInt64>, UInt) -> Int32
    private typealias Free = @convention(c) (UInt64) -> Int32

    private let get: Get
    private let retain: Retain
    private let setCurrent: SetCurrent
    private let allocate: Allocate
    private let free: Free

    init() throws {
        guard let library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL) else {
            throw Failure(description: String(cString: dlerror()))
        }
        func symbol<Function>(_ name: String, as type: Function.Type) throws -> Function {
            guard let address = dlsym(library, name) else { throw Failure(description: "libcuda.so.1 has no \(name)") }
            return unsafeBitCast(address, to: type)
        }
        get = try symbol("cuDeviceGet", as: Get.self)
        retain = try symbol("cuDevicePrimaryCtxRetain", as: Retain.self)
        setCurrent = try symbol("cuCtxSetCurrent", as: SetCurrent.self)
        allocate = try symbol("cuMemAlloc_v2", as: Allocate.self)
        free = try symbol("cuMemFree_v2", as: Free.self)
        try check(try symbol("cuInit", as: Init.self)(0), "cuInit")
    }

    /// - Parameter number: the device's number as this process sees it.
    func allocate(_ bytes: UInt, on number: Int32) throws -> UInt64 {
        var device: Int32 = 0
        try check(get(&device, number), "cuDeviceGet of device \(number)")
        var context: OpaquePointer?
        try check(retain(&context, device), "cuDevicePrimaryCtxRetain on device \(number)")
        try check(setCurrent(context), "cuCtxSetCurrent")
        var address: UInt64 = 0
        try check(allocate(&address, bytes), "cuMemAlloc_v2 of \(bytes) bytes on device \(number)")
        return address
    }

    func free(_ address: UInt64) throws {
        try check(free(address), "cuMemFree_v2")
    }

    private func check(_ code: Int32, _ call: String) throws {
        guard code == 0 else { throw Failure(description: "\(call): CUDA error \(code)") }
    }
}
