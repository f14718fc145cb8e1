import FoundationEssentials
import Glibc
import HostFS
import Ledger
import Sampling

/// A worker of `measure`, from outside: a process of ours that asks the driver or holds GPU memory.
final class Prober {
    private let child: OwnChild
    private var lines: ChildLines
    private let timeout: Double
    private let restores: Bool
    private var hasEnded = false
    /// It did not answer: the driver may hold it in the kernel.
    private var isSilent = false

    /// On this host, in the PID namespace that `pid` of `hello` counts in only if it was started directly.
    var pid: UInt32 { UInt32(child.pid) }

    /// - Parameters:
    ///   - wrapper: a program and its arguments that starts the worker, such as `unshare --pid --fork`; empty to start it directly.
    ///   - path: the worker's program, as the wrapper finds it.
    ///   - restores: it changes settings of the GPU and puts them back at its end, so it is not killed.
    init(
        _ plan: MeasurePlan, through wrapper: [String] = [], path: String? = nil, restores: Bool = false
    ) throws(NotTried) {
        let program = wrapper.first ?? SystemPath.ownProgram
        let own = path ?? (wrapper.isEmpty ? "plimsoll-probe" : SystemPath.ownProgramFile ?? SystemPath.ownProgram)
        // In a container the libraries are where the container has them.
        let libraries = path == nil ? [plan.nvmlLibrary ?? "", plan.cudaLibrary ?? ""] : ["", ""]
        let roots = path == nil ? [plan.procfs, plan.sysfs] : ["/proc", "/sys"]
        do throws(ChildStartError) {
            child = try OwnChild.start(
                wrapper + [own, MeasureWorker.command] + libraries + roots, program: program, holds: !restores,
                ending: restores ? SIGTERM : SIGKILL)
        } catch {
            throw error.code == ENOENT && !wrapper.isEmpty
                ? .noTool(wrapper[0]) : .notStarted(errno: error.code)
        }
        lines = ChildLines(child)
        timeout = plan.timeout
        self.restores = restores
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
        let asked = question + "\n"
        guard send(child.channel, asked, asked.utf8.count, Int32(MSG_NOSIGNAL)) == asked.utf8.count else {
            throw .ended(signal: signal)
        }
        let seconds = seconds ?? timeout
        let line: String
        do throws(ChildLines.End) {
            line = try lines.next(within: seconds)
        } catch {
            isSilent = error == .silent
            throw isSilent ? .noAnswer(seconds: seconds) : .ended(signal: signal)
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
        func name(_ place: Int) -> String { words.indices.contains(place) ? String(words[place]) : "" }
        switch words.count > 1 ? words[1] : "" {
        case "missing": return NotTried.Missing(rawValue: name(2)).map { .missing($0) } ?? .ended(signal: nil)
        case "function": return .noFunction(name(2))
        case "nvml": return .nvml(call: name(3), code: code ?? -1)
        case "cuda": return .cuda(call: name(3), code: code ?? -1)
        default: return .ended(signal: nil)
        }
    }

    private var signal: Int32? { child.end(within: 0.1)?.signal }

    /// As the kernel ends a process: without a word to it.
    func kill() { child.kill() }

    /// Ends the worker and waits until what it held is free, or its settings are restored. One that a driver holds in the kernel is
    /// left behind.
    func end() {
        if hasEnded { return }
        hasEnded = true
        shutdown(child.channel, Int32(SHUT_RDWR))
        guard child.end(within: isSilent ? 0.2 : restores ? 5 : 2) == nil, !restores else { return }
        child.kill(waiting: isSilent ? 0.2 : 1)
    }

    deinit {
        end()
        close(child.channel)
        child.forget()
    }
}
