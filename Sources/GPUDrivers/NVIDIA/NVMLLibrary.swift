import CNVML
import Glibc

/// The management library, loaded at run time: its functions, and how long the records of its lists are.
///
/// It is never unloaded. Its functions may be called from any thread (NVML API reference, thread safety).
struct NVMLLibrary: @unchecked Sendable {
    let functions: cnvml_functions
    /// The functions of each list, the newest first; none in a library that has no such list.
    let compute: [List]
    let graphics: [List]
    let mps: [List]

    struct List {
        var name: String
        var call: cnvml_list
        /// Bytes of a record.
        var stride: Int
    }

    /// Paths of the library that the loader does not search: WSL, the GPU Operator's driver container, NixOS.
    private static let elsewhere = [
        "/usr/lib/wsl/lib", "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
        "/run/nvidia/driver/usr/lib/aarch64-linux-gnu",
        "/run/nvidia/driver/usr/lib64", "/run/opengl-driver/lib",
    ]
    static let name = "libnvidia-ml.so.1"

    /// - Parameter path: the library to load; nil for the system's.
    /// - Throws: `NVMLError` if no library loads, or if it lacks a required function.
    init(path: String?) throws(NVMLError) {
        let symbols = try Self.load(path.map { [$0] } ?? [Self.name] + Self.elsewhere.map { "\($0)/\(Self.name)" })
        compute = symbols.lists("nvmlDeviceGetComputeRunningProcesses")
        graphics = symbols.lists("nvmlDeviceGetGraphicsRunningProcesses")
        mps = symbols.lists("nvmlDeviceGetMPSComputeRunningProcesses")
        functions = cnvml_functions(
            initialize: try symbols.required("nvmlInit_v2"),
            device_count: try symbols.required("nvmlDeviceGetCount_v2"),
            device_by_index: try symbols.required("nvmlDeviceGetHandleByIndex_v2"),
            memory: try symbols.required("nvmlDeviceGetMemoryInfo"),
            shut_down: symbols.optional("nvmlShutdown"), driver_version: symbols.optional("nvmlSystemGetDriverVersion"),
            cuda_version: symbols.optional("nvmlSystemGetCudaDriverVersion_v2"),
            memory_v2: symbols.optional("nvmlDeviceGetMemoryInfo_v2"),
            name: symbols.optional("nvmlDeviceGetName"), uuid: symbols.optional("nvmlDeviceGetUUID"),
            pci_info: symbols.optional("nvmlDeviceGetPciInfo_v3"),
            persistence: symbols.optional("nvmlDeviceGetPersistenceMode"),
            compute_mode: symbols.optional("nvmlDeviceGetComputeMode"),
            set_persistence: symbols.optional("nvmlDeviceSetPersistenceMode"),
            accounting_mode: symbols.optional("nvmlDeviceGetAccountingMode"),
            set_accounting_mode: symbols.optional("nvmlDeviceSetAccountingMode"),
            memory_limits: symbols.optional("nvmlDeviceGetMemoryLimits_v1"),
            utilization: symbols.optional("nvmlDeviceGetUtilizationRates"),
            accounting_pids: symbols.optional("nvmlDeviceGetAccountingPids"),
            accounting_stats: symbols.optional("nvmlDeviceGetAccountingStats"),
            mig_mode: symbols.optional("nvmlDeviceGetMigMode"),
            mig_count: symbols.optional("nvmlDeviceGetMaxMigDeviceCount"),
            mig_device: symbols.optional("nvmlDeviceGetMigDeviceHandleByIndex"),
            gpu_instance: symbols.optional("nvmlDeviceGetGpuInstanceId"),
            compute_instance: symbols.optional("nvmlDeviceGetComputeInstanceId"))
    }

    /// Loads the first of these libraries that loads.
    private static func load(_ candidates: [String]) throws(NVMLError) -> Symbols {
        var tried: [String] = []
        for candidate in candidates {
            if let handle = dlopen(candidate, RTLD_LAZY | RTLD_LOCAL) {
                return Symbols(path: candidate, handle: handle)
            }
            // The loader's message may or may not begin with the library's name.
            let said = dlerror().map { String(cString: $0) } ?? "not loaded"
            tried.append(said.hasPrefix(candidate) ? said : "\(candidate): \(said)")
        }
        throw .notFound(tried)
    }
}

/// The functions of a loaded library.
private struct Symbols {
    let path: String
    let handle: UnsafeMutableRawPointer

    func optional<Function>(_ symbol: String) -> Function? {
        dlsym(handle, symbol).map { unsafeBitCast($0, to: Function.self) }
    }

    func required<Function>(_ symbol: String) throws(NVMLError) -> Function {
        guard let function: Function = optional(symbol) else {
            throw .symbolMissing(library: path, symbol: symbol)
        }
        return function
    }

    /// The versions of a list function that the library has, newest first, with their record lengths.
    ///
    /// The symbol without a suffix is the oldest ABI, with records of 16 bytes; _v2 has 24. _v3 has 24 too, except for drivers from
    /// 535.43 to 535.86, which have 32. They have one symbol that older drivers lack, and lack one that later drivers have (nvitop,
    /// issues 79 and 89).
    func lists(_ symbol: String) -> [NVMLLibrary.List] {
        let wideRecords =
            dlsym(handle, "nvmlDeviceGetConfComputeMemSizeInfo") != nil
            && dlsym(handle, "nvmlDeviceGetRunningProcessDetailList") == nil
        return [(symbol + "_v3", wideRecords ? 32 : 24), (symbol + "_v2", 24), (symbol, 16)].compactMap {
            name, stride in
            let call: cnvml_list? = optional(name)
            return call.map { NVMLLibrary.List(name: name, call: $0, stride: stride) }
        }
    }
}
