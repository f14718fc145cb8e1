import Glibc

/// All targets, as many at a time as there are processors, and a table at the end.
struct Campaign {
    private let options: Options
    private let weights: UInt64

    init(_ options: Options) throws {
        self.options = options
        weights = options.targets.reduce(0) { $0 + $1.inputs }
        for folder in [".build", options.folder] { mkdir(folder, 0o755) }
    }

    private struct Run {
        var target: Target
        var inputs: UInt64
        var pid: pid_t
        var evidence: Evidence
        var start: Double
        /// The count that was last seen, and when it was seen first.
        var progress: (count: UInt64, at: Double)
        var seconds = 0.0
        var finding: String?
    }

    /// - Returns: whether nothing was found.
    func run() throws -> Bool {
        let atOnce = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        var waiting = options.targets[...]
        var running: [Run] = []
        var done: [Run] = []
        while !waiting.isEmpty || !running.isEmpty {
            while running.count < atOnce, let target = waiting.popFirst() { running.append(try start(target)) }
            usleep(20_000)
            for index in running.indices.reversed() where look(at: &running[index]) {
                done.append(running.remove(at: index))
            }
        }
        for run in done { if let finding = run.finding { print("\(run.target.name): \(finding)") } }
        table(done)
        return done.allSatisfy { $0.finding == nil }
    }

    private func start(_ target: Target) throws -> Run {
        // Rounded up, so that the whole is what was asked for at least.
        let inputs = options.inputs.map { ($0 * target.inputs + weights - 1) / weights } ?? target.inputs
        let path = "\(options.folder)/\(target.name).evidence"
        unlink(path)
        let evidence = try Evidence(path: path)
        let words = [
            "fuzz", "--target", target.name, "--seed", String(options.seed), "--inputs", String(inputs), "--evidence",
            path,
        ]
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, "/proc/self/exe", nil, nil, &arguments, environ)
        guard code == 0 else { throw Failure("a child could not be started: \(String(cString: strerror(code)))") }
        let now = seconds()
        return Run(target: target, inputs: inputs, pid: pid, evidence: evidence, start: now, progress: (0, now))
    }

    /// - Returns: whether it has ended.
    private func look(at run: inout Run) -> Bool {
        var status: Int32 = 0
        let now = seconds()
        if waitpid(run.pid, &status, WNOHANG) == run.pid {
            run.seconds = now - run.start
            if status == Child.wrong << 8 {
                run.finding = keep(run, run.evidence.message)
            } else if status != 0 {
                run.finding = keep(
                    run, status & 0x7F != 0 ? "crashed (signal \(status & 0x7F))" : "ended with \(status >> 8)")
            }
            return true
        }
        if run.evidence.count != run.progress.count {
            run.progress = (run.evidence.count, now)
        } else if now - run.progress.at > 10 {
            kill(run.pid, SIGKILL)
            waitpid(run.pid, nil, 0)
            run.seconds = now - run.start
            run.finding = keep(run, "hung for 10 s")
            return true
        }
        return false
    }

    private func keep(_ run: Run, _ what: String) -> String {
        let path = "\(options.folder)/\(run.target.name)-\(run.evidence.count).input"
        if let file = fopen(path, "w") {
            let input = run.evidence.input
            fwrite(input, 1, input.count, file)
            fclose(file)
        }
        return "\(what)\n  again: fuzz --target \(run.target.name) --replay \(path)"
    }

    private func table(_ runs: [Run]) {
        func row(_ name: String, _ cells: [String]) {
            var line = name + String(repeating: " ", count: max(0, 10 - name.count))
            for cell in cells { line += String(repeating: " ", count: max(1, 12 - cell.count)) + cell }
            print(line)
        }
        row("target", ["inputs", "seconds", "per second", "found"])
        let ordered = options.targets.compactMap { target in runs.first { $0.target.name == target.name } }
        for run in ordered {
            let count = run.evidence.count
            row(
                run.target.name,
                [
                    String(count), String(Int(run.seconds.rounded())),
                    String(Int(Double(count) / max(run.seconds, 0.001))),
                    run.finding == nil ? "0" : "1",
                ])
        }
        var inputs: UInt64 = 0
        for run in ordered { inputs += run.evidence.count }
        row("all", [String(inputs), "", "", String(ordered.filter { $0.finding != nil }.count)])
    }

    private func seconds() -> Double {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
    }
}
