import ContainerRuntimes
import GPUDrivers
import Glibc
import HostFS
import Ledger

/// What to read, and how long to wait for it.
package struct SamplingPlan: Sendable {
    package var procfs: String
    package var sysfs: String
    /// nil for the system's.
    package var nvmlLibrary: String?
    /// nil to ask none.
    package var engines: EngineSelection?
    /// Seconds for a device.
    package var deviceTimeout: Double
    /// Seconds for an engine.
    package var engineTimeout: Double
    /// Others who want a processor come first.
    package var standsBack = false

    /// The nice value of who stands back: not so far that on a machine whose processors are all taken nothing is read.
    package static let behind: Int32 = 10

    package init(
        procfs: String, sysfs: String, nvmlLibrary: String?, engines: EngineSelection?, deviceTimeout: Double,
        engineTimeout: Double
    ) {
        self.procfs = procfs
        self.sysfs = sysfs
        self.nvmlLibrary = nvmlLibrary
        self.engines = engines
        self.deviceTimeout = deviceTimeout
        self.engineTimeout = engineTimeout
    }
}

/// Asks all sources, and keeps between samples what makes the next one cheaper and truer: the driver's session, and what is
/// known of processes. Used by one thread.
package final class Sampler {
    private let plan: SamplingPlan
    private let proc: ProcFS
    private let cgroups: CgroupFS
    private let nvidia: DriverSession
    private let kernel: DriverSession
    private let watch: ProcessWatch
    private var absence: (answer: DriverAnswer, since: Double)?
    private var gpus: (known: [KernelGPU], readAt: Double)?
    private var view: (view: ProcessView, readAt: Double)?

    /// - Parameter tell: is handed what a person should know while they wait: that the driver is slow, or asked anew.
    package init(_ plan: SamplingPlan, tell: @escaping (String) -> Void) {
        self.plan = plan
        proc = ProcFS(root: plan.procfs)
        cgroups = CgroupFS(sysfs: plan.sysfs)
        watch = ProcessWatch(proc, cgroups)
        nvidia = DriverSession(.nvidia, plan, tell: tell)
        kernel = DriverSession(.kernel, plan, tell: tell)
    }

    /// Ends the drivers' children. Where one hangs, it ends by itself when it can, after us.
    package func finish() {
        nvidia.end()
        kernel.end()
    }

    /// Blocks for the longest time of the plan at most, that of an engine or that of a device, and as long as the system's
    /// user database takes.
    ///
    /// - Parameter withAccounts: the driver's accounts of processes too, where it keeps them.
    package func observe(withAccounts: Bool = false) -> Observation {
        let engines = plan.engines.map { EngineRound($0, within: plan.engineTimeout) }
        var observation = Observation(time: wallClock(), host: hostName(), view: ProcessView())

        let drivers = askDrivers(withAccounts, into: &observation)
        var clock = Stopwatch()
        do throws(FileError) {
            observation.view = try currentView()
            observation.deviceMemory = observation.devices.isEmpty ? nil : cgroups.deviceMemory()
            observation.processes = watch.processes
            observation.ramLimits = watch.ramLimits(charged: observation.deviceMemory ?? [])
            watch.endSample(completely: drivers.areComplete)
            if observation.devices.contains(where: { $0.sharesHostMemory == true || $0.driver != nil }) {
                observation.hostMemory = proc.hostMemory()
            }
            observation.sources.append(SourceReport(name: "proc", seconds: drivers.looking + clock.lap()))
        } catch {
            observation.view.hidesProcesses = true
            observation.sources.append(SourceReport(name: "proc", seconds: clock.lap(), error: error.description))
        }
        observation.view.nvidiaDriver = drivers.versions.driver
        observation.view.cudaVersion = drivers.versions.cuda

        if let answered = engines?.wait() {
            observation.engines = answered.engines
            observation.sources += answered.reports
        }
        return observation
    }

    private struct DriversReport {
        var versions: DriverVersions
        /// Every list was read.
        var areComplete: Bool
        /// Seconds that processes were looked up meanwhile.
        var looking = 0.0
    }

    /// Both at once, each through its child. Processes are looked up as soon as a driver lists them.
    private func askDrivers(_ withAccounts: Bool, into observation: inout Observation) -> DriversReport {
        watch.beginSample()
        var looking = 0.0
        func look(_ devices: [ObservedDevice]) {
            var clock = Stopwatch()
            watch.look(up: devices)
            looking += clock.lap()
        }
        let known = kernelGPUs()
        var clock = Stopwatch()
        if !known.isEmpty { kernel.ask(known: known, look) }
        let answer = askNVIDIA(withAccounts, besides: !known.isEmpty, look)
        observation.devices = answer.devices
        let isMissed = !answer.isAbsent || known.isEmpty || plan.nvmlLibrary != nil
        if isMissed {
            observation.sources.append(
                SourceReport(name: "nvml", seconds: max(0, clock.lap() - looking), error: answer.error))
        }
        var report = DriversReport(versions: answer.versions, areComplete: answer.error == nil || !isMissed)
        if !known.isEmpty {
            let before = looking
            let answer = kernel.collect(look)
            let clients = answer.clients?.value?.clients ?? []
            watch.look(up: clients)
            observation.clients = answer.clients
            observation.devices += answer.devices.filter { KernelGPU.isShown($0, clients) }
            observation.sources.append(
                SourceReport(
                    name: "drm", seconds: max(0, clock.lap() - (looking - before)),
                    error: answer.error ?? answer.clients?.value?.complaint))
            if answer.error != nil { report.areComplete = false }
        }
        report.looking = looking
        return report
    }

    /// Where other GPUs are there and NVIDIA's driver is not, it is looked for now and then alone: a child is started for that.
    private func askNVIDIA(_ withAccounts: Bool, besides others: Bool, _ look: ([ObservedDevice]) -> Void)
        -> DriverAnswer
    {
        let now = monotonicSeconds()
        if others, let absence, now - absence.since < 6 * ProcessWatch.freshness { return absence.answer }
        nvidia.ask(withAccounts: withAccounts, look)
        let answer = nvidia.collect(look)
        absence = answer.isAbsent ? (answer, now) : nil
        return answer
    }

    /// They come and go with a cable at most.
    private func kernelGPUs() -> [KernelGPU] {
        let now = monotonicSeconds()
        if let gpus, now - gpus.readAt < ProcessWatch.freshness { return gpus.known }
        let found = DRMDriver(sysfs: plan.sysfs).gpus
        gpus = (found, now)
        return found
    }

    /// It changes when somebody mounts /proc anew, and hardly ever.
    private func currentView() throws(FileError) -> ProcessView {
        if let view, monotonicSeconds() - view.readAt < ProcessWatch.freshness { return view.view }
        let read = try proc.view()
        view = (read, monotonicSeconds())
        return read
    }

    /// One process, whether a driver lists it or not.
    package func process(_ pid: UInt32) -> ObservedProcess? { proc.process(pid) }

    package func processes(_ pids: [UInt32]) -> [ObservedProcess] { pids.compactMap { process($0) } }

    /// Every process that has one of these PIDs in a namespace of its own, as `docker exec … ps` shows it.
    package func processes(withInsidePIDs pids: Set<UInt32>) -> [ObservedProcess] {
        let all = (try? proc.pids()) ?? []
        return all.compactMap(proc.process).filter { !pids.isDisjoint(with: $0.namespacePIDs.dropFirst()) }
    }

    /// The parent of a process; nil for one that is no more.
    package func parent(of pid: UInt32) -> UInt32? { proc.parent(of: pid) }

    /// The command line of a process that was observed, if it still is that one.
    package func commandLine(of process: ObservedProcess) -> String? {
        proc.commandLine(of: process.pid, startedAt: process.startTick)
    }
}

/// Milliseconds since 1970.
package func wallClock() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
}

private func hostName() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
}

/// Seconds since it was made or last read.
struct Stopwatch {
    private var start = ContinuousClock.now

    mutating func lap() -> Double {
        let now = ContinuousClock.now
        defer { start = now }
        return (now - start) / .seconds(1)
    }
}
