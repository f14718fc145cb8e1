import FoundationEssentials
import Glibc
import HostFS
import Ledger
import Sampling

// Steps with programs of the machine's: Python with PyTorch, and a program under `run`.

extension Measurement {
    /// Under `run`, whose peak is compared with the driver's list.
    func pytorch() throws(NotTried) -> Finding {
        let target = try target()
        guard let own = SystemPath.ownProgramFile else { throw .notStarted(errno: ENOENT) }
        let side = 4096
        let tensor = Bytes(side * side * 4)
        // Its context has PyTorch's kernels in it.
        try checkFree(tensor + 2 * Self.contextAtMost)
        do throws(NotTried) {
            // The first time, files are read for long.
            _ = try Tool.output(["python3", "-c", "import torch"], within: 60)
        } catch .toolFailed {
            throw .missing(.torch)
        }
        let script = """
            import sys, torch; t = torch.randn(\(side), \(side), device='cuda'); \
            print('reserved=' + str(torch.cuda.memory_reserved()), flush=True); sys.stdin.readline()
            """
        let file = try ScratchFile()
        let watcher = try watcher()
        let before = Set(try card(watcher).processes.keys)
        let program = try LineProgram(
            "python3",
            ["env", "CUDA_VISIBLE_DEVICES=\(target.uuid)", own, "run", "--quiet", "--report", file.path] + options
                + ["--", "python3", "-c", script])
        defer { program.end() }
        guard let reserved = try program.line(within: 60).split(separator: "=").last.flatMap({ Bytes($0) }) else {
            throw .toolNotUnderstood("torch")
        }
        let listed = try card(watcher).processes.filter { !before.contains($0.key) }.compactMap(\.value).max()
        guard let listed else { throw .missing(.perProcessMemory) }
        // A reading of `run` with all of it.
        usleep(300_000)
        program.finish(within: plan.timeout)
        struct Report: Decodable {
            // Of readings: the driver's accounts may have in them what others held a second before.
            struct Device: Decodable { var sampledPeakBytes: Bytes? }
            var devices: [Device]
        }
        let text = try Tool.output(["cat", file.path], within: plan.timeout)
        guard let report = try? JSONDecoder().decode(Report.self, from: Data(text.utf8)) else {
            throw .toolNotUnderstood("plimsoll run")
        }
        return .pytorch(
            tensor: tensor, reserved: reserved, listed: listed,
            peak: report.devices.compactMap(\.sampledPeakBytes).max())
    }

    /// The same loop alone and under `run`, in turn, so that others on this machine disturb both alike.
    func runCost() throws(NotTried) -> Finding {
        guard let own = SystemPath.ownProgramFile else { throw .notStarted(errno: ENOENT) }
        var (alone, watched): ([Double], [Double]) = ([], [])
        for _ in 0..<10 {
            alone.append(try timeOfAllocation(through: []))
            watched.append(try timeOfAllocation(through: [own, "run", "--quiet"] + options + ["--"]))
        }
        return .runCost(alone: alone, watched: watched)
    }

    /// What tells `run` to read the same host.
    private var options: [String] {
        ["--procfs", plan.procfs, "--sysfs", plan.sysfs]
            + (plan.nvmlLibrary.map { ["--nvml-library", $0] } ?? [])
    }

    /// Seconds, of many in a row: as long as five readings of `run`.
    private func timeOfAllocation(through wrapper: [String]) throws(NotTried) -> Double {
        let size = Bytes(16 << 20)
        let holder = try holder(toAllocate: size, through: wrapper)
        defer { holder.end() }
        // The first allocations of a process are slower.
        try holder.ask("loop 20 \(size)")
        guard let seconds = try holder.ask("loop 500 \(size)", within: plan.timeout + 1).seconds("seconds") else {
            throw .ended(signal: nil)
        }
        return seconds
    }
}

/// A file for a report of `run`, which goes with this program.
private final class ScratchFile {
    let path: String
    private let cleaner: Cleaner

    init() throws(NotTried) {
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(folder)/plimsoll-measure-\(String(repeating: "X", count: 6)).json".utf8CString)
        let fd = mkstemps(&template, 5)
        guard fd >= 0 else { throw .notStarted(errno: errno) }
        close(fd)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        cleaner = try Cleaner(atEnd: ["rm", "-f", path])
    }
}
