import Glibc
import HostFS
import Ledger
import Sampling

// Steps with programs of the machine's: Python with PyTorch, and a program under `run`.

extension Measurement {
    func pytorch() throws(NotTried) -> Finding {
        let target = try target()
        let side = 4096
        let tensor = Bytes(side * side * 4)
        // A context of PyTorch's has its kernels in it.
        try room(for: tensor + 2 * Self.contextAtMost)
        let import_ = "import sys, torch; device = torch.device('cuda:0')"
        _ = try python(["-c", "import torch"])
        let script = """
            \(import_); t = torch.randn(\(side), \(side), device=device); \
            print('ok reserved=' + str(torch.cuda.memory_reserved()), flush=True); sys.stdin.readline()
            """
        let program: LineProgram
        program = try LineProgram(["env", "CUDA_VISIBLE_DEVICES=\(target.uuid)", "python3", "-c", script])
        defer { program.end() }
        guard let reserved = try program.line(within: 60).split(separator: "=").last.flatMap({ Bytes($0) }) else {
            throw .toolNotUnderstood("torch")
        }
        // `env` becomes Python.
        let listed = try card(try watcher()).bytes(of: program.pid)
        return .pytorch(tensor: tensor, reserved: reserved, listed: listed)
    }

    private func python(_ words: [String]) throws(NotTried) -> String {
        do throws(NotTried) {
            return try Tool.output(["python3"] + words, within: 60)
        } catch .toolFailed {
            throw .missing(.torch)
        }
    }

    /// The same loop alone and under `run`, in turn, so that others on this machine disturb both alike.
    func runCost() throws(NotTried) -> Finding {
        guard let own = SystemPath.ownProgramFile else { throw .notStarted(errno: ENOENT) }
        // Ten readings of `run` or more, whatever an allocation costs here.
        let once = try timeOfLoop(through: [], count: 200) / 200
        let count = Int(max(200, min(1.2 / once, 100_000)))
        var (alone, watched): ([Double], [Double]) = ([], [])
        for _ in 0..<5 {
            alone.append(try timeOfLoop(through: [], count: count))
            watched.append(try timeOfLoop(through: [own, "run", "--quiet"] + options + ["--"], count: count))
        }
        return .runCost(alone: alone, watched: watched)
    }

    /// What tells `run` to read the same host.
    private var options: [String] {
        ["--procfs", plan.procfs, "--sysfs", plan.sysfs]
            + (plan.nvmlLibrary.map { ["--nvml-library", $0] } ?? [])
    }

    private func timeOfLoop(through wrapper: [String], count: Int) throws(NotTried) -> Double {
        let size = Bytes(16 << 20)
        let holder = try holder(toAllocate: size, through: wrapper)
        defer { holder.end() }
        // The first allocations of a process are slower.
        try holder.ask("loop 50 \(size)")
        guard let seconds = try holder.ask("loop \(count) \(size)", within: 30).seconds("seconds") else {
            throw .ended(signal: nil)
        }
        return seconds
    }
}
