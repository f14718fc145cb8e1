import Glibc
import HostFS
import Ledger
import Sampling

/// Runs the steps of `measure`. Each step has its own worker processes, so a driver that hangs in one step does not
/// stop the other steps.
package final class Measurement {
    let plan: MeasurePlan
    private let sampler: Sampler
    /// No step starts after this time, in seconds of the monotonic clock.
    private let end = monotonicSeconds() + MeasurePlan.deadline
    let leftovers = Leftovers()
    private var latest: (observation: Observation, snapshot: Snapshot)?
    private var chosenTarget: Target?
    /// The settings that steps changed. Each step restores them at its end, if it can.
    var changed: Set<MeasuredSetting> = []
    /// The settings that could not be restored.
    var unrestored: Set<MeasuredSetting> = []
    /// The image for the steps with containers; nil before the first of them.
    var image: ContainerImage?

    package init(_ plan: MeasurePlan, _ sampler: Sampler) {
        self.plan = plan
        self.sampler = sampler
    }

    /// Ends the processes, and removes the image.
    package func finish() {
        image = nil
        sampler.finish()
    }

    /// Adds what is known of the machine to the report.
    package func describe(in report: inout MeasureReport) {
        report.changed = changed.sorted { $0.rawValue < $1.rawValue }
        report.unrestored = unrestored.sorted { $0.rawValue < $1.rawValue }
        // If no step has read through the sampler yet, wait until the report is complete, because a reading wakes the
        // GPUs.
        guard let latest = latest ?? (report.isComplete ? observe() : nil) else { return }
        report.kernel = latest.observation.view.kernel
        report.nvidiaDriver = latest.observation.view.nvidiaDriver
        report.cudaVersion = latest.observation.view.cudaVersion
        report.gpus = latest.snapshot.devices.map(MeasureReport.GPU.init)
    }

    /// Tries a step.
    package func run(_ step: MeasuredStep) -> MeasuredResult {
        let start = monotonicSeconds()
        let outcome: MeasuredResult.Outcome
        do throws(NotTried) {
            guard start < end else { throw .outOfTime }
            outcome = .tried(try finding(of: step))
        } catch {
            outcome = .notTried(error)
        }
        return MeasuredResult(step, outcome, seconds: monotonicSeconds() - start)
    }

    private func finding(of step: MeasuredStep) throws(NotTried) -> Finding {
        switch step {
        case .waking: try waking()
        case .firstCall: try firstCall()
        case .recordSize: try recordSize()
        case .memoryCalls: try memoryCalls()
        case .reserved: try reserved()
        case .ledger: try ledger()
        case .nvidiaSMI: try nvidiaSMI()
        case .check: try check()
        case .context: try context()
        case .rounding: try rounding()
        case .killedHolder: try killedHolder()
        case .ipc: try ipc()
        case .managed: try managed()
        case .pidNamespace: try pidNamespace()
        case .container: try container(withHostPIDs: false)
        case .containerHostPIDs: try container(withHostPIDs: true)
        case .containerDevices: try containerDevices()
        case .accounting: try accounting()
        case .mig: try mig()
        case .mps: try mps()
        case .pytorch: try pytorch()
        case .runCost: try runCost()
        case .amdProcesses: try amdProcesses()
        case .partitions: try partitions()
        case .intelProcesses: try intelProcesses()
        case .dmemCharge: try dmemCharge()
        case .limits: try limits()
        case .hangingDriver: try hangingDriver()
        }
    }

    /// The hang that most exceeded its time limit.
    private func hangingDriver() throws(NotTried) -> Finding {
        guard let longest = leftovers.hangs.max(by: { $0.took - $0.deadline < $1.took - $1.deadline }) else {
            throw .missing(.hang)
        }
        return .hangingDriver(deadline: longest.deadline, took: longest.took)
    }

    // MARK: Plimsoll's own reading

    /// Reads the host as every Plimsoll command does.
    func observe() -> (observation: Observation, snapshot: Snapshot) {
        if !isSampling { sampler.begin() }
        let observation = sampler.observe()
        let read = (observation, Snapshot(observation))
        latest = read
        return read
    }

    /// Whether the sampler has made a reading. From then on it keeps the GPUs awake.
    var isSampling: Bool { latest != nil }

    /// The version of NVIDIA's driver.
    var driver: String? { latest?.observation.view.nvidiaDriver }

    // MARK: The GPU that is used

    /// The GPU or MIG instance that a step uses.
    struct Target {
        /// The driver's index of the GPU.
        var gpu: Int
        /// UUID of the GPU, or of the MIG instance if one is used.
        var uuid: String
        var gpuUUID: String
        var pci: String?
        var total: Bytes?
        var free: Bytes?

        /// The UUID as CUDA reports it (`Allocation.digits`).
        var digits: String { Allocation.digits(of: uuid) }
    }

    /// The NVIDIA GPU or MIG instance with the most free memory, of all or of the GPU that the user chose.
    func target() throws(NotTried) -> Target {
        if let chosenTarget { return chosenTarget }
        let target = try target { _ in true }
        chosenTarget = target
        return target
    }

    private func targetOrDefault(_ other: Target?) throws(NotTried) -> Target {
        if let other { return other }
        return try target()
    }

    /// The same among some devices.
    func target(where isCandidate: (Device) -> Bool) throws(NotTried) -> Target {
        let snapshot = observe().snapshot
        let candidates = snapshot.candidates(on: plan.device).filter {
            snapshot.devices[$0.device].vendor == .nvidia && isCandidate(snapshot.devices[$0.device])
        }
        guard let best = candidates.min(by: { $0.precedes($1) }) else {
            let others = snapshot.candidates(on: nil).contains { snapshot.devices[$0.device].vendor == .nvidia }
            throw others && plan.device != nil ? .missing(.chosenGPU) : Self.reasonForNoTarget(snapshot)
        }
        let device = snapshot.devices[best.device]
        guard let uuid = device.uuid, let gpu = Int(device.index.prefix { $0 != ":" }) else {
            throw Self.reasonForNoTarget(snapshot)
        }
        let target = Target(
            gpu: gpu, uuid: uuid, gpuUUID: device.parent ?? uuid, pci: device.pci, total: device.memory.total,
            free: best.free)
        if try watcher().ask("exclusive \(gpu)")["mode"] == "yes" { throw .missing(.sharedGPU) }
        return target
    }

    /// Why there is no NVIDIA GPU to use.
    private static func reasonForNoTarget(_ snapshot: Snapshot) -> NotTried {
        let error =
            snapshot.sources.first { $0.name == "nvml" }?.error
            ?? snapshot.devices.first { $0.vendor == .nvidia }?.memory.unavailable
        return switch error?.first {
        case .noAnswer(let seconds)?: .noAnswer(seconds: seconds)
        case .call(let name, let code)?: .nvml(call: name, code: code)
        case .missingSymbol(_, let symbol)?: .noFunction(symbol)
        default: .missing(.nvidiaDriver)
        }
    }

    // MARK: The driver's own answers

    /// A new worker that asks the driver and holds no memory.
    func watcher() throws(NotTried) -> WorkerProcess { try WorkerProcess(plan, leftovers) }

    /// The memory of a target, as the driver reports it.
    struct TargetMemory {
        var used: Bytes?
        var free: Bytes?
        /// Bytes of the listed processes by PID; nil if the driver does not report them.
        var processes: [UInt32: Bytes?]

        func bytes(of pid: UInt32) throws(NotTried) -> Bytes {
            guard let bytes = processes[pid] ?? nil else { throw .missing(.perProcessMemory) }
            return bytes
        }

        /// Used memory minus the bytes of listed processes that are not ours. It does not change if those processes
        /// allocate. nil if the driver does not report used memory.
        ///
        /// - Parameter own: our own processes.
        func netUsed(own: Set<UInt32>) -> Bytes? {
            let others = processes.filter { !own.contains($0.key) }.compactMap(\.value)
            return used?.subtracting(Bytes.sum(others))
        }
    }

    /// Reads the memory of a target, by default of `target()`.
    func targetMemory(_ watcher: WorkerProcess, on other: Target? = nil) throws(NotTried) -> TargetMemory {
        let target = try targetOrDefault(other)
        let devices = try watcher.observe(gpu: target.gpu)
        guard let device = devices.first(where: { $0.uuid == target.uuid }) else { throw .missing(.nvidiaDriver) }
        guard case .read = device.compute else { throw .missing(.perProcessMemory) }
        var processes: [UInt32: Bytes?] = [:]
        for process in [device.compute, device.graphics, device.mps].flatMap(\.processes) {
            let bytes = process.bytes.flatMap { Bytes(reported: $0) }
            processes[process.pid] = max(bytes ?? -1, (processes[process.pid] ?? nil) ?? -1)
        }
        let memory = device.memory.value
        return TargetMemory(
            used: memory?.used.flatMap { Bytes(reported: $0) }, free: memory?.free.flatMap { Bytes(reported: $0) },
            processes: processes.mapValues { ($0 ?? -1) < 0 ? nil : $0 })
    }

    /// Reads the memory of `target()` when its net used memory (`netUsed`) is steady: the same in two readings 20 ms
    /// apart.
    ///
    /// - Parameter own: our own processes.
    /// - Throws: `memoryChanged` if it changes in each of five readings.
    func quietMemory(
        _ watcher: WorkerProcess, own: Set<UInt32> = []
    ) throws(NotTried) -> (memory: TargetMemory, netUsed: Bytes) {
        guard var previous = try targetMemory(watcher).netUsed(own: own) else { throw .missing(.memoryTotals) }
        for _ in 0..<5 {
            usleep(20_000)
            let next = try targetMemory(watcher)
            if let now = next.netUsed(own: own) {
                if now == previous { return (next, now) }
                previous = now
            }
        }
        throw .memoryChanged
    }

    /// Ends our workers, and waits up to 2 s until the net used memory is what it was before them. Otherwise a process
    /// that the driver does not list has allocated or freed memory meanwhile, and the step's comparison is worthless.
    ///
    /// - Throws: `memoryChanged` in that case.
    func expectNetUsed(
        _ before: Bytes, afterEnding holders: [WorkerProcess], _ watcher: WorkerProcess
    ) throws(NotTried) {
        let own = Set(holders.map(\.pid))
        for holder in holders { holder.end() }
        for _ in 0..<100 {
            if try targetMemory(watcher).netUsed(own: own) == before { return }
            usleep(20_000)
        }
        throw .memoryChanged
    }

    // MARK: Workers that hold memory

    /// Upper bound of the memory of a context: up to 555 MiB (llama.cpp, pull request 23604), and more for new GPUs.
    static let contextAtMost: Bytes = 640 << 20

    /// A new worker with a context, if there is memory for the context and for what the worker will allocate. 5% of the
    /// GPU must stay free.
    ///
    /// - Parameters:
    ///   - bytes: what the worker will allocate besides its context.
    ///   - contexts: the number of contexts that the step will have.
    ///   - usesMPS: whether the worker is a client of the MPS server, if one runs.
    ///   - wrapper: see `WorkerProcess.init`.
    func holder(
        toAllocate bytes: Bytes = 0, contexts: Bytes = 1, on other: Target? = nil, usesMPS: Bool = false,
        through wrapper: [String] = []
    ) throws(NotTried) -> WorkerProcess {
        let target = try targetOrDefault(other)
        try checkFree(bytes + contexts * Self.contextAtMost, on: target)
        let holder = try WorkerProcess(plan, leftovers, .holds(bytes + Self.contextAtMost), through: wrapper)
        if usesMPS { try holder.ask("mps") }
        try holder.ask("context \(target.digits)")
        return holder
    }

    /// The same; nil if there is too little memory, or no CUDA.
    func holderIfPossible(toAllocate bytes: Bytes = 0) throws(NotTried) -> WorkerProcess? {
        do throws(NotTried) {
            return try holder(toAllocate: bytes)
        } catch .notEnoughMemory {
            return nil
        } catch .missing(.cuda) {
            return nil
        } catch .missing(.cudaDevice) {
            return nil
        }
    }

    /// Checks that workers can hold this much: within `MeasurePlan.memoryLimit`, and so that 5% of the GPU stays free.
    ///
    /// - Throws: `notEnoughMemory` if they cannot.
    func checkFree(_ needed: Bytes, on other: Target? = nil) throws(NotTried) {
        let target = try targetOrDefault(other)
        guard let free = try targetMemory(try watcher(), on: target).free ?? target.free else {
            throw .missing(.memoryTotals)
        }
        guard needed + leftovers.held <= MeasurePlan.memoryLimit, free - needed >= (target.total ?? 0) / 20 else {
            throw .notEnoughMemory(needed: needed, free: free)
        }
    }
}
