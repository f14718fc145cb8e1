import GPUDrivers
import Ledger

/// What the driver said in one sample.
struct DriverAnswer {
    /// By GPU, in the order of their indices.
    var devices: [ObservedDevice] = []
    var versions = DriverVersions()
    /// What went wrong, of which each device tells its own part too.
    var error: String?
}

/// NVIDIA's driver, asked through a child, all GPUs at once and under one deadline. Used by one thread.
final class DriverSession {
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

    init(_ plan: SamplingPlan, tell: @escaping (String) -> Void) {
        self.plan = plan
        self.tell = tell
    }

    /// Seconds after which a child that hangs or has crashed is followed by a new one.
    private var patience: Double { 3 * plan.deviceTimeout }

    /// - Parameters:
    ///   - withAccounts: the driver's accounts of processes are asked for too.
    ///   - look: is handed each GPU with its instances as soon as it has answered.
    func observe(withAccounts: Bool, _ look: ([ObservedDevice]) -> Void) -> DriverAnswer {
        sample &+= 1
        var round = Round(silence: silence)
        do throws(DriverProcessError) {
            if let why = try prepareChild() { return DriverAnswer(error: why) }
            try collect(&round, withAccounts, look)
        } catch {
            leaveChild()
            lastError = error.description
            round.whyNot = error.description
        }
        hangsSince = round.isComplete ? nil : hangsSince ?? monotonicSeconds()
        return round.answer
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
        child = try DriverProcess(plan)
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

    private func collect(
        _ round: inout Round, _ withAccounts: Bool, _ look: ([ObservedDevice]) -> Void
    ) throws(DriverProcessError) {
        guard let child else { return }
        let start = monotonicSeconds()
        // What hung when it was asked last has had its time and is only looked at.
        while self.child != nil, owesOpening, let late = try child.message(until: start) { note(late, &round, look) }
        if owesOpening || self.child == nil { return }
        try child.ask(DriverRequest(sample: sample, withAccounts: withAccounts))
        owesOpening = true
        let deadline = start + plan.deviceTimeout
        while self.child != nil, !round.isSettled {
            let pause = hasToldSlowness ? deadline : min(deadline, start + 1)
            if let message = try child.message(until: pause) {
                note(message, &round, look)
                if monotonicSeconds() >= deadline { return }
            } else if monotonicSeconds() >= deadline {
                return
            } else {
                hasToldSlowness = true
                tell(
                    hasAnswered
                        ? "waiting for the driver"
                        : "waiting for the driver; without persistence mode a GPU takes seconds to wake")
            }
        }
    }

    private func note(_ message: DriverMessage, _ round: inout Round, _ look: ([ObservedDevice]) -> Void) {
        switch message {
        case .opened(let sample, let versions, let gpus, let hang):
            owesOpening = false
            guard sample == self.sample else { return }
            round.open(versions, gpus: gpus, hang: hang)
        case .gpu(let sample, let gpu, let devices, let waking):
            // An answer to an earlier question is of another moment than the rest.
            guard sample == self.sample else { return }
            hasAnswered = true
            round.answered[gpu] = devices
            look(devices)
            if let waking { tell("GPU \(gpu) took \(waking.rounded().plain) s to wake: its persistence mode is off") }
        case .failed(_, let why):
            // It ends by itself, and the next sample begins anew.
            leaveChild()
            lastError = nil
            round.whyNot = why
        }
    }

    private var silence: String {
        "the driver gave no answer within \(plan.deviceTimeout.plain) s"
    }
}

/// The answers of one sample as they come.
private struct Round {
    let silence: String
    var whyNot: String?
    var answered: [Int: [ObservedDevice]] = [:]
    private var versions = DriverVersions()
    private var gpus: Int?
    private var hang: Set<Int> = []

    init(silence: String) {
        self.silence = silence
    }

    mutating func open(_ versions: DriverVersions, gpus: Int, hang: [Int]) {
        self.versions = versions
        self.gpus = gpus
        self.hang = Set(hang.filter { $0 < gpus })
    }

    /// Nothing is to be waited for any more.
    var isSettled: Bool {
        if whyNot != nil { return true }
        guard let gpus else { return false }
        return answered.count + hang.count >= gpus
    }

    var isComplete: Bool { whyNot != nil || isSettled && hang.isEmpty }

    var answer: DriverAnswer {
        guard let gpus else { return DriverAnswer(error: whyNot ?? silence) }
        let devices = (0..<gpus).flatMap { gpu in
            answered[gpu] ?? [.unreadable(index: String(gpu), why: whyNot ?? silence)]
        }
        // What befell them all is told once.
        let answering = answered.sorted { $0.key < $1.key }.flatMap(\.value)
        let troubles = whyNot.map { [$0] + answering.compactMap(\.trouble) } ?? devices.compactMap(\.trouble)
        return DriverAnswer(
            devices: devices, versions: versions, error: troubles.isEmpty ? nil : troubles.joined(separator: "; "))
    }
}

extension ObservedDevice {
    /// What kept this device from telling its memory or its processes.
    fileprivate var trouble: String? {
        if case .failed(let why) = compute { return "GPU \(index): \(why)" }
        if sharesHostMemory != true, let reason = memory.reason { return "GPU \(index): \(reason)" }
        for list in [graphics, mps] { if case .failed(let why) = list { return "GPU \(index): \(why)" } }
        if [compute, graphics, mps].contains(where: \.isFull) {
            return
                "GPU \(index): the driver lists no more than \(ListReading.capacity) processes, and there may be more"
        }
        return nil
    }
}
