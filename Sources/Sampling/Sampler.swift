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
    /// Seconds for a device.
    package var deviceTimeout: Double
    /// Seconds for an engine.
    package var engineTimeout: Double
    /// Others who want a processor come first.
    package var standsBack = false

    /// The nice value of who stands back: not so far that on a machine whose processors are all taken nothing is read.
    package static let behind: Int32 = 10

    package init(
        procfs: String, sysfs: String, nvmlLibrary: String?, deviceTimeout: Double, engineTimeout: Double
    ) {
        self.procfs = procfs
        self.sysfs = sysfs
        self.nvmlLibrary = nvmlLibrary
        self.deviceTimeout = deviceTimeout
        self.engineTimeout = engineTimeout
    }
}

/// Asks all sources, and keeps between samples what makes the next one cheaper and truer. It reads no file itself: drivers and
/// files can hang, so children of this program ask them. Used by one thread.
package final class Sampler {
    private let plan: SamplingPlan
    /// Which engines to ask; nil to ask none.
    package var engines: EngineSelection?
    private let nvidia: DriverSession
    private let host: DriverSession
    private var absence: (answer: DriverAnswer, since: Double)?
    /// When there were last no GPUs of the kernel's drivers, in seconds of the monotonic clock.
    private var noKernelGPUs: Double?
    private var view: (view: ProcessView, readAt: Double)?
    /// Some device uses the host's memory.
    private var sharesHostMemory = true
    /// When the kernel was last seen to have no dmem controller.
    private var noDeviceMemory: Double?
    private var sample: UInt32 = 0
    /// When the last sample has had its time, in seconds of the monotonic clock.
    private var sampleDeadline = 0.0
    /// Every list of the last sample was read.
    private var wasComplete = true
    /// Of the last sample.
    private var processes: [UInt32: ObservedProcess] = [:]
    /// By container: the RAM limits and the owners of its folders, for each text of /proc/PID/cgroup that names it.
    private var limits: [String: [RAMLimitReading]] = [:]
    /// How many of those are too many to keep those of texts that no process has any more.
    private var mostLimits = 256
    /// An answer was missed, so that something of processes is not known here that the child takes for told.
    private var hasMissed = false
    /// Who owns the folders of cgroups that samples, and questions after them, have come across, as `Observation` has it.
    package private(set) var cgroupOwners: [String: UInt32] = [:]
    /// The questions of the sample that was begun and not observed yet.
    private var round: Questions?

    private struct Questions {
        let began: Double
        /// In seconds of the monotonic clock.
        let deadline: Double
        var asksNVIDIA = true
        var asksKernel = true
        var surroundings: UInt32?
        var deviceMemory: UInt32?
        var processes: [UInt32?] = []
        var engines: EngineRound?
    }

    /// - Parameter tell: is handed what a person should know while they wait: that the driver is slow, or asked anew.
    package init(_ plan: SamplingPlan, tell: @escaping (String) -> Void) {
        self.plan = plan
        nvidia = DriverSession(.nvidia, plan, tell: tell)
        host = DriverSession(.host, plan, tell: tell)
    }

    /// Ends the children, and does not wait for their ends.
    package func finish() {
        nvidia.end()
        host.end()
    }

    // MARK: A sample

    /// Asks, and does not wait: what happens until `observe` goes on beside it.
    package func begin(withAccounts: Bool = false) {
        let now = monotonicSeconds()
        var questions = Questions(began: now, deadline: now + plan.deviceTimeout)
        sampleDeadline = questions.deadline
        sample &+= 1
        func isFresh(_ time: Double?) -> Bool { time.map { now - $0 < ProcessWatch.freshness } ?? false }
        // Look again for what was absent only after a while.
        questions.asksNVIDIA =
            noKernelGPUs != nil || !(absence.map { now - $0.since < 6 * ProcessWatch.freshness } ?? false)
        questions.asksKernel = !isFresh(noKernelGPUs)
        if questions.asksNVIDIA { nvidia.ask(withAccounts: withAccounts) }
        if questions.asksKernel { host.ask() } else { host.prepare() }
        if sharesHostMemory || !isFresh(view?.readAt) {
            questions.surroundings = host.send(.surroundings, until: questions.deadline)
        }
        if !isFresh(noDeviceMemory) { questions.deviceMemory = host.send(.deviceMemory, until: questions.deadline) }
        round = questions
    }

    /// Blocks for the longest time of the plan at most, that of an engine or that of a device.
    ///
    /// - Parameter withAccounts: the driver's accounts of processes too, where it keeps them.
    package func observe(withAccounts: Bool = false) -> Observation {
        if round == nil { begin(withAccounts: withAccounts) }
        var questions = round!
        round = nil
        // The user's Docker configuration may have taken its time already.
        let left = max(0.3, ((questions.deadline - monotonicSeconds()) * 10).rounded() / 10)
        questions.engines = engines.map { EngineRound($0, through: host, within: min(plan.engineTimeout, left)) }
        var observation = Observation(time: wallClock(), host: hostName(), view: ProcessView())
        let drivers = collectDrivers(&questions, into: &observation)
        readHost(questions, drivers, into: &observation)
        if let answered = questions.engines?.wait(host) {
            observation.engines = answered.engines
            observation.sources += answered.reports
        }
        observation.cgroupOwners = cgroupOwners.isEmpty ? nil : cgroupOwners
        // Which claims to a container are believed is known when the engines have answered.
        for (container, cgroup) in observation.containerCgroups where observation.ramLimits[container]?.value == nil {
            let limit = limits[container]?.first { $0.cgroup == cgroup }?.limit
            observation.ramLimits[container] = limit ?? observation.ramLimits[container]
        }
        forgetLimits(of: observation)
        return observation
    }

    private struct DriversReport {
        var versions: DriverVersions
        /// Every list was read.
        var areComplete: Bool
    }

    /// NVIDIA's driver and the kernel's, each through its child. Processes are looked up as soon as a driver lists them.
    private func collectDrivers(_ questions: inout Questions, into observation: inout Observation) -> DriversReport {
        var clock = Stopwatch()
        var added = questions
        func look(_ devices: [ObservedDevice]) { lookUp(Self.pids(listedBy: devices), &added) }
        let answer = questions.asksNVIDIA ? nvidia.collect(look) : absence?.answer ?? DriverAnswer()
        if questions.asksNVIDIA { absence = answer.isAbsent ? (answer, questions.began) : nil }
        let nvidiaSeconds = clock.lap()
        let kernel = questions.asksKernel ? host.collect(look) : DriverAnswer(hasInventory: true)
        if questions.asksKernel {
            let hasNone = kernel.hasInventory && kernel.devices.isEmpty && kernel.error == nil
            noKernelGPUs = hasNone ? questions.began : nil
        }
        let clients = kernel.clients?.value?.clients ?? []
        if !clients.isEmpty { lookUp(Set(clients.map(\.pid)), &added) }
        questions = added
        observation.devices = answer.devices + kernel.devices.filter { KernelGPU.isShown($0, clients) }
        observation.clients = kernel.clients
        let isMissed = !answer.isAbsent || noKernelGPUs != nil || plan.nvmlLibrary != nil
        if isMissed {
            observation.sources.append(SourceReport(name: "nvml", seconds: nvidiaSeconds, error: answer.error))
        }
        if noKernelGPUs == nil {
            observation.sources.append(
                SourceReport(
                    name: "drm", seconds: clock.lap(), error: kernel.error ?? kernel.clients?.value?.complaint))
        }
        return DriversReport(
            versions: answer.versions, areComplete: (answer.error == nil || !isMissed) && kernel.error == nil)
    }

    private static func pids(listedBy devices: [ObservedDevice]) -> Set<UInt32> {
        var listed: Set<UInt32> = []
        for device in devices {
            for list in [device.compute, device.graphics, device.mps] {
                for process in list.processes { listed.insert(process.pid) }
            }
        }
        return listed
    }

    /// One that several GPUs list is looked up after each of them: it may have ended between them, and its PID been given
    /// to another.
    private func lookUp(_ pids: Set<UInt32>, _ questions: inout Questions) {
        for pids in Self.parts(of: pids.sorted()) {
            questions.processes.append(
                host.send(
                    .processes(pids, sample: sample, forgets: wasComplete, whole: hasMissed), until: nextDeadline))
        }
    }

    /// What a child takes in one question, which has 1 MiB.
    private static func parts<Item>(of items: [Item]) -> [[Item]] {
        let most = 65_536
        return stride(from: 0, to: items.count, by: most).map { Array(items[$0..<min($0 + most, items.count)]) }
    }

    // MARK: The host

    private func readHost(_ questions: Questions, _ drivers: DriversReport, into observation: inout Observation) {
        var clock = Stopwatch()
        var troubles: [String] = []
        observation.view = currentView(questions, &observation, &troubles)
        if let asked = questions.deviceMemory { noteDeviceMemory(asked, questions, troubles, &observation) }
        noteProcesses(questions, &observation, &troubles)
        wasComplete = drivers.areComplete && troubles.isEmpty
        sharesHostMemory = observation.devices.contains { $0.sharesHostMemory == true || $0.driver != nil }
        if !sharesHostMemory { observation.hostMemory = nil }
        if observation.devices.isEmpty { observation.deviceMemory = nil }
        observation.view.nvidiaDriver = drivers.versions.driver
        observation.view.cudaVersion = drivers.versions.cuda
        let error = troubles.isEmpty ? nil : troubles.joined(separator: "; ")
        observation.sources.append(SourceReport(name: "proc", seconds: clock.lap(), error: error))
    }

    /// It changes if somebody mounts /proc anew, and hardly ever.
    private func currentView(
        _ questions: Questions, _ observation: inout Observation, _ troubles: inout [String]
    ) -> ProcessView {
        guard questions.surroundings != nil || view == nil else { return view!.view }
        switch host.answer(to: questions.surroundings, until: questions.deadline) {
        case .surroundings(.known(let told), let memory):
            observation.hostMemory = memory
            view = (told, questions.began)
            return told
        case .surroundings(.unknown(let why), _), .failed(let why): troubles.append(why)
        default: troubles.append(Self.misunderstood)
        }
        if let view { return view.view }
        return ProcessView(hidesProcesses: true)
    }

    private static let misunderstood = "the process that reads the host's files answered another question"

    /// - Parameter troubles: what keeps the host's files from being read at all is told already.
    private func noteDeviceMemory(
        _ asked: UInt32, _ questions: Questions, _ troubles: [String], _ observation: inout Observation
    ) {
        guard case .deviceMemory(let charges, let limits) = host.answer(to: asked, until: questions.deadline) else {
            if !troubles.isEmpty { return }
            observation.sources.append(SourceReport(name: "dmem", seconds: 0, error: HostReader.silence))
            return
        }
        noDeviceMemory = charges.cgroups == nil && charges.trouble == nil ? questions.began : nil
        observation.deviceMemory = charges.cgroups
        note(limits)
        if let trouble = charges.trouble {
            observation.sources.append(SourceReport(name: "dmem", seconds: 0, error: trouble))
        }
    }

    private func noteProcesses(_ questions: Questions, _ observation: inout Observation, _ troubles: inout [String]) {
        var found: [UInt32: ObservedProcess] = [:]
        var missing: Set<UInt32> = []
        func note(_ told: ToldProcess) {
            switch told {
            case .whole(let process):
                // What answered once in this sample stays.
                if process.cgroup.value != nil || found[process.pid] == nil { found[process.pid] = process }
            case .same(let pid, let startTick):
                // An answer that came too late had it.
                guard let process = processes[pid], process.startTick == startTick else {
                    missing.insert(pid)
                    return
                }
                found[pid] = process
            }
        }
        for asked in questions.processes {
            switch host.answer(to: asked, until: nextDeadline) {
            case .processes(let told, let limits):
                for process in told { note(process) }
                self.note(limits)
            case .failed(let why): if !troubles.contains(why) { troubles.append(why) }
            default: troubles.append(Self.misunderstood)
            }
        }
        for process in missing.isEmpty ? [] : processes(missing.sorted()) { found[process.pid] = process }
        // A process that could not be looked up is hidden, and not gone.
        if !troubles.isEmpty { observation.view.hidesProcesses = true }
        hasMissed = !troubles.isEmpty
        processes = found
        observation.processes = found.values.sorted { $0.pid < $1.pid }
    }

    private func note(_ readings: [RAMLimitReading]) {
        for reading in readings {
            limits[reading.container, default: []].removeAll { $0.cgroup == reading.cgroup }
            limits[reading.container, default: []].append(reading)
            cgroupOwners.merge(reading.owners) { $1 }
        }
    }

    /// Of cgroups that no process is in any more.
    private func forgetLimits(of observation: Observation) {
        guard limits.values.reduce(0, { $0 + $1.count }) > mostLimits else { return }
        let charged = (observation.deviceMemory ?? []).map { "0::\($0.path)\n" }
        let texts = Set(observation.processes.compactMap(\.cgroup.value) + charged)
        limits = limits.compactMapValues { readings in
            let kept = readings.filter { texts.contains($0.cgroup) }
            return kept.isEmpty ? nil : kept
        }
        cgroupOwners = [:]
        for reading in limits.values.joined() { cgroupOwners.merge(reading.owners) { $1 } }
        mostLimits = max(256, 2 * limits.values.reduce(0) { $0 + $1.count })
    }

    // MARK: Questions of commands

    /// Until when a question that is asked now may take. One that comes when the sample has had its time already has a moment
    /// more, but all of these together have half a second: a command ends within the deadline and a second.
    private var nextDeadline: Double {
        if sampleDeadline == 0 { return monotonicSeconds() + plan.deviceTimeout }
        return max(sampleDeadline, min(monotonicSeconds() + 0.25, sampleDeadline + 0.5))
    }

    private static func whole(_ told: [ToldProcess]) -> [ObservedProcess] {
        told.compactMap { if case .whole(let process) = $0 { process } else { nil } }
    }

    private func ask(_ question: HostQuestion) -> HostAnswer {
        if !host.hasChild { host.prepare() }
        let deadline = nextDeadline
        return host.answer(to: host.send(question, until: deadline), until: deadline)
    }

    /// Processes by PID, whether a driver lists them or not: those that are there. `cgroupOwners` has the owners for them too.
    package func processes(_ pids: [UInt32]) -> [ObservedProcess] {
        Self.parts(of: pids).flatMap { pids -> [ObservedProcess] in
            let question = HostQuestion.processes(pids, sample: sample, forgets: false, whole: true)
            guard case .processes(let told, let limits) = ask(question) else {
                return pids.map { .unreadable($0, why: HostReader.silence) }
            }
            note(limits)
            return Self.whole(told)
        }
    }

    /// Every process that has one of these PIDs in a namespace of its own, as `docker exec … ps` shows it; and those that could not
    /// be read and may have it. nil if nobody could look.
    package func processes(withInsidePIDs pids: Set<UInt32>) -> [ObservedProcess]? {
        var all: [ObservedProcess] = []
        for pids in Self.parts(of: pids.sorted()) {
            guard case .processes(let told, let limits) = ask(.insidePIDs(pids)) else { return nil }
            note(limits)
            all += Self.whole(told)
        }
        return all
    }

    /// The parents of each process, nearest first, as far up as `last`: empty for one that is no more, and none for one of which
    /// they could not be read.
    package func ancestors(of pids: [UInt32], upTo last: UInt32) -> [UInt32: [UInt32]] {
        Self.parts(of: pids).reduce(into: [:]) { all, pids in
            guard case .ancestors(let chains) = ask(.ancestors(pids, upTo: last)) else { return }
            all.merge(chains) { first, _ in first }
        }
    }

    /// The command lines of processes that were observed, if they are still those, by PID.
    package func commandLines(of processes: [ObservedProcess]) -> [UInt32: String] {
        let keys = processes.map { HostQuestion.ProcessKey(pid: $0.pid, startTick: $0.startTick) }
        return Self.parts(of: keys).reduce(into: [:]) { all, keys in
            guard case .commandLines(let lines) = ask(.commandLines(keys)) else { return }
            all.merge(lines) { first, _ in first }
        }
    }

    /// Where this program runs. The device files with these minor numbers are opened.
    package func whereabouts(minors: [UInt32] = []) -> Whereabouts {
        if case .whereabouts(let place) = ask(.whereabouts(minors: minors)) { return place }
        return WhereaboutsReader.unread(minors: minors, why: HostReader.silence)
    }

    /// The Docker client's current context; nil if its files do not answer within the time of an engine.
    package func dockerContext(_ environment: [String: String]) -> DockerContext? {
        if round == nil { begin() }
        let deadline = monotonicSeconds() + plan.engineTimeout
        let asked = host.send(.dockerContext(environment), until: deadline)
        if case .dockerContext(let context) = host.answer(to: asked, until: deadline) { return context }
        return nil
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
