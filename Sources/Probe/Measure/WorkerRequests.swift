import CCUDA
import FoundationEssentials
import GPUDrivers
import Glibc
import HostFS
import Ledger
import Sampling
import Synchronization

/// Answers the requests of `WorkerProcess`, one after another.
final class WorkerRequests: @unchecked Sendable {
    private let nvmlLibrary: String?
    private let cudaLibrary: String
    private let procfs: String
    private let sysfs: String

    private var nvml: NVMLDriver?
    private var cuda: CUDADriver?
    private var usesMPS = false
    private var context: ccuda_context?
    /// Addresses of the allocations.
    private var held: [UInt64] = []
    private let settings = Mutex(Settings())

    /// The settings of GPUs that this worker changed.
    private struct Settings {
        struct Change {
            var setting: MeasuredSetting
            var gpu: Int
            var wasOn: Bool
        }

        var changes: [Change] = []
        /// Whether a call that changes a setting is under way.
        var isChanging = false
        /// Whether the parent has ended. Then nothing is changed any more.
        var isEnding = false
    }

    /// - Parameter arguments: of the worker; from the third on the paths of libraries and file systems, empty for the
    ///   usual ones.
    init(_ arguments: [String]) {
        nvmlLibrary = arguments[2].isEmpty ? nil : arguments[2]
        cudaLibrary = arguments[3].isEmpty ? LoaderChild.libraries[1] : arguments[3]
        procfs = arguments[4].isEmpty ? SystemPath.proc : arguments[4]
        sysfs = arguments[5].isEmpty ? SystemPath.sys : arguments[5]
    }

    /// - Returns: "ok" and the answer, or "error" and the reason.
    func answer(_ line: String) -> String {
        do throws(WorkerError) {
            let answer = try serve(WorkerRequest(line))
            return answer.isEmpty ? "ok" : "ok \(answer)"
        } catch {
            return "error \(error.line)"
        }
    }

    private func serve(_ request: WorkerRequest) throws(WorkerError) -> String {
        switch request.name {
        case "hello": return "pid=\(getpid())"
        case "power":
            return PCIFS(sysfs: sysfs).gpus().map {
                "\($0.address)=\($0.vendor.rawValue),\($0.runtimeStatus ?? "unknown")"
            }.joined(separator: " ")
        case "charge": return charge(pci: request.argument(1) ?? "")
        case "open", "attach", "mode", "exclusive", "memory", "lists", "observe", "set", "close", "account", "limits":
            do throws(NVMLError) {
                return try askNVML(request)
            } catch {
                throw .nvml(error)
            }
        default:
            let answer: String?
            do throws(CUDAError) {
                answer = try useCUDA(request)
            } catch {
                throw .cuda(error)
            }
            guard let answer else { throw .unknownRequest }
            return answer
        }
    }

    // MARK: NVIDIA's management library

    private func askNVML(_ request: WorkerRequest) throws(NVMLError) -> String {
        if request.name == "close" {
            nvml?.close()
            nvml = nil
            return ""
        }
        let driver = try openNVML()
        let gpu = request.gpu
        switch request.name {
        case "open":
            return "count=\(try driver.deviceCount())"
        case "attach":
            for index in 0..<(try driver.deviceCount()) { _ = try driver.memoryCalls(gpu: index) }
            return ""
        case "mode":
            return try MeasuredSetting.allCases.map { (setting) throws(NVMLError) in
                "\(setting.rawValue)=\(try driver.mode(setting, gpu: gpu).map { $0 ? "on" : "off" } ?? "unknown")"
            }.joined(separator: " ")
        case "exclusive": return "mode=\(try driver.isExclusive(gpu: gpu) ? "yes" : "no")"
        case "memory":
            let calls = try driver.memoryCalls(gpu: gpu)
            let (first, second) = (calls.first, calls.second)
            return "code1=\(calls.firstCode) total1=\(first.total) free1=\(first.free) used1=\(first.used) "
                + "code2=\(calls.secondCode.map { String($0) } ?? "none") total2=\(second.total) "
                + "reserved2=\(second.reserved) free2=\(second.free) used2=\(second.used)"
        case "lists":
            return try driver.listFacts(gpu: gpu).map {
                "\($0.function)=\($0.code):\($0.count):\($0.bytesWritten):\($0.assumed)"
            }.joined(separator: " ")
        case "observe":
            let devices = driver.observe(gpu: gpu, withAccounts: false, clock: { nil }).devices
            let data = try? JSONEncoder().encode(devices)
            return data.map { String(decoding: $0, as: UTF8.self) } ?? ""
        case "set":
            return try change(request, driver)
        case "account":
            let peak = try driver.accountedPeak(of: UInt32(clamping: request.number(2)), gpu: gpu)
            return peak.map { "bytes=\($0)" } ?? "bytes=none"
        default:
            guard let level = request.argument(2), let folder = folder(isParent: level == "parent") else {
                return "code=none"
            }
            let (code, hard) = try driver.limits(of: folder, gpu: gpu)
            return "code=\(code) hard=\(hard)"
        }
    }

    private func openNVML() throws(NVMLError) -> NVMLDriver {
        if let nvml { return nvml }
        let driver = try NVMLDriver(library: nvmlLibrary, module: nil)
        nvml = driver
        return driver
    }

    private func change(_ request: WorkerRequest, _ driver: NVMLDriver) throws(NVMLError) -> String {
        guard request.words.count == 4, let setting = MeasuredSetting(rawValue: request.words[2]) else { return "" }
        let gpu = request.gpu
        let wasOn = try driver.mode(setting, gpu: gpu)
        let isOn = request.words[3] == "on"
        guard let wasOn, wasOn != isOn else { return "changed=no" }
        // Record the change before the call, so that it is restored even if the parent ends during the call.
        let isAllowed = settings.withLock { settings in
            guard !settings.isEnding else { return false }
            settings.changes.append(Settings.Change(setting: setting, gpu: gpu, wasOn: wasOn))
            settings.isChanging = true
            return true
        }
        guard isAllowed else { return "changed=no" }
        defer { settings.withLock { $0.isChanging = false } }
        try driver.set(setting, isOn, gpu: gpu)
        return "changed=yes"
    }

    /// Restores the settings, also if the parent was killed. Called on the main thread, because the other thread can
    /// hang in the driver.
    func restore() {
        let changes = settings.withLock { settings in
            settings.isEnding = true
            return settings.changes
        }
        if changes.isEmpty { return }
        // Wait up to 2 s for a change that is under way. It must not come after its restoration.
        for _ in 0..<200 where settings.withLock({ $0.isChanging }) { usleep(10_000) }
        guard let driver = try? NVMLDriver(library: nvmlLibrary, module: nil) else { return }
        for change in changes.reversed() { try? driver.set(change.setting, change.wasOn, gpu: change.gpu) }
    }

    // MARK: CUDA

    /// - Returns: nil if there is no such request.
    private func useCUDA(_ request: WorkerRequest) throws(CUDAError) -> String? {
        if request.name == "mps" {
            usesMPS = true
            return ""
        }
        // With its usual pipe directory, CUDA would connect to an MPS server of other users. Only the step `mps` does
        // that.
        if !usesMPS { setenv("CUDA_MPS_PIPE_DIRECTORY", SystemPath.nothing, 1) }
        let driver = try openCUDA()
        switch request.name {
        case "devices": return try driver.devices().keys.map { "\($0)=1" }.joined(separator: " ")
        case "context":
            guard let uuid = request.argument(1), let device = try driver.devices()[uuid] else {
                throw CUDAError(call: "cuDeviceGet", code: CUDAError.noDevice)
            }
            context = try driver.makeContext(on: device)
            try driver.enter(context)
            return ""
        case "allocate":
            let bytes = request.number(1)
            try hold(try driver.allocate(bytes), bytes: bytes, driver)
            return ""
        case "managed":
            let bytes = request.number(1)
            try hold(try driver.allocateManaged(bytes), bytes: bytes, driver)
            return ""
        case "free":
            for address in held { try driver.free(address) }
            held = []
            return ""
        case "export":
            guard let address = held.last else { return nil }
            return "handle=\(try driver.handle(of: address))"
        case "import":
            guard let handle = request.argument(1) else { return nil }
            _ = try driver.open(handle: handle)
            return ""
        case "loop":
            return "seconds=\(try timeOfAllocation(during: request.number(1), bytes: request.number(2), driver))"
        default: return nil
        }
    }

    private func openCUDA() throws(CUDAError) -> CUDADriver {
        if let cuda { return cuda }
        let driver = try CUDADriver(library: cudaLibrary)
        cuda = driver
        return driver
    }

    /// Keeps an allocation, and writes to all of it.
    private func hold(_ address: UInt64, bytes: UInt64, _ driver: CUDADriver) throws(CUDAError) {
        held.append(address)
        try driver.fill(address, bytes: bytes)
    }

    /// Allocates and frees a block in a loop.
    ///
    /// - Returns: the mean time of an allocation, in seconds.
    private func timeOfAllocation(
        during milliseconds: UInt64, bytes: UInt64, _ driver: CUDADriver
    ) throws(CUDAError) -> Double {
        let start = monotonicSeconds()
        var count = 0
        while monotonicSeconds() - start < Double(milliseconds) / 1000 {
            try driver.free(try driver.allocate(bytes))
            count += 1
        }
        return (monotonicSeconds() - start) / Double(max(1, count))
    }

    // MARK: The kernel

    /// The folder of our own cgroup, or of its parent; nil without a unified hierarchy (cgroup v2).
    private func folder(isParent: Bool) -> String? {
        ProcFS(root: procfs).ownCgroup.flatMap {
            CgroupFS(sysfs: sysfs).unifiedFolder(cgroup: $0, isParent: isParent)
        }
    }

    /// What the dmem controller charges to our own cgroup for the GPU at this PCI address.
    private func charge(pci: String) -> String {
        let bytes = folder(isParent: false).flatMap {
            CgroupFS(sysfs: sysfs).deviceMemory(in: $0).ofDevice(at: pci)
        }
        return "bytes=\(bytes.map { String($0) } ?? "none")"
    }
}
