import GPUDrivers
import Ledger

/// What the driver said in one sample.
struct DriverAnswer {
    /// In the order of the driver's inventory.
    var devices: [ObservedDevice] = []
    var versions = DriverVersions()
    /// The open files of DRM devices, or why they are unknown; nil if they were not asked for.
    var clients: Reading<ClientList>?
    /// The error of the driver as a whole; each device has its own part too.
    var error: Reason?
    /// The driver is not on this machine.
    var isAbsent = false
    /// The driver said which GPUs there are, now or earlier.
    var hasInventory = false
    /// There may be GPUs that it did not say this time.
    var mayMissGPUs = false
}

/// A child process and the requests to it: all GPUs of a driver at once, under one deadline, and questions about the host's
/// files. Used by one thread.
final class DriverSession {
    private let role: ChildRole
    private let plan: SamplingPlan
    private let notify: (String) -> Void
    private var child: DriverProcess?
    private var sample: UInt32 = 0
    private var state = ChildState.none
    /// Children that were killed and have not ended yet.
    private var abandoned: [DriverProcess] = []
    /// What the user was notified of already.
    private var notices: Set<Notice> = []

    private enum Notice {
        /// The driver is slow.
        case delay
        /// Too many children hang to start another one.
        case limit
    }

    /// A GPU has answered, so that the driver is awake.
    private var hasAnswered = false

    /// Processes that hang in a driver are of no use; that many are enough to be sure.
    private static let mostAbandoned = 3
    /// Seconds.
    private static let grace = 0.25

    /// Of the sample that was asked for and not collected yet.
    private var round = SampleRequest(silence: .fact(.notAsked), known: nil)
    private var askedAt = 0.0
    /// In seconds of the monotonic clock, as `askedAt`.
    private var deadline = 0.0
    /// Which GPUs there were when the driver last said so.
    private var inventory: Inventory?
    /// Who these GPUs were when they last answered.
    private var identities = KnownIdentities()
    /// Of questions that are waited for: those of this sample.
    private var answers: [UInt32: HostAnswer?] = [:]
    /// Of these, the questions that are waited for beyond this sample.
    private var standing: Set<UInt32> = []
    private var asked: UInt32 = 0

    init(_ role: ChildRole, _ plan: SamplingPlan, notify: @escaping (String) -> Void) {
        self.role = role
        self.plan = plan
        self.notify = notify
    }

    /// Seconds after which a child that hangs or has crashed is followed by a new one.
    private var respawnDelay: Double { 3 * plan.deviceTimeout }

    /// Asks, and does not wait.
    ///
    /// - Parameters:
    ///   - withAccounts: the driver's accounts of processes are asked for too.
    ///   - deadline: in seconds of the monotonic clock.
    func ask(withAccounts: Bool = false, until deadline: Double) {
        sample &+= 1
        round = SampleRequest(silence: silence, known: inventory)
        askedAt = monotonicSeconds()
        self.deadline = deadline
        forgetQuestions()
        attempt { () throws(DriverProcessError) in
            if let why = try prepareChild() { round.whyNot = why } else { try send(withAccounts) }
        }
    }

    /// Waits for what was asked.
    func collect(_ look: ([ObservedDevice]) -> Void) -> DriverAnswer {
        if round.whyNot == nil { attempt { () throws(DriverProcessError) in try wait(look) } }
        handOver(look)
        state.finishSample(isComplete: round.isComplete, at: monotonicSeconds())
        return round.answer
    }

    private func attempt(_ step: () throws(DriverProcessError) -> Void) {
        do throws(DriverProcessError) {
            try step()
        } catch {
            leaveChild()
            state.fail(.other(error.description(role)))
            round.whyNot = state.failure
        }
    }

    // MARK: Questions

    private func forgetQuestions() { answers = answers.filter { standing.contains($0.key) } }

    /// Sends a question beside the sample, and does not wait. The child must have been asked for a sample before.
    ///
    /// - Parameter stands: whether the answer is kept beyond this sample, until it is taken.
    /// - Returns: the question's number; nil if there is no child.
    func send(_ question: HostQuestion, until deadline: Double, stands: Bool = false) -> UInt32? {
        guard let child else { return nil }
        asked &+= 1
        attempt { () throws(DriverProcessError) in
            try child.ask(.question(asked, question, deadline: deadline), until: deadline)
        }
        guard self.child != nil else { return nil }
        answers[asked] = .some(nil)
        if stands { standing.insert(asked) }
        return asked
    }

    /// The answer to a question is there, or will never be. Does not wait.
    func isSettled(_ question: UInt32?) -> Bool {
        guard let question else { return true }
        var isOut = true
        while isOut, case .some(nil) = answers[question], let child {
            attempt { () throws(DriverProcessError) in
                if let message = try child.message(until: 0) { note(message) } else { isOut = false }
            }
        }
        guard case .some(nil) = answers[question] else { return true }
        return child == nil
    }

    /// Waits for the answer to a question.
    func answer(to question: UInt32?, until deadline: Double) -> HostAnswer {
        guard let question else { return lacking }
        standing.remove(question)
        // The child answers at the deadline at the latest, with what it has.
        let last = deadline + Self.grace
        while case .some(nil) = answers[question], let child {
            var isLate = false
            attempt { () throws(DriverProcessError) in
                if let message = try child.message(until: last) { note(message) } else { isLate = true }
            }
            if isLate || monotonicSeconds() > last { break }
        }
        if let answer = answers.removeValue(forKey: question), let answer {
            state.finishQuestion(isAnswered: true, at: monotonicSeconds())
            return answer
        }
        guard child != nil else { return lacking }
        state.finishQuestion(isAnswered: false, at: monotonicSeconds())
        return .silent
    }

    /// There is no child.
    private var lacking: HostAnswer { (round.whyNot ?? state.failure).map { .failed($0) } ?? .silent }

    var hasChild: Bool { child != nil }

    /// Starts the child if there is none, for questions alone.
    func prepare() {
        round = SampleRequest(silence: silence, known: inventory)
        forgetQuestions()
        attempt { () throws(DriverProcessError) in if let why = try prepareChild() { round.whyNot = why } }
    }

    /// - Returns: why there is no child to be asked.
    private func prepareChild() throws(DriverProcessError) -> Reason? {
        abandoned.removeAll(where: \.isGone)
        try takeLateMessages()
        if abandoned.isEmpty { notices.remove(.limit) }
        let now = monotonicSeconds()
        switch next(at: now) {
        case .keep: return nil
        case .keepHanging:
            // The last child is kept: it still asks the GPUs that answer.
            if notices.insert(.limit).inserted { notify(limitReached(Self.mostAbandoned)) }
            return nil
        case .wait(let reason, let seconds): return .askedAgain(reason, seconds: seconds.rounded(.up))
        case .tooMany: return .other(limitReached(abandoned.count))
        case .replace(let seconds):
            notify(
                "\(role == .nvidia ? "the driver" : "reading the host's files") has hung for \(Int(seconds)) s; a new process asks it"
            )
            leaveChild()
            state.leave()
            if case .tooMany = next(at: now) { return .other(limitReached(abandoned.count)) }
        case .start: break
        }
        state.start(at: now)
        child = try DriverProcess(role, plan)
        return nil
    }

    private func next(at now: Double) -> ChildState.Step {
        state.next(at: now, delay: respawnDelay, abandoned: abandoned.count, most: Self.mostAbandoned)
    }

    private func limitReached(_ count: Int) -> String {
        "\(count) processes hang in \(subject); no more are started until one of them ends"
    }

    /// Messages since the last sample show that the child is alive.
    private func takeLateMessages() throws(DriverProcessError) {
        let end = monotonicSeconds() + Self.grace
        while let running = child, monotonicSeconds() < end, let late = try running.message(until: 0) {
            state.recover()
            note(late)
        }
    }

    /// Kills the child. The caller that ends the program waits for the child's end (`HelperProcess.endAll`).
    func end() {
        child?.abandon()
        child = nil
        state.leave()
    }

    private func leaveChild() {
        if let child {
            child.abandon()
            if !child.isGone { abandoned.append(child) }
        }
        child = nil
    }

    private func send(_ withAccounts: Bool) throws(DriverProcessError) {
        // If the last request is still outstanding, only drain replies.
        while let child, state.running?.owesOpening == true, monotonicSeconds() < deadline,
            let late = try child.message(until: askedAt)
        {
            note(late)
        }
        guard let child, state.running?.owesOpening != true else { return }
        try child.ask(.sample(sample, withAccounts: withAccounts, deadline: deadline), until: deadline)
        state.askForSample()
        round.isAsked = true
    }

    private func wait(_ look: ([ObservedDevice]) -> Void) throws(DriverProcessError) {
        guard round.isAsked else { return }
        // If another driver took all the time, this driver's messages that have arrived are still taken.
        let deadline = max(deadline, monotonicSeconds() + Self.grace)
        while let child, !round.isSettled {
            // What is there already is handed over together.
            let pause =
                round.answeredNow.isEmpty ? notices.contains(.delay) ? deadline : min(deadline, askedAt + 1) : askedAt
            if let message = try child.message(until: pause) {
                note(message)
                // A child that sends without end does not get more time than the others.
                if monotonicSeconds() >= deadline { return }
            } else if !round.answeredNow.isEmpty {
                handOver(look)
            } else if monotonicSeconds() >= deadline {
                return
            } else {
                notices.insert(.delay)
                notify(
                    hasAnswered || role == .host
                        ? "waiting for the driver"
                        : "waiting for the driver; without persistence mode a GPU takes seconds to wake")
            }
        }
    }

    private func handOver(_ look: ([ObservedDevice]) -> Void) {
        if !round.answeredNow.isEmpty { look(round.answeredNow) }
        round.answeredNow = []
    }

    private func note(_ message: DriverMessage) {
        switch message {
        case .opened(let sample, let versions, let inventory, let hang):
            state.open()
            let inventory = identities.completed(inventory)
            self.inventory = inventory
            guard sample == self.sample else { return }
            round.open(versions, inventory, hang: hang)
        case .gpu(let sample, let gpu, let devices, let waking):
            // An answer to an earlier question is of another moment than the rest.
            guard sample == self.sample, round.awaits(gpu) else { return }
            hasAnswered = true
            let devices = identities.completed(devices, of: gpu)
            round.answered[gpu] = devices
            round.answeredNow += devices
            if let waking { notify("GPU \(gpu) took \(waking.rounded().plain) s to wake: its persistence mode is off") }
        case .clients(let sample, let clients):
            guard sample == self.sample else { return }
            round.clients = clients
        case .failed(_, let why, let isAbsent):
            // Its session is over, and the next sample begins anew.
            leaveChild()
            state.leave()
            round.whyNot = why
            round.isAbsent = isAbsent
        case .answer(let question, let answer):
            // An answer that is no longer expected belongs to an earlier sample.
            if answers.keys.contains(question) { answers[question] = answer }
        }
    }

    private var subject: String { role == .nvidia ? "the driver" : "the host's files" }

    private var silence: Reason { .noAnswer(seconds: plan.deviceTimeout) }
}

/// The answers of one sample as they come.
private struct SampleRequest {
    let silence: Reason
    /// Which GPUs there were earlier.
    private let known: Inventory?
    var isAsked = false
    var whyNot: Reason?
    var isAbsent = false
    /// By the keys of GPUs.
    var answered: [String: [ObservedDevice]] = [:]
    /// The devices among them that were not looked at yet.
    var answeredNow: [ObservedDevice] = []
    var clients: Reading<ClientList>?
    private var versions = DriverVersions()
    private var inventory: Inventory?
    private var hang: Set<String> = []

    init(silence: Reason, known: Inventory?) {
        self.silence = silence
        self.known = known
    }

    mutating func open(_ versions: DriverVersions, _ inventory: Inventory, hang: [String]) {
        self.versions = versions
        self.inventory = inventory
        self.hang = Set(hang)
    }

    func awaits(_ gpu: String) -> Bool {
        answered[gpu] == nil && inventory?.gpus.contains { $0.key == gpu } == true
    }

    /// Nothing is to be waited for any more.
    var isSettled: Bool {
        if whyNot != nil { return true }
        guard let inventory else { return false }
        return inventory.gpus.allSatisfy { answered[$0.key] != nil || hang.contains($0.key) }
            && (!inventory.withClients || clients != nil || hang.contains(DriverMessage.clientsKey))
    }

    var isComplete: Bool { whyNot != nil || isSettled && hang.isEmpty }

    var answer: DriverAnswer {
        let why = whyNot ?? silence
        guard let inventory else {
            let devices = isAbsent ? [] : known?.gpus.map { $0.unread.unreadable(why: why) } ?? []
            return DriverAnswer(
                devices: devices, clients: known?.withClients == true ? .unknown(why) : nil, error: why,
                isAbsent: isAbsent, hasInventory: known != nil, mayMissGPUs: true)
        }
        let devices = inventory.gpus.flatMap { answered[$0.key] ?? [$0.unread.unreadable(why: why)] }
        let clients = inventory.withClients ? clients ?? .unknown(why) : nil
        // An error that all devices share is reported once.
        let answering = inventory.gpus.compactMap { answered[$0.key] }.flatMap(\.self)
        var troubles = whyNot.map { [$0] + answering.compactMap(\.trouble) } ?? devices.compactMap(\.trouble)
        if let trouble = inventory.trouble { troubles.append(trouble) }
        if whyNot == nil, let why = clients?.reason { troubles.append(.ofClients(why)) }
        return DriverAnswer(
            devices: devices, versions: versions, clients: clients,
            error: .several(of: troubles), hasInventory: true,
            mayMissGPUs: whyNot != nil || inventory.trouble != nil)
    }
}

extension ObservedDevice {
    /// Why the device's memory or processes are unknown.
    fileprivate var trouble: Reason? {
        func ofThis(_ reason: Reason) -> Reason { .ofGPU(index: index, reason) }
        if case .failed(let why) = compute { return ofThis(why) }
        if sharesHostMemory != true, driver == nil, let reason = memory.reason { return ofThis(reason) }
        for list in [graphics, mps] { if case .failed(let why) = list { return ofThis(why) } }
        if vendor == .nvidia, [compute, graphics, mps].contains(where: \.isFull) { return ofThis(.fact(.listFull)) }
        return leftOut.map { ofThis(.recordsLeftOut($0)) }
    }
}
