import FoundationEssentials
import Glibc
import HostFS
import Ledger
import Sampling

// Steps with installed programs: Python with PyTorch, and a program under `run`.

extension Measurement {
    /// Runs PyTorch under `run`, and compares the peak that `run` reports with the driver's list.
    func pytorch() throws(NotTried) -> Finding {
        let target = try target()
        guard let own = SystemPath.ownProgramFile else { throw .notStarted(errno: ENOENT) }
        let side = 4096
        let tensor = Bytes(side * side * 4)
        // Two contexts' worth, because the context also contains PyTorch's kernels.
        try checkFree(tensor + 2 * Self.contextAtMost)
        do throws(NotTried) {
            // The first import reads many files, and can take long.
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
        let before = Set(try targetMemory(watcher).processes.keys)
        let program = try LineProgram(
            "python3",
            ["env", "CUDA_VISIBLE_DEVICES=\(target.uuid)", own, "run", "--quiet", "--report", file.path] + options
                + ["--", "python3", "-c", script])
        defer { program.end() }
        guard let reserved = try program.line(within: 60).split(separator: "=").last.flatMap({ Bytes($0) }) else {
            throw .toolNotUnderstood("torch")
        }
        let listed = try targetMemory(watcher).processes.filter { !before.contains($0.key) }.compactMap(\.value).max()
        guard let listed else { throw .missing(.perProcessMemory) }
        // Long enough for a reading of `run` with all of the memory.
        usleep(300_000)
        program.finish(within: plan.timeout)
        struct Report: Decodable {
            // The peak of readings. The driver's accounts can include memory that other processes held a second before.
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

    /// Times the same loop alone and under `run`, in turn, so that other processes disturb both alike.
    func runCost() throws(NotTried) -> Finding {
        guard let own = SystemPath.ownProgramFile else { throw .notStarted(errno: ENOENT) }
        var (alone, watched): ([Double], [Double]) = ([], [])
        for _ in 0..<10 {
            alone.append(try timeOfAllocation(through: []))
            watched.append(try timeOfAllocation(through: [own, "run", "--quiet"] + options + ["--"]))
        }
        return .runCost(alone: alone, watched: watched)
    }

    /// Options with which `run` reads the same host.
    private var options: [String] {
        ["--procfs", plan.procfs, "--sysfs", plan.sysfs]
            + (plan.nvmlLibrary.map { ["--nvml-library", $0] } ?? [])
    }

    /// The mean time of an allocation in a loop of 500 ms, in seconds. `run` makes five readings in that time.
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

/// A temporary file for a report of `run`. It is removed when this object is released, or when this program ends.
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
