import ContainerRuntimes
import GPUDrivers
import Glibc
import HostFS
import Ledger

/// Asks all sources, and keeps between samples what makes the next one cheaper and truer. It reads no file itself: drivers and
/// files can hang, so children of this program ask them. Used by one thread.
package final class Sampler {
    let plan: SamplingPlan
    /// Which engines to ask; nil to ask none.
    package var engines: EngineSelection?
    private let nvidia: DriverSession
    let host: DriverSession
    private var absence: (answer: DriverAnswer, since: Double)?
    /// When there were last no GPUs of the kernel's drivers, in seconds of the monotonic clock.
    private var noKernelGPUs: Double?
    private var view: (view: ProcessView, readAt: Double)?
    /// Some device uses the host's memory.
    private var sharesHostMemory = true
    /// When the kernel was last seen to have no dmem controller.
    private var noDeviceMemory: Double?
    var sample: UInt32 = 0
    /// When the last sample has had its time, in seconds of the monotonic clock.
    private(set) var sampleDeadline = 0.0
    /// Every list of the last sample was read.
    private var wasComplete = true
    /// Of the last sample.
    private var processes: [UInt32: ObservedProcess] = [:]
    /// What is known of cgroups.
    var cgroups = CgroupReadings()
    /// What engines said last, by their sockets.
    private var keptEngines: [String: ObservedEngine] = [:]
    /// Whether an answer was missed, so that the child believes processes were received that are unknown here.
    private var hasMissed = false
    /// NVIDIA's lists of the last sample had processes that are not here.
    private var hasStrangers = false
    /// The questions of the sample that was begun and not observed yet.
    var round: Questions?

    struct Questions {
        let began: Double
        /// In seconds of the monotonic clock.
        let deadline: Double
        var asksNVIDIA = true
        var asksKernel = true
        var asksSurroundings = false
        var surroundings: UInt32?
        var asksDeviceMemory = false
        var deviceMemory: UInt32?
        var processes: [(question: UInt32?, pids: [UInt32])] = []
        var engines: EngineSample?
    }

    /// - Parameter notify: receives messages for a waiting user: the driver is slow, or is asked by a new process.
    package init(_ plan: SamplingPlan, notify: @escaping (String) -> Void) {
        self.plan = plan
        nvidia = DriverSession(.nvidia, plan, notify: notify)
        host = DriverSession(.host, plan, notify: notify)
    }

    /// Ends the children, and does not wait for their ends.
    package func finish() {
        nvidia.end()
        host.end()
    }

    // MARK: A sample

    /// Sends the questions and does not wait, so that other work can be done before `observe`.
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
        if questions.asksNVIDIA { nvidia.ask(withAccounts: withAccounts, until: questions.deadline) }
        if questions.asksKernel { host.ask(until: questions.deadline) } else { host.prepare() }
        questions.asksSurroundings = sharesHostMemory || !isFresh(view?.readAt)
        if questions.asksSurroundings {
            questions.surroundings = host.send(.surroundings, until: questions.deadline)
        }
        questions.asksDeviceMemory = !isFresh(noDeviceMemory)
        if questions.asksDeviceMemory { questions.deviceMemory = host.send(.deviceMemory, until: questions.deadline) }
        round = questions
    }

    /// Blocks at most for the longest time of the plan, that of an engine or that of a device.
    ///
    /// - Parameter withAccounts: whether to ask for the driver's accounts of processes too.
    package func observe(withAccounts: Bool = false) -> Observation {
        if round == nil { begin(withAccounts: withAccounts) }
        var questions = round!
        round = nil
        // The user's Docker configuration may have taken its time already.
        let left = max(0.3, ((questions.deadline - monotonicSeconds()) * 10).rounded() / 10)
        questions.engines = engines.map { EngineSample($0, through: host, within: min(plan.engineTimeout, left)) }
        var observation = Observation(time: wallClock(), host: hostName(), view: ProcessView())
        let drivers = collectDrivers(&questions, into: &observation)
        readHost(questions, drivers, into: &observation)
        settleStrangers(&questions, withAccounts: withAccounts, into: &observation)
        if let answered = questions.engines?.wait(host, &keptEngines, now: observation.time) {
            observation.engines = answered.engines
            observation.sources += answered.reports
        }
        observation.cgroupOwners = cgroups.recordedOwners
        observation.cgroupLimits = cgroups.recordedLimits
        cgroups.forget(in: observation)
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
        func look(_ devices: [ObservedDevice]) { lookUp(Self.pids(listedBy: devices), &questions) }
        let answer = questions.asksNVIDIA ? nvidia.collect(look) : absence?.answer ?? DriverAnswer()
        if questions.asksNVIDIA { absence = answer.isAbsent ? (answer, questions.began) : nil }
        let nvidiaSeconds = clock.lap()
        let kernel = questions.asksKernel ? host.collect(look) : DriverAnswer(hasInventory: true)
        let clients = kernel.clients?.value?.clients ?? []
        let shown = kernel.devices.filter { KernelGPU.isShown($0, clients) }
        if questions.asksKernel {
            // A driver that is not known to report memory is no source until it does.
            let hasNone = kernel.hasInventory && shown.isEmpty && !kernel.mayMissGPUs
            noKernelGPUs = hasNone ? questions.began : nil
        }
        if noKernelGPUs == nil, !clients.isEmpty { lookUp(Set(clients.map(\.pid)), &questions) }
        observation.devices = answer.devices + shown
        observation.clients = noKernelGPUs == nil ? kernel.clients : nil
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
            versions: answer.versions,
            areComplete: (answer.error == nil || !isMissed) && (kernel.error == nil || noKernelGPUs != nil))
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
            let question = HostQuestion.processes(pids, sample: sample, forgets: wasComplete, whole: hasMissed)
            questions.processes.append((host.send(question, until: nextDeadline), pids))
        }
    }

    /// What a child takes in one question, which has 1 MiB.
    static func parts<Item>(of items: [Item]) -> [[Item]] {
        let most = 65_536
        return stride(from: 0, to: items.count, by: most).map { Array(items[$0..<min($0 + most, items.count)]) }
    }

    // MARK: The host

    private func readHost(_ questions: Questions, _ drivers: DriversReport, into observation: inout Observation) {
        var clock = Stopwatch()
        var troubles: [Reason] = []
        observation.view = currentView(questions, &observation, &troubles)
        if questions.asksDeviceMemory { noteDeviceMemory(questions, troubles, &observation) }
        noteProcesses(questions, &observation, &troubles)
        wasComplete = drivers.areComplete && troubles.isEmpty
        sharesHostMemory = observation.devices.contains { $0.sharesHostMemory == true || $0.driver != nil }
        if !sharesHostMemory { observation.hostMemory = nil }
        if observation.devices.isEmpty { observation.deviceMemory = nil }
        observation.view.nvidiaDriver = drivers.versions.driver
        observation.view.cudaVersion = drivers.versions.cuda
        observation.sources.append(
            SourceReport(name: SourceReport.proc, seconds: clock.lap(), error: .several(of: troubles)))
    }

    /// A process that ended after the driver listed it looks like one of another PID namespace. If the driver is asked again, it
    /// lists only the other.
    private func settleStrangers(_ questions: inout Questions, withAccounts: Bool, into observation: inout Observation)
    {
        guard observation.listsStrangers else { return hasStrangers = false }
        guard !hasStrangers, questions.asksNVIDIA else { return }
        questions.processes = []
        nvidia.ask(withAccounts: withAccounts, until: questions.deadline)
        let answer = nvidia.collect { lookUp(Self.pids(listedBy: $0), &questions) }
        guard answer.error == nil else { return }
        observation.devices = answer.devices + observation.devices.filter { $0.driver != nil }
        var troubles: [Reason] = []
        noteProcesses(questions, &observation, &troubles)
        hasStrangers = observation.listsStrangers
    }

    /// The view changes only if /proc is mounted again, which is rare.
    private func currentView(
        _ questions: Questions, _ observation: inout Observation, _ troubles: inout [Reason]
    ) -> ProcessView {
        if !questions.asksSurroundings, let view { return view.view }
        switch host.answer(to: questions.surroundings, until: questions.deadline) {
        case .surroundings(.known(let reported), let memory):
            observation.hostMemory = memory
            view = (reported, questions.began)
            return reported
        case .surroundings(.unknown(let why), _): troubles.append(why)
        case let answer: troubles.append(answer.trouble)
        }
        if let view { return view.view }
        return ProcessView(hidesProcesses: true)
    }

    /// - Parameter troubles: errors that kept the host's files from being read; they are reported already.
    private func noteDeviceMemory(
        _ questions: Questions, _ troubles: [Reason], _ observation: inout Observation
    ) {
        let answer = host.answer(to: questions.deviceMemory, until: questions.deadline)
        guard case .deviceMemory(let charges, let facts) = answer else {
            if !troubles.isEmpty { return }
            observation.sources.append(SourceReport(name: "dmem", seconds: 0, error: answer.trouble))
            return
        }
        noDeviceMemory = charges.cgroups == nil && charges.trouble == nil ? questions.began : nil
        observation.deviceMemory = charges.cgroups
        cgroups.note(facts)
        if let trouble = charges.trouble {
            observation.sources.append(SourceReport(name: "dmem", seconds: 0, error: trouble))
        }
    }

    private func noteProcesses(_ questions: Questions, _ observation: inout Observation, _ troubles: inout [Reason]) {
        var found = Dictionary(observation.processes.map { ($0.pid, $0) }, uniquingKeysWith: { first, _ in first })
        var missing: Set<UInt32> = []
        func note(_ reported: SentProcess) {
            switch reported {
            case .whole(let process):
                // What answered once in this sample stays.
                if process.cgroup.value != nil || found[process.pid] == nil { found[process.pid] = process }
            case .same(let pid, let startTick):
                // An earlier answer of this sample had it.
                if let reported = found[pid], reported.startTick == startTick, reported.cgroup.value != nil { return }
                // An answer that came too late had it.
                guard let process = processes[pid], process.startTick == startTick else {
                    missing.insert(pid)
                    return
                }
                found[pid] = process
            }
        }
        for (question, pids) in questions.processes {
            switch host.answer(to: question, until: nextDeadline) {
            case .processes(let reported, let facts):
                for process in reported { note(process) }
                cgroups.note(facts)
            case let answer:
                // A process that could not be looked up is hidden, and not gone.
                for pid in pids where found[pid] == nil { found[pid] = .unreadable(pid, why: answer.trouble) }
                if !troubles.contains(answer.trouble) { troubles.append(answer.trouble) }
            }
        }
        for process in missing.isEmpty ? [] : processes(missing.sorted()) { found[process.pid] = process }
        hasMissed = !troubles.isEmpty
        processes = found
        observation.processes = found.values.sorted { $0.pid < $1.pid }
    }
}
