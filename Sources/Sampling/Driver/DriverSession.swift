import GPUDrivers
import Ledger

/// What the driver said in one sample.
struct DriverAnswer {
    /// By GPU, in the order of their indices.
    var devices: [ObservedDevice] = []
    var versions = DriverVersions()
    /// Who has the devices' files open, or why that is not known; nil where nobody was asked.
    var clients: Reading<ClientList>?
    /// What went wrong, of which each device tells its own part too.
    var error: String?
    /// The driver is not on this machine.
    var isAbsent = false
}

/// Drivers that are asked through a child, all GPUs at once and under one deadline. Used by one thread.
final class DriverSession {
    private let drivers: Drivers
    private let plan: SamplingPlan
    private let tell: (String) -> Void
    private var child: DriverProcess?
    private var sample: UInt32 = 0
    /// The child has not told yet whether it has a session with the driver.
    private var owesOpening = false
    /// Seconds of the monotonic clock.
    private var startedAt = -Double.infinity
    private var hangsSince: Double?
    private var lastError: String?
    /// Children that were told to end.
    private var abandoned: [DriverProcess] = []
    private var hasAnswered = false
    private var hasToldSlowness = false
    private var hasToldMost = false

    /// Processes that hang in a driver are of no use; that many are enough to be sure.
    private static let mostAbandoned = 3
    /// Seconds.
    private static let grace = 0.25

    /// Of the sample that was asked for and not collected yet.
    private var round = Round(silence: "", known: [])
    private var askedAt = 0.0

    init(_ drivers: Drivers, _ plan: SamplingPlan, tell: @escaping (String) -> Void) {
        self.drivers = drivers
        self.plan = plan
        self.tell = tell
    }

    /// Seconds after which a child that hangs or has crashed is followed by a new one.
    private var patience: Double { 3 * plan.deviceTimeout }

    /// Asks, and does not wait.
    ///
    /// - Parameters:
    ///   - withAccounts: the driver's accounts of processes are asked for too.
    ///   - look: is handed each GPU with its instances as soon as it has answered.
    ///   - known: the GPUs that are there all the same where the driver does not answer.
    func ask(withAccounts: Bool = false, known: [KernelGPU] = [], _ look: ([ObservedDevice]) -> Void) {
        sample &+= 1
        round = Round(silence: silence, known: known)
        askedAt = monotonicSeconds()
        attempt { () throws(DriverProcessError) in
            if let why = try prepareChild() { round.whyNot = why } else { try ask(withAccounts, look) }
        }
    }

    /// Waits for what was asked.
    func collect(_ look: ([ObservedDevice]) -> Void) -> DriverAnswer {
        if round.whyNot == nil { attempt { () throws(DriverProcessError) in try wait(look) } }
        hangsSince = round.isComplete ? nil : hangsSince ?? monotonicSeconds()
        return round.answer
    }

    private func attempt(_ step: () throws(DriverProcessError) -> Void) {
        do throws(DriverProcessError) {
            try step()
        } catch {
            leaveChild()
            lastError = error.description
            round.whyNot = error.description
        }
    }

    /// - Returns: why there is no child to be asked.
    private func prepareChild() throws(DriverProcessError) -> String? {
        abandoned.removeAll(where: \.isGone)
        let now = monotonicSeconds()
        if child != nil, let since = hangsSince, now - since > patience {
            if abandoned.count + 1 < Self.mostAbandoned {
                tell("the driver has hung for \(Int(now - since)) s; a new process asks it")
                leaveChild()
                lastError = nil
            } else if !hasToldMost {
                // The last one is kept: it still asks the GPUs that are well.
                tell("\(Self.mostAbandoned) processes hang in the driver; no more are started until one of them ends")
                hasToldMost = true
            }
        }
        if abandoned.isEmpty { hasToldMost = false }
        if child != nil { return nil }
        if let lastError {
            let left = startedAt + patience - now
            if left > 0 { return "\(lastError); it is asked again in \(Int(left.rounded(.up))) s" }
        }
        guard abandoned.count < Self.mostAbandoned else {
            return "\(abandoned.count) processes hang in the driver; no more are started until one of them ends"
        }
        startedAt = now
        hangsSince = nil
        owesOpening = false
        child = try DriverProcess(drivers, plan)
        return nil
    }

    /// Ends the child and waits a moment for that: under a first process that reaps nobody it would stay as a zombie.
    func end() {
        child?.end(within: 0.1)
        child = nil
    }

    private func leaveChild() {
        if let child {
            child.abandon()
            if !child.isGone { abandoned.append(child) }
        }
        child = nil
    }

    private func ask(_ withAccounts: Bool, _ look: ([ObservedDevice]) -> Void) throws(DriverProcessError) {
        // What hung when it was asked last has had its time and is only looked at.
        while let child, owesOpening, let late = try child.message(until: askedAt) { note(late, look) }
        guard let child, !owesOpening else { return }
        try child.ask(DriverRequest(sample: sample, withAccounts: withAccounts))
        owesOpening = true
        round.isAsked = true
    }

    private func wait(_ look: ([ObservedDevice]) -> Void) throws(DriverProcessError) {
        guard round.isAsked else { return }
        // Where another driver took all the time, what this one has said meanwhile is still to be taken.
        let deadline = max(askedAt + plan.deviceTimeout, monotonicSeconds() + Self.grace)
        while let child, !round.isSettled {
            let pause = hasToldSlowness ? deadline : min(deadline, askedAt + 1)
            if let message = try child.message(until: pause) {
                note(message, look)
            } else if monotonicSeconds() >= deadline {
                return
            } else {
                hasToldSlowness = true
                tell(
                    hasAnswered || drivers == .kernel
                        ? "waiting for the driver"
                        : "waiting for the driver; without persistence mode a GPU takes seconds to wake")
            }
        }
    }

    private func note(_ message: DriverMessage, _ look: ([ObservedDevice]) -> Void) {
        switch message {
        case .opened(let sample, let versions, let gpus, let withClients, let hang):
            owesOpening = false
            guard sample == self.sample else { return }
            round.open(versions, gpus: gpus, withClients: withClients, hang: hang)
        case .gpu(let sample, let gpu, let devices, let waking):
            // An answer to an earlier question is of another moment than the rest.
            guard sample == self.sample else { return }
            hasAnswered = true
            round.answered[gpu] = devices
            look(devices)
            if let waking { tell("GPU \(gpu) took \(waking.rounded().plain) s to wake: its persistence mode is off") }
        case .clients(let sample, let clients):
            guard sample == self.sample else { return }
            round.clients = clients
        case .failed(_, let why, let isAbsent):
            // It ends by itself, and the next sample begins anew.
            leaveChild()
            lastError = nil
            round.whyNot = why
            round.isAbsent = isAbsent
        }
    }

    private var silence: String {
        "the driver gave no answer within \(plan.deviceTimeout.plain) s"
    }
}

/// The answers of one sample as they come.
private struct Round {
    let silence: String
    private let known: [KernelGPU]
    var isAsked = false
    var whyNot: String?
    var isAbsent = false
    var answered: [Int: [ObservedDevice]] = [:]
    var clients: Reading<ClientList>?
    private var versions = DriverVersions()
    private var gpus: Int?
    private var withClients = false
    private var hang: Set<Int> = []

    init(silence: String, known: [KernelGPU]) {
        self.silence = silence
        self.known = known
    }

    mutating func open(_ versions: DriverVersions, gpus: Int, withClients: Bool, hang: [Int]) {
        self.versions = versions
        self.gpus = gpus
        self.withClients = withClients
        self.hang = Set(hang.filter { $0 < gpus || $0 == gpus && withClients })
    }

    /// Nothing is to be waited for any more.
    var isSettled: Bool {
        if whyNot != nil { return true }
        guard let gpus else { return false }
        return answered.count + (clients == nil ? 0 : 1) + hang.count >= gpus + (withClients ? 1 : 0)
    }

    var isComplete: Bool { whyNot != nil || isSettled && hang.isEmpty }

    var answer: DriverAnswer {
        let why = whyNot ?? silence
        guard let gpus else {
            return DriverAnswer(
                devices: known.map { $0.unreadable(why: why) }, clients: known.isEmpty ? nil : .unknown(why),
                error: why,
                isAbsent: isAbsent)
        }
        let devices = (0..<gpus).flatMap { gpu in
            answered[gpu]
                ?? [
                    known.indices.contains(gpu)
                        ? known[gpu].unreadable(why: why) : .unreadable(index: String(gpu), why: why)
                ]
        }
        let clients = withClients ? clients ?? .unknown(why) : nil
        // What befell them all is told once.
        let answering = answered.sorted { $0.key < $1.key }.flatMap(\.value)
        var troubles = whyNot.map { [$0] + answering.compactMap(\.trouble) } ?? devices.compactMap(\.trouble)
        if whyNot == nil, let why = clients?.reason { troubles.append("the open files of processes: \(why)") }
        return DriverAnswer(
            devices: devices, versions: versions, clients: clients,
            error: troubles.isEmpty ? nil : troubles.joined(separator: "; "))
    }
}

extension ObservedDevice {
    /// What kept this device from telling its memory or its processes.
    fileprivate var trouble: String? {
        if case .failed(let why) = compute { return "GPU \(index): \(why)" }
        if sharesHostMemory != true, driver == nil, let reason = memory.reason { return "GPU \(index): \(reason)" }
        for list in [graphics, mps] { if case .failed(let why) = list { return "GPU \(index): \(why)" } }
        if vendor == .nvidia, [compute, graphics, mps].contains(where: \.isFull) {
            return
                "GPU \(index): the driver lists no more than \(ListReading.capacity) processes, and there may be more"
        }
        return nil
    }
}
