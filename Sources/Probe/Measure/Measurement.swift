import Glibc
import HostFS
import Ledger
import Sampling

/// Tries the steps of `measure`, each with processes of its own, so that a driver that hangs in one takes no other with
/// it.
package final class Measurement {
    let plan: MeasurePlan
    private let sampler: Sampler
    private let end = monotonicSeconds() + MeasurePlan.deadline
    let leftovers = Leftovers()
    private var latest: (observation: Observation, snapshot: Snapshot)?
    private var chosen: Target?
    /// They are restored by the end of their step, if they can be.
    var changed: Set<MeasuredSetting> = []
    var unrestored: Set<MeasuredSetting> = []
    /// The engine's image of `container`, which the steps with containers use.
    var image: ContainerImage?

    package init(_ plan: MeasurePlan, _ sampler: Sampler) {
        self.plan = plan
        self.sampler = sampler
    }

    /// Leaves no process, image or allocation behind.
    package func finish() {
        image = nil
        sampler.finish()
    }

    /// What is known of the machine by now.
    package func describe(in report: inout MeasureReport) {
        report.changed = changed.sorted { $0.rawValue < $1.rawValue }
        report.unrestored = unrestored.sorted { $0.rawValue < $1.rawValue }
        // Some steps ask nobody else, and keep the GPUs asleep.
        guard let latest = latest ?? (report.isComplete ? observe() : nil) else { return }
        report.kernel = latest.observation.view.kernel
        report.nvidiaDriver = latest.observation.view.nvidiaDriver
        report.cudaVersion = latest.observation.view.cudaVersion
        report.gpus = latest.snapshot.devices.map(MeasureReport.GPU.init)
    }

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

    private func hangingDriver() throws(NotTried) -> Finding {
        guard let longest = leftovers.hangs.max(by: { $0.took - $0.deadline < $1.took - $1.deadline }) else {
            throw .missing(.hang)
        }
        return .hangingDriver(deadline: longest.deadline, took: longest.took)
    }

    // MARK: Plimsoll's own reading

    func observe() -> (observation: Observation, snapshot: Snapshot) {
        if !isSampling { sampler.begin() }
        let observation = sampler.observe()
        let read = (observation, Snapshot(observation))
        latest = read
        return read
    }

    /// It keeps the GPUs awake from its first reading on.
    var isSampling: Bool { latest != nil }

    /// The version of NVIDIA's driver.
    var driver: String? { latest?.observation.view.nvidiaDriver }

    // MARK: The GPU that is used

    struct Target {
        /// The driver's index of the GPU.
        var gpu: Int
        /// Its UUID, or that of the MIG instance that is used.
        var uuid: String
        var gpuUUID: String
        var pci: String?
        var total: Bytes?
        var free: Bytes?

        /// As CUDA has the UUID.
        var digits: String { Allocation.digits(of: uuid) }
    }

    /// The NVIDIA GPU or MIG instance with the most free memory, or the one that was asked for.
    func target() throws(NotTried) -> Target {
        if let chosen { return chosen }
        let target = try target { _ in true }
        chosen = target
        return target
    }

    private func chosen(_ other: Target?) throws(NotTried) -> Target {
        if let other { return other }
        return try target()
    }

    /// - Parameter isMeant: which of the snapshot's devices may be used.
    func target(where isMeant: (Device) -> Bool) throws(NotTried) -> Target {
        let snapshot = observe().snapshot
        let candidates = snapshot.candidates(on: plan.device).filter {
            snapshot.devices[$0.device].vendor == .nvidia && isMeant(snapshot.devices[$0.device])
        }
        guard let room = candidates.max(by: { ($0.free ?? -1, $1.device) < ($1.free ?? -1, $0.device) }) else {
            let others = snapshot.candidates(on: nil).contains { snapshot.devices[$0.device].vendor == .nvidia }
            throw others && plan.device != nil ? .missing(.chosenGPU) : Self.absence(snapshot)
        }
        let device = snapshot.devices[room.device]
        guard let uuid = device.uuid, let gpu = Int(device.index.prefix { $0 != ":" }) else {
            throw Self.absence(snapshot)
        }
        let target = Target(
            gpu: gpu, uuid: uuid, gpuUUID: device.parent ?? uuid, pci: device.pci, total: device.memory.total,
            free: room.free)
        if try watcher().ask("exclusive \(gpu)")["mode"] == "yes" { throw .missing(.sharedGPU) }
        return target
    }

    private static func absence(_ snapshot: Snapshot) -> NotTried {
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

    /// A process that asks the driver and holds nothing.
    func watcher() throws(NotTried) -> WorkerProcess { try WorkerProcess(plan, leftovers) }

    struct Card {
        var used: Bytes?
        var free: Bytes?
        /// By PID; nil if the driver does not report it.
        var processes: [UInt32: Bytes?]

        func bytes(of pid: UInt32) throws(NotTried) -> Bytes {
            guard let bytes = processes[pid] ?? nil else { throw .missing(.perProcessMemory) }
            return bytes
        }

        /// Used memory less what others are listed with, so that it does not change if they allocate; nil if the driver
        /// does not report what is used.
        ///
        /// - Parameter own: the processes of ours.
        func rest(of own: Set<UInt32>) -> Bytes? {
            let others = processes.filter { !own.contains($0.key) }.compactMap(\.value)
            return used?.subtracting(Bytes.sum(others))
        }
    }

    /// What the driver tells of a GPU, by default the one that is used.
    func card(_ watcher: WorkerProcess, on other: Target? = nil) throws(NotTried) -> Card {
        let target = try chosen(other)
        let devices = try watcher.observe(gpu: target.gpu)
        guard let device = devices.first(where: { $0.uuid == target.uuid }) else { throw .missing(.nvidiaDriver) }
        guard case .read = device.compute else { throw .missing(.perProcessMemory) }
        var processes: [UInt32: Bytes?] = [:]
        for process in [device.compute, device.graphics, device.mps].flatMap(\.processes) {
            let bytes = process.bytes.flatMap { Bytes(told: $0) }
            processes[process.pid] = max(bytes ?? -1, (processes[process.pid] ?? nil) ?? -1)
        }
        let memory = device.memory.value
        return Card(
            used: memory?.used.flatMap { Bytes(told: $0) }, free: memory?.free.flatMap { Bytes(told: $0) },
            processes: processes.mapValues { ($0 ?? -1) < 0 ? nil : $0 })
    }

    /// The same, at a moment when nothing but our own processes and those of others that the driver lists holds more or
    /// less.
    ///
    /// - Parameter own: the processes of ours.
    func quietCard(_ watcher: WorkerProcess, of own: Set<UInt32> = []) throws(NotTried) -> (card: Card, rest: Bytes) {
        guard var rest = try card(watcher).rest(of: own) else { throw .missing(.memoryTotals) }
        for _ in 0..<5 {
            usleep(20_000)
            let next = try card(watcher)
            if let now = next.rest(of: own) {
                if now == rest { return (next, now) }
                rest = now
            }
        }
        throw .notQuiet
    }

    /// What was compared is right only if the memory of others that the driver does not list is what it was: ends our
    /// processes, and waits for what they held.
    func expect(_ rest: Bytes, after holders: [WorkerProcess], _ watcher: WorkerProcess) throws(NotTried) {
        let own = Set(holders.map(\.pid))
        for holder in holders { holder.end() }
        for _ in 0..<100 {
            if try card(watcher).rest(of: own) == rest { return }
            usleep(20_000)
        }
        throw .notQuiet
    }

    // MARK: Memory of ours

    /// A context costs up to 555 MiB (llama.cpp, pull request 23604), and a new card's may cost more.
    static let contextAtMost: Bytes = 640 << 20

    /// A process with a context, if there is memory for it and for what it will allocate: others keep 5% of the GPU.
    ///
    /// - Parameters:
    ///   - bytes: what it will allocate on top.
    ///   - contexts: how many processes with a context there will be.
    ///   - usesMPS: it is a client of the MPS server, if one runs.
    func holder(
        toAllocate bytes: Bytes = 0, contexts: Bytes = 1, on other: Target? = nil, usesMPS: Bool = false,
        through wrapper: [String] = []
    ) throws(NotTried) -> WorkerProcess {
        let target = try chosen(other)
        try checkFree(bytes + contexts * Self.contextAtMost, on: target)
        let holder = try WorkerProcess(plan, leftovers, .holds(bytes + Self.contextAtMost), through: wrapper)
        if usesMPS { try holder.ask("mps") }
        try holder.ask("context \(target.digits)")
        return holder
    }

    /// The same; nil if there is no memory for it, or no CUDA.
    func holderIfPossible(toAllocate bytes: Bytes = 0) throws(NotTried) -> WorkerProcess? {
        do throws(NotTried) {
            return try holder(toAllocate: bytes)
        } catch .noRoom {
            return nil
        } catch .missing(.cuda) {
            return nil
        } catch .missing(.cudaDevice) {
            return nil
        }
    }

    func checkFree(_ needed: Bytes, on other: Target? = nil) throws(NotTried) {
        let target = try chosen(other)
        guard let free = try card(try watcher(), on: target).free ?? target.free else { throw .missing(.memoryTotals) }
        guard needed + leftovers.held <= MeasurePlan.memoryLimit, free - needed >= (target.total ?? 0) / 20 else {
            throw .noRoom(needed: needed, free: free)
        }
    }
}
