import FoundationEssentials
import Glibc
import HostFS
import Ledger
import Sampling

/// What the workers of all steps left behind: calls that hung, and memory that a driver has not freed.
final class Leftovers {
    struct Hang {
        /// Time limit of the call, in seconds.
        var deadline: Double
        /// Seconds until the step could continue.
        var took: Double
    }

    fileprivate(set) var hangs: [Hang] = []
    /// Upper bound of the GPU memory of workers that could not be ended.
    fileprivate(set) var held: Bytes = 0
}

/// The parent's side of a `MeasureWorker`: a child process that asks the driver or holds GPU memory.
final class WorkerProcess {
    enum Role {
        /// The worker only asks.
        case asks
        /// The worker holds GPU memory.
        ///
        /// - Parameter bytes: upper bound of that memory.
        case holds(Bytes)
        /// The worker changes settings of the GPU and restores them at its end, so it is not killed.
        case restores
    }

    private let child: HelperProcess
    private var lines: ChildLines
    private let timeout: Double
    private let role: Role
    private let wrapper: String?
    private let leftovers: Leftovers
    private var hasEnded = false
    /// The request that the worker did not answer in time; the driver can hold the worker in the kernel. No further
    /// request is sent, because the late answer could be taken for the answer to that request.
    private var unanswered: (since: Double, deadline: Double)?

    /// The PID on this host: of the worker, or of the wrapper if there is one.
    var pid: UInt32 { UInt32(child.pid) }

    /// - Parameters:
    ///   - wrapper: a program that starts the worker, with arguments, such as `unshare --pid --fork`; empty to start
    ///     the worker directly.
    ///   - path: this program's file inside the container; nil outside containers.
    init(
        _ plan: MeasurePlan, _ leftovers: Leftovers, _ role: Role = .asks, through wrapper: [String] = [],
        path: String? = nil
    ) throws(NotTried) {
        let program = wrapper.first ?? SystemPath.ownProgram
        let own = path ?? (wrapper.isEmpty ? "plimsoll-probe" : SystemPath.ownProgramFile ?? SystemPath.ownProgram)
        // In a container these paths are the usual ones.
        let paths =
            path == nil ? [plan.nvmlLibrary ?? "", plan.cudaLibrary ?? "", plan.procfs, plan.sysfs] : ["", "", "", ""]
        let restores = if case .restores = role { true } else { false }
        do throws(ChildStartError) {
            child = try HelperProcess.start(
                wrapper + [own, MeasureWorker.command] + paths, program: program, holds: !restores,
                ending: restores ? SIGTERM : SIGKILL)
        } catch {
            throw error.code == ENOENT && !wrapper.isEmpty
                ? .noTool(wrapper[0]) : .notStarted(errno: error.code)
        }
        // A list can have 950 processes of about 50 bytes each, and a GPU has three lists.
        lines = ChildLines(child, limit: 1 << 20)
        timeout = plan.timeout
        self.role = role
        self.leftovers = leftovers
        self.wrapper = wrapper.first
    }

    /// An answer of the worker: words of the form `name=value`.
    struct Answer {
        fileprivate let line: Substring

        subscript(_ name: String) -> Substring? { words.first { $0.name == name }?.value }

        var words: [(name: Substring, value: Substring)] {
            line.split(separator: " ").compactMap { word in
                word.firstIndex(of: "=").map { (word[..<$0], word[word.index(after: $0)...]) }
            }
        }

        func bytes(_ name: String) -> Bytes? { self[name].flatMap { UInt64($0) }.flatMap { Bytes(reported: $0) } }
        func number(_ name: String) -> Int? { self[name].flatMap { Int($0) } }
        func seconds(_ name: String) -> Double? { self[name].flatMap { Double($0) } }
    }

    /// Sends a request (see `WorkerRequests`) and waits for the answer.
    ///
    /// - Parameter seconds: time limit of the answer; nil for that of a device.
    @discardableResult
    func ask(_ request: String, within seconds: Double? = nil) throws(NotTried) -> Answer {
        let seconds = seconds ?? timeout
        if let unanswered { throw .noAnswer(seconds: unanswered.deadline) }
        let sent = request + "\n"
        guard send(child.channel, sent, sent.utf8.count, Int32(MSG_NOSIGNAL)) == sent.utf8.count else {
            throw endOfWorker
        }
        let start = monotonicSeconds()
        let line: String
        do throws(ChildLines.Failure) {
            line = try lines.next(within: seconds)
        } catch {
            guard error == .silent else { throw endOfWorker }
            unanswered = (start, seconds)
            throw .noAnswer(seconds: seconds)
        }
        if line == "ok" || line.hasPrefix("ok ") { return Answer(line: line.dropFirst(3)) }
        throw failure(line.split(separator: " "))
    }

    /// What the driver reports of a GPU and its MIG instances.
    ///
    /// - Parameter gpu: the driver's index.
    func observe(gpu: Int) throws(NotTried) -> [ObservedDevice] {
        let line = try ask("observe \(gpu)").line
        guard let devices = try? JSONDecoder().decode([ObservedDevice].self, from: Data(line.utf8)) else {
            throw .ended(signal: nil)
        }
        return devices
    }

    /// The reason in an `error` line of the worker (`WorkerError.line`).
    private func failure(_ words: [Substring]) -> NotTried {
        let code = words.count > 2 ? Int32(words[2]) : nil
        func name(_ index: Int) -> String { words.indices.contains(index) ? String(words[index]) : "" }
        switch words.count > 1 ? words[1] : "" {
        case "missing": return NotTried.Prerequisite(rawValue: name(2)).map { .missing($0) } ?? .ended(signal: nil)
        case "function": return .noFunction(name(2))
        case "nvml": return .nvml(call: name(3), code: code ?? -1)
        case "cuda": return .cuda(call: name(3), code: code ?? -1)
        default: return .ended(signal: nil)
        }
    }

    /// Why there is no answer, if the worker has ended.
    private var endOfWorker: NotTried {
        let end = child.end(within: 0.5)
        let code = end?.status.map { $0 >> 8 & 0xFF } ?? 0
        // Exit codes of the wrapper itself: 125 to 127 of docker run, 1 of unshare.
        if let wrapper, end?.signal == nil, code != 0 { return .toolFailed(wrapper, code: code) }
        return .ended(signal: end?.signal)
    }

    /// Sends SIGKILL to a worker that asks or holds, and does not wait.
    func kill() { child.kill() }

    /// Ends the worker, and waits until its memory is free or its settings are restored. A worker that a driver holds
    /// in the kernel is left behind.
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
        // With a wrapper the delay can be the engine's, so it is no hang of the driver.
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
