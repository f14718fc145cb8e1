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
    package var engines: EngineSelection
    /// Seconds for a device.
    package var deviceTimeout: Double
    /// Seconds for an engine.
    package var engineTimeout: Double

    package init(
        procfs: String, sysfs: String, nvmlLibrary: String?, engines: EngineSelection, deviceTimeout: Double,
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

/// Asks all sources, and keeps between samples what makes the next one cheaper and truer: the driver's session, and the
/// container that a process was seen in. Used by one thread.
package final class Sampler {
    private let plan: SamplingPlan
    private let proc: ProcFS
    private let cgroups: CgroupFS
    private let driver: DriverSession
    private var seen: [UInt32: ObservedProcess] = [:]

    /// - Parameter onSlowDriver: called when the driver has not answered for a second, at most once.
    package init(_ plan: SamplingPlan, onSlowDriver: @escaping () -> Void) {
        self.plan = plan
        proc = ProcFS(root: plan.procfs)
        cgroups = CgroupFS(sysfs: plan.sysfs)
        driver = DriverSession(plan, onSlow: onSlowDriver)
    }

    /// Blocks for the time of the plan at most: that of an engine, or that of the driver for its session, for its count and
    /// for each device, one after the other.
    package func observe() -> Observation {
        let engines = EngineRound(plan)
        var observation = Observation(time: wallClock(), host: hostName(), view: ProcessView())

        var clock = Stopwatch()
        let (devices, version, driverError) = driver.observe()
        observation.devices = devices
        observation.sources.append(SourceReport(name: "nvml", seconds: clock.lap(), error: driverError))

        do throws(FileError) {
            observation.view = try proc.view()
            observation.processes = processes(listedBy: devices, completely: driverError == nil)
            observation.sources.append(SourceReport(name: "proc", seconds: clock.lap()))
        } catch {
            observation.view.hidesProcesses = true
            observation.sources.append(SourceReport(name: "proc", seconds: clock.lap(), error: error.description))
        }
        observation.view.nvidiaDriver = version
        observation.ramLimits = ramLimits(of: observation.processes)

        let answered = engines.wait()
        observation.engines = answered.engines
        observation.sources += answered.reports
        return observation
    }

    /// One process, whether a driver lists it or not.
    package func process(_ pid: UInt32) -> ObservedProcess? { proc.process(pid) }

    /// Every process that has one of these PIDs in a namespace of its own, as `docker exec … ps` shows it.
    package func processes(withInsidePIDs pids: Set<UInt32>) -> [ObservedProcess] {
        let all = (try? proc.pids()) ?? []
        return all.compactMap(proc.process).filter { !pids.isDisjoint(with: $0.namespacePIDs.dropFirst()) }
    }

    /// The command line of a process that was observed, if it still is that one.
    package func commandLine(of process: ObservedProcess) -> String? {
        proc.commandLine(of: process.pid, startedAt: process.startTick)
    }

    /// - Parameter completely: every list was read, so what is in none of them need not be remembered.
    private func processes(listedBy devices: [ObservedDevice], completely: Bool) -> [ObservedProcess] {
        let listed = devices.flatMap { $0.compute.processes + $0.graphics.processes + $0.mps.processes }
        let found = Set(listed.map(\.pid)).sorted().compactMap(proc.process).map(withKnownContainer)
        let there = Set(found.map(\.pid))
        if completely { seen = seen.filter { there.contains($0.key) } }
        for process in found where process.cgroup.value != nil { seen[process.pid] = process }
        return found
    }

    /// On cgroup v1 a zombie has moved to the root; while it lived it was seen in its container.
    private func withKnownContainer(_ process: ObservedProcess) -> ObservedProcess {
        guard process.isDead, let earlier = seen[process.pid], earlier.startTick == process.startTick else {
            return process
        }
        var process = process
        process.cgroup = earlier.cgroup
        return process
    }

    private func ramLimits(of processes: [ObservedProcess]) -> [String: Reading<UInt64?>] {
        var limits: [String: Reading<UInt64?>] = [:]
        for process in processes {
            guard let text = process.cgroup.value, let container = CgroupMembership(cgroup: text).innermost?.id,
                limits[container]?.value == nil
            else { continue }
            limits[container] = cgroups.ramLimit(of: container, cgroup: text)
        }
        return limits
    }
}

private func wallClock() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
}

private func hostName() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "" }
    return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
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
