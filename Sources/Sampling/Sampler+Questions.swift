import ContainerRuntimes
import HostFS
import Ledger

/// What commands ask beside samples.
extension Sampler {
    /// Who owns the folders of cgroups, as `Observation` has it: of samples, and of questions after them.
    package var cgroupOwners: [String: UInt32]? { cgroups.recordedOwners }

    /// Until when a question that is asked now may take. One that comes when the sample has had its time already has a moment
    /// more, but all of these together have half a second: a command ends within the deadline and a second.
    var nextDeadline: Double {
        if sampleDeadline == 0 { return monotonicSeconds() + plan.deviceTimeout }
        return max(sampleDeadline, min(monotonicSeconds() + 0.25, sampleDeadline + 0.5))
    }

    private func ask(_ question: HostQuestion) -> HostAnswer {
        if !host.hasChild { host.prepare() }
        let deadline = nextDeadline
        return host.answer(to: host.send(question, until: deadline), until: deadline)
    }

    /// Processes by PID, whether a driver lists them or not: those that are there. `cgroupOwners` has the owners of their folders too.
    package func processes(_ pids: [UInt32]) -> [ObservedProcess] {
        Self.parts(of: pids).flatMap { pids -> [ObservedProcess] in
            let question = HostQuestion.processes(pids, sample: sample, forgets: false, whole: true)
            guard case .processes(let reported, let facts) = ask(question) else {
                return pids.map { .unreadable($0, why: .fact(HostReader.silence)) }
            }
            cgroups.note(facts)
            return reported.whole
        }
    }

    /// Every process that has one of these PIDs in a namespace of its own, as `docker exec … ps` shows it; and processes
    /// that could not be read and may have it. nil if the search was impossible.
    package func processes(withInsidePIDs pids: Set<UInt32>) -> [ObservedProcess]? {
        var all: [ObservedProcess] = []
        for pids in Self.parts(of: pids.sorted()) {
            guard case .processes(let reported, let facts) = ask(.insidePIDs(pids)) else { return nil }
            cgroups.note(facts)
            all += reported.whole
        }
        return all
    }

    /// For each of these PIDs that is a thread: the PID of its process. nil if the search was impossible.
    package func processes(ofThreads threads: [UInt32]) -> [UInt32: UInt32]? {
        var all: [UInt32: UInt32] = [:]
        for threads in Self.parts(of: threads) {
            guard case .threads(let processes) = ask(.threads(threads)) else { return nil }
            all.merge(processes) { first, _ in first }
        }
        return all
    }

    /// The parents of each process, nearest first, as far up as `last`: empty for one that is no more, and none for one of which
    /// they could not be read.
    package func ancestors(of pids: [UInt32], upTo last: UInt32) -> [UInt32: [UInt32]] {
        Self.parts(of: pids).reduce(into: [:]) { all, pids in
            guard case .ancestors(let chains) = ask(.ancestors(pids, upTo: last)) else { return }
            all.merge(chains) { first, _ in first }
        }
    }

    /// The command lines of processes that were observed, if they are still those, by PID.
    package func commandLines(of processes: [ObservedProcess]) -> [UInt32: String] {
        let keys = processes.map { HostQuestion.ProcessKey(pid: $0.pid, startTick: $0.startTick) }
        return Self.parts(of: keys).reduce(into: [:]) { all, keys in
            guard case .commandLines(let lines) = ask(.commandLines(keys)) else { return }
            all.merge(lines) { first, _ in first }
        }
    }

    /// Where this program runs. Device files with these minor numbers are opened.
    package func runtimeEnvironment(minors: [UInt32] = []) -> RuntimeEnvironment {
        if case .runtimeEnvironment(let environment) = ask(.runtimeEnvironment(minors: minors)) { return environment }
        return RuntimeEnvironmentReader.unread(minors: minors, why: HostReader.silence)
    }

    /// The Docker client's current context; nil if its files do not answer in time.
    ///
    /// - Parameter seconds: how long they may take; by default the time of an engine.
    package func dockerContext(_ environment: [String: String], within seconds: Double? = nil) -> DockerContext? {
        if round == nil { begin() }
        let deadline = monotonicSeconds() + (seconds ?? plan.engineTimeout)
        let asked = host.send(.dockerContext(environment), until: deadline)
        if case .dockerContext(let context) = host.answer(to: asked, until: deadline) { return context }
        return nil
    }
}
