import FoundationEssentials
import Glibc
import HostFS
import Ledger
import Sampling

/// What the workers of all steps have left: calls that hung, and memory that a driver has not let go of.
final class Leftovers {
    struct Hang {
        var deadline: Double
        /// Until the step could go on.
        var took: Double
    }

    fileprivate(set) var hangs: [Hang] = []
    /// At most what workers hold that could not be ended.
    fileprivate(set) var held: Bytes = 0
}

/// A worker of `measure`, from outside: a process of ours that asks the driver or holds GPU memory.
final class Prober {
    enum Role {
        case asks
        /// - Parameter bytes: it takes no more than this.
        case holds(Bytes)
        /// It changes settings of the GPU and puts them back at its end, so it is not killed.
        case restores
    }

    private let child: HelperProcess
    private var lines: ChildLines
    private let timeout: Double
    private let role: Role
    private let wrapper: String?
    private let leftovers: Leftovers
    private var hasEnded = false
    /// When it was asked a question that it has not answered: the driver may hold it in the kernel. What it answers
    /// later is not the answer to the next question.
    private var unanswered: (since: Double, deadline: Double)?

    /// On this host, if it was started directly.
    var pid: UInt32 { UInt32(child.pid) }

    /// - Parameters:
    ///   - wrapper: a program and its arguments that starts the worker, such as `unshare --pid --fork`; empty to start
    ///     it directly.
    ///   - path: the worker's program, as the wrapper finds it.
    init(
        _ plan: MeasurePlan, _ leftovers: Leftovers, _ role: Role = .asks, through wrapper: [String] = [],
        path: String? = nil
    ) throws(NotTried) {
        let program = wrapper.first ?? SystemPath.ownProgram
        let own = path ?? (wrapper.isEmpty ? "plimsoll-probe" : SystemPath.ownProgramFile ?? SystemPath.ownProgram)
        // In a container they are where the container has them.
        let places =
            path == nil ? [plan.nvmlLibrary ?? "", plan.cudaLibrary ?? "", plan.procfs, plan.sysfs] : ["", "", "", ""]
        let restores = if case .restores = role { true } else { false }
        do throws(ChildStartError) {
            child = try HelperProcess.start(
                wrapper + [own, MeasureWorker.command] + places, program: program, holds: !restores,
                ending: restores ? SIGTERM : SIGKILL)
        } catch {
            throw error.code == ENOENT && !wrapper.isEmpty
                ? .noTool(wrapper[0]) : .notStarted(errno: error.code)
        }
        // A list of 950 processes has some 50 bytes for each, and a GPU three lists.
        lines = ChildLines(child, limit: 1 << 20)
        timeout = plan.timeout
        self.role = role
        self.leftovers = leftovers
        self.wrapper = wrapper.first
    }

    /// What the worker answered: words of the form `name=value`.
    struct Answer {
        fileprivate let line: Substring

        subscript(_ name: String) -> Substring? { words.first { $0.name == name }?.value }

        var words: [(name: Substring, value: Substring)] {
            line.split(separator: " ").compactMap { word in
                word.firstIndex(of: "=").map { (word[..<$0], word[word.index(after: $0)...]) }
            }
        }

        func bytes(_ name: String) -> Bytes? { self[name].flatMap { UInt64($0) }.flatMap { Bytes(told: $0) } }
        func number(_ name: String) -> Int? { self[name].flatMap { Int($0) } }
        func seconds(_ name: String) -> Double? { self[name].flatMap { Double($0) } }
    }

    /// - Parameter seconds: how long the answer may take; by default that of a device.
    @discardableResult
    func ask(_ question: String, within seconds: Double? = nil) throws(NotTried) -> Answer {
        let seconds = seconds ?? timeout
        if let unanswered { throw .noAnswer(seconds: unanswered.deadline) }
        let asked = question + "\n"
        guard send(child.channel, asked, asked.utf8.count, Int32(MSG_NOSIGNAL)) == asked.utf8.count else {
            throw ended
        }
        let start = monotonicSeconds()
        let line: String
        do throws(ChildLines.Failure) {
            line = try lines.next(within: seconds)
        } catch {
            guard error == .silent else { throw ended }
            unanswered = (start, seconds)
            throw .noAnswer(seconds: seconds)
        }
        if line == "ok" || line.hasPrefix("ok ") { return Answer(line: line.dropFirst(3)) }
        throw failure(line.split(separator: " "))
    }

    func observe(gpu: Int) throws(NotTried) -> [ObservedDevice] {
        let line = try ask("observe \(gpu)").line
        guard let devices = try? JSONDecoder().decode([ObservedDevice].self, from: Data(line.utf8)) else {
            throw .ended(signal: nil)
        }
        return devices
    }

    private func failure(_ words: [Substring]) -> NotTried {
        let code = words.count > 2 ? Int32(words[2]) : nil
        func name(_ index: Int) -> String { words.indices.contains(index) ? String(words[index]) : "" }
        switch words.count > 1 ? words[1] : "" {
        case "missing": return NotTried.Missing(rawValue: name(2)).map { .missing($0) } ?? .ended(signal: nil)
        case "function": return .noFunction(name(2))
        case "nvml": return .nvml(call: name(3), code: code ?? -1)
        case "cuda": return .cuda(call: name(3), code: code ?? -1)
        default: return .ended(signal: nil)
        }
    }

    private var ended: NotTried {
        let end = child.end(within: 0.5)
        let code = end?.status.map { $0 >> 8 & 0xFF } ?? 0
        // 125 to 127 are the docker client's own (docker run), and unshare has 1.
        if let wrapper, end?.signal == nil, code != 0 { return .toolFailed(wrapper, code: code) }
        return .ended(signal: end?.signal)
    }

    /// As the kernel ends a process: without a word to it.
    func kill() { child.kill() }

    /// Ends the worker and waits until what it held is free, or its settings are restored. One that a driver holds in
    /// the kernel is left behind.
    func end() {
        if hasEnded { return }
        hasEnded = true
        shutdown(child.channel, Int32(SHUT_RDWR))
        let isSilent = unanswered != nil
        switch role {
        case .restores: _ = child.end(within: isSilent ? 0.2 : 5)
        case .asks, .holds:
            if child.end(within: isSilent ? 0.2 : 2) == nil { child.kill(waiting: isSilent ? 0.2 : 1) }
            if case .holds(let bytes) = role, child.end == nil { leftovers.held += bytes }
        }
        // A slow engine is no driver that hangs.
        if let unanswered, wrapper == nil {
            leftovers.hangs.append(
                Leftovers.Hang(deadline: unanswered.deadline, took: monotonicSeconds() - unanswered.since))
        }
    }

    deinit {
        end()
        close(child.channel)
        child.forget()
    }
}
