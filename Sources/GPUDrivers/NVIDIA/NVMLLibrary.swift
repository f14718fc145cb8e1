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

    init(path: String?) throws(NVMLError) {
        let candidates = path.map { [$0] } ?? [Self.name] + Self.elsewhere.map { "\($0)/\(Self.name)" }
        var tried: [String] = []
        var loaded: (path: String, handle: UnsafeMutableRawPointer)?
        for candidate in candidates where loaded == nil {
            if let handle = dlopen(candidate, RTLD_LAZY | RTLD_LOCAL) {
                loaded = (candidate, handle)
            } else {
                // The loader begins with what it was asked for, or not.
                let said = dlerror().map { String(cString: $0) } ?? "not loaded"
                tried.append(said.hasPrefix(candidate) ? said : "\(candidate): \(said)")
            }
        }
        guard let (path, handle) = loaded else { throw .notFound(tried) }

        func optional<Function>(_ symbol: String) -> Function? {
            dlsym(handle, symbol).map { unsafeBitCast($0, to: Function.self) }
        }
        func required<Function>(_ symbol: String) throws(NVMLError) -> Function {
            guard let function: Function = optional(symbol) else {
                throw .symbolMissing(library: path, symbol: symbol)
            }
            return function
        }
        // The symbol without a suffix is the oldest ABI, with records of 16 bytes; _v2 has 24. _v3 has 24 too, except for
        // drivers from 535.43 to 535.86, which have 32 and are recognized by symbols that only they have (nvitop, issues
        // 79 and 89).
        let wideRecords =
            dlsym(handle, "nvmlDeviceGetConfComputeMemSizeInfo") != nil
            && dlsym(handle, "nvmlDeviceGetRunningProcessDetailList") == nil
        func lists(_ symbol: String) -> [List] {
            [(symbol + "_v3", wideRecords ? 32 : 24), (symbol + "_v2", 24), (symbol, 16)].compactMap { name, stride in
                let call: cnvml_list? = optional(name)
                return call.map { List(name: name, call: $0, stride: stride) }
            }
        }
        compute = lists("nvmlDeviceGetComputeRunningProcesses")
        graphics = lists("nvmlDeviceGetGraphicsRunningProcesses")
        mps = lists("nvmlDeviceGetMPSComputeRunningProcesses")
        functions = cnvml_functions(
            initialize: try required("nvmlInit_v2"),
            device_count: try required("nvmlDeviceGetCount_v2"),
            device_by_index: try required("nvmlDeviceGetHandleByIndex_v2"),
            memory: try required("nvmlDeviceGetMemoryInfo"),
            shut_down: optional("nvmlShutdown"), driver_version: optional("nvmlSystemGetDriverVersion"),
            cuda_version: optional("nvmlSystemGetCudaDriverVersion_v2"),
            memory_v2: optional("nvmlDeviceGetMemoryInfo_v2"),
            name: optional("nvmlDeviceGetName"), uuid: optional("nvmlDeviceGetUUID"),
            pci_info: optional("nvmlDeviceGetPciInfo_v3"), persistence: optional("nvmlDeviceGetPersistenceMode"),
            compute_mode: optional("nvmlDeviceGetComputeMode"),
            set_persistence: optional("nvmlDeviceSetPersistenceMode"),
            accounting_mode: optional("nvmlDeviceGetAccountingMode"),
            set_accounting_mode: optional("nvmlDeviceSetAccountingMode"),
            memory_limits: optional("nvmlDeviceGetMemoryLimits_v1"),
            utilization: optional("nvmlDeviceGetUtilizationRates"),
            accounting_pids: optional("nvmlDeviceGetAccountingPids"),
            accounting_stats: optional("nvmlDeviceGetAccountingStats"), mig_mode: optional("nvmlDeviceGetMigMode"),
            mig_count: optional("nvmlDeviceGetMaxMigDeviceCount"),
            mig_device: optional("nvmlDeviceGetMigDeviceHandleByIndex"),
            gpu_instance: optional("nvmlDeviceGetGpuInstanceId"),
            compute_instance: optional("nvmlDeviceGetComputeInstanceId"))
    }
}
