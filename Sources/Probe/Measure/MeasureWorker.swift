import CCUDA
import FoundationEssentials
import GPUDrivers
import Glibc
import HostFS
import Ledger
import Sampling
import Synchronization

/// This program as a child of `measure` that asks the driver and holds GPU memory: on this host, in a PID namespace, or
/// in a container. It ends with its channel, and all that it held goes with it.
package enum MeasureWorker {
    static let command = "measure-worker"
    private static let output: Int32 = 4

    /// Serves if this program was started as the worker, and does not return then. A wrapper such as `docker run`
    /// cannot choose the program's name, so the second argument identifies the worker.
    package static func serveIfAsked() {
        let arguments = ProgramArguments.all
        guard arguments.count == 6, arguments[1] == command else { return }
        dup2(STDIN_FILENO, HelperProcess.channel)
        dup2(STDOUT_FILENO, output)
        // What a library prints is no answer.
        let nothing = open(SystemPath.nothing, O_RDWR)
        for fd in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] { dup2(nothing, fd) }
        HelperProcess.settle(as: "plimsoll-probe", keepingUpTo: output)
        let questions = WorkerQuestions(arguments)
        LineServer(input: HelperProcess.channel, output: output).serve(atEnd: questions.restore) {
            questions.answer($0)
        }
    }
}

/// Why the worker has no answer.
private enum WorkerError: Error {
    case nvml(NVMLError)
    case cuda(CUDAError)
    case unknownQuestion

    /// Words of ours and numbers: nothing of a library's text.
    var line: String {
        switch self {
        case .nvml(.notFound): "missing \(NotTried.Missing.nvidiaDriver.rawValue)"
        case .nvml(.symbolMissing(_, let symbol)): "function \(symbol)"
        case .nvml(.failed(let call, let code)): "nvml \(code.value) \(call)"
        case .nvml(.versionMismatch): "nvml 18 nvmlInit_v2"
        case .cuda(let error) where error.code == CUDAError.noLibrary: "missing \(NotTried.Missing.cuda.rawValue)"
        case .cuda(let error) where error.code == CUDAError.noFunction: "function \(error.call)"
        case .cuda(let error) where error.code == CUDAError.noDevice:
            "missing \(NotTried.Missing.cudaDevice.rawValue)"
        case .cuda(let error): "cuda \(error.code) \(error.call)"
        case .unknownQuestion: "question"
        }
    }
}

private final class WorkerQuestions: @unchecked Sendable {
    private let nvmlLibrary: String?
    private let cudaLibrary: String
    private let procfs: String
    private let sysfs: String

    private var nvml: NVMLDriver?
    private var cuda: CUDADriver?
    private var usesMPS = false
    private var context: ccuda_context?
    private var held: [UInt64] = []
    private let settings = Mutex(Settings())

    /// Settings of GPUs that were changed.
    private struct Settings {
        struct Change {
            var setting: MeasuredSetting
            var gpu: Int
            var wasOn: Bool
        }

        var changes: [Change] = []
        /// A change is on its way to the driver.
        var isChanging = false
        /// The parent is gone: nothing is changed any more.
        var isEnding = false
    }

    init(_ arguments: [String]) {
        nvmlLibrary = arguments[2].isEmpty ? nil : arguments[2]
        cudaLibrary = arguments[3].isEmpty ? LoaderChild.libraries[1] : arguments[3]
        procfs = arguments[4].isEmpty ? SystemPath.proc : arguments[4]
        sysfs = arguments[5].isEmpty ? SystemPath.sys : arguments[5]
    }

    func answer(_ line: String) -> String {
        let words = line.split(separator: " ").map(String.init)
        do throws(WorkerError) {
            let told = try serve(words)
            return told.isEmpty ? "ok" : "ok \(told)"
        } catch {
            return "error \(error.line)"
        }
    }

    private func serve(_ words: [String]) throws(WorkerError) -> String {
        func number(_ index: Int) -> UInt64 { words.indices.contains(index) ? UInt64(words[index]) ?? 0 : 0 }
        let gpu = Int(clamping: number(1))
        switch words.first {
        case "hello": return "pid=\(getpid())"
        case "power":
            return PCIFS(sysfs: sysfs).gpus().map {
                "\($0.address)=\($0.vendor.rawValue),\($0.runtimeStatus ?? "unknown")"
            }.joined(separator: " ")
        case "charge": return charge(pci: words.count > 1 ? words[1] : "")
        case "open", "attach", "mode", "exclusive", "memory", "lists", "observe", "set", "close", "account", "limits":
            do throws(NVMLError) {
                return try ask(words, gpu: gpu, number(2))
            } catch {
                throw .nvml(error)
            }
        default:
            let told: String?
            do throws(CUDAError) {
                told = try use(words, number(1), number(2))
            } catch {
                throw .cuda(error)
            }
            guard let told else { throw .unknownQuestion }
            return told
        }
    }

    // MARK: NVIDIA's management library

    private func ask(_ words: [String], gpu: Int, _ second: UInt64) throws(NVMLError) -> String {
        if words[0] == "close" {
            nvml?.close()
            nvml = nil
            return ""
        }
        let driver: NVMLDriver
        if let nvml {
            driver = nvml
        } else {
            driver = try NVMLDriver(library: nvmlLibrary, module: nil)
            nvml = driver
        }
        switch words[0] {
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
                "\($0.function)=\($0.code):\($0.count):\($0.touched):\($0.assumed)"
            }.joined(separator: " ")
        case "observe":
            let devices = driver.observe(gpu: gpu, withAccounts: false, clock: { nil }).devices
            let data = try? JSONEncoder().encode(devices)
            return data.map { String(decoding: $0, as: UTF8.self) } ?? ""
        case "set":
            return try change(words, gpu: gpu, driver)
        case "account":
            let peak = try driver.accountedPeak(of: UInt32(clamping: second), gpu: gpu)
            return peak.map { "bytes=\($0)" } ?? "bytes=none"
        default:
            guard words.count == 3, let folder = folder(isParent: words[2] == "parent") else { return "code=none" }
            let (code, hard) = try driver.limits(of: folder, gpu: gpu)
            return "code=\(code) hard=\(hard)"
        }
    }

    private func change(_ words: [String], gpu: Int, _ driver: NVMLDriver) throws(NVMLError) -> String {
        guard words.count == 4, let setting = MeasuredSetting(rawValue: words[2]) else { return "" }
        let wasOn = try driver.mode(setting, gpu: gpu)
        let isOn = words[3] == "on"
        guard let wasOn, wasOn != isOn else { return "changed=no" }
        // Recorded first, so that the change is restored even if the worker ends during the call.
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

    /// Puts the settings back, also if the parent was killed. On the main thread: the other one may hang in the driver.
    func restore() {
        let changes = settings.withLock { settings in
            settings.isEnding = true
            return settings.changes
        }
        if changes.isEmpty { return }
        // A change that is under way must not come after its restoration.
        for _ in 0..<200 where settings.withLock({ $0.isChanging }) { usleep(10_000) }
        guard let driver = try? NVMLDriver(library: nvmlLibrary, module: nil) else { return }
        for change in changes.reversed() { try? driver.set(change.setting, change.wasOn, gpu: change.gpu) }
    }

    // MARK: CUDA

    /// - Returns: nil if there is no such question.
    private func use(_ words: [String], _ first: UInt64, _ second: UInt64) throws(CUDAError) -> String? {
        // Others' MPS server would have us as its client: it is used only if that is what is measured.
        if words.first == "mps" {
            usesMPS = true
            return ""
        }
        if !usesMPS { setenv("CUDA_MPS_PIPE_DIRECTORY", SystemPath.nothing, 1) }
        let driver: CUDADriver
        if let cuda {
            driver = cuda
        } else {
            driver = try CUDADriver(library: cudaLibrary)
            cuda = driver
        }
        switch words.first {
        case "devices": return try driver.devices().keys.map { "\($0)=1" }.joined(separator: " ")
        case "context":
            guard words.count == 2, let device = try driver.devices()[words[1]] else {
                throw CUDAError(call: "cuDeviceGet", code: CUDAError.noDevice)
            }
            context = try driver.makeContext(on: device)
            try driver.enter(context)
            return ""
        case "allocate":
            let address = try driver.allocate(first)
            held.append(address)
            try driver.fill(address, bytes: first)
            return ""
        case "managed":
            let address = try driver.allocateManaged(first)
            held.append(address)
            try driver.fill(address, bytes: first)
            return ""
        case "free":
            for address in held { try driver.free(address) }
            held = []
            return ""
        case "export":
            guard let address = held.last else { return nil }
            return "handle=\(try driver.handle(of: address))"
        case "import":
            guard words.count == 2 else { return nil }
            _ = try driver.open(handle: words[1])
            return ""
        case "loop":
            // For so many milliseconds.
            let start = monotonicSeconds()
            var count = 0
            while monotonicSeconds() - start < Double(first) / 1000 {
                try driver.free(try driver.allocate(second))
                count += 1
            }
            return "seconds=\((monotonicSeconds() - start) / Double(max(1, count)))"
        default: return nil
        }
    }

    // MARK: The kernel

    private func folder(isParent: Bool) -> String? {
        ProcFS(root: procfs).ownCgroup.flatMap {
            CgroupFS(sysfs: sysfs).unifiedFolder(cgroup: $0, isParent: isParent)
        }
    }

    /// What the dmem controller charges to our own cgroup, of the GPU at this address.
    private func charge(pci: String) -> String {
        let bytes = folder(isParent: false).flatMap {
            CgroupFS(sysfs: sysfs).deviceMemory(in: $0).ofDevice(at: pci)
        }
        return "bytes=\(bytes.map { String($0) } ?? "none")"
    }
}
