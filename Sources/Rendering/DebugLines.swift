import Ledger

/// `--debug`: what was read, source by source, and how each process was attributed.
package func debugLines(of observation: Observation) -> [String] {
    let snapshot = Snapshot(observation)
    return sourceLines(snapshot) + viewLines(observation.view) + deviceLines(snapshot)
        + processLines(observation, snapshot)
}

private func sourceLines(_ snapshot: Snapshot) -> [String] {
    snapshot.sources.map { source in
        let outcome = source.error.map { "failed: \($0.text)" } ?? (source.ok ? "ok" : "failed")
        return "source \(source.name.cleaned): \(duration(source.seconds)), \(outcome)"
    }
}

private func viewLines(_ view: ProcessView) -> [String] {
    let facts: [(String, Bool?)] = [
        ("in the initial PID namespace", view.inInitialNamespace), ("/proc is of this PID namespace", view.procIsOwn),
        ("in a cgroup namespace", view.inCgroupNamespace), ("processes are hidden", view.hidesProcesses),
        ("all processes are visible", view.seesEveryProcess),
    ]
    let text = facts.map { "\($0): \($1.map { $0 ? "yes" : "no" } ?? unknown)" }.joined(separator: "; ")
    let driver = "NVIDIA driver \(view.nvidiaDriver ?? "none"), CUDA \(view.cudaVersion.map { String($0) } ?? unknown)"
    return ["view: \(text)", "versions: \(driver), Linux \(view.kernel ?? unknown)"]
}

private func deviceLines(_ snapshot: Snapshot) -> [String] {
    snapshot.devices.map { device in
        let memory = device.memory
        let why = memory.unavailable.map { ", \($0.text)" } ?? ""
        return "GPU \(device.label) \(device.uuid ?? unknown): \(memory.kind.rawValue), used \(exact(memory.used)) of "
            + "\(exact(memory.total)), from \(memory.source ?? unknown), ledger \(device.ledger.complete ? "complete" : "incomplete")\(why)"
    }
}

private func processLines(_ observation: Observation, _ snapshot: Snapshot) -> [String] {
    let cgroups = Dictionary(observation.processes.map { ($0.pid, $0.cgroup) }, uniquingKeysWith: { first, _ in first })
    return snapshot.processes.map { process in
        let lines = cgroups[process.pid]?.value?.split(separator: "\n").map { String($0) } ?? []
        // Of cgroup v1's many lines, the one that names a container says most.
        let cgroup = lines.max { $0.count < $1.count } ?? cgroups[process.pid]?.reason?.text ?? "not read"
        return "PID \(process.pid) (\(process.name ?? unknown)) on GPU \(snapshot.devices[process.device].label): "
            + "\(exact(process.bytes)) bytes, holder \(process.holder.rawValue)"
            + (process.container.map { " \(shortID($0))" } ?? "") + ", cgroup \(cgroup.cleaned)"
    }
}

private func exact(_ bytes: Bytes?) -> String { bytes.map { String($0) } ?? unknown }
