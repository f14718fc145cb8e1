import ContainerRuntimes
import Glibc
import Ledger
import Rendering
import Sampling

/// Samples of a stream that runs, without an engine.
struct WarmSamples {
    let place: Workplace
    let host: SimulatedHost
    let count: Int
    let warmUp: Int
    private static let intervalMilliseconds: UInt32 = 50

    init(_ place: Workplace, _ host: SimulatedHost, count: Int, warmUp: Int) {
        self.place = place
        self.host = host
        self.count = count
        self.warmUp = warmUp
    }

    /// Milliseconds of a sample, by the floor.
    func floor() throws -> Double {
        let told = try run(
            place.program("bench-floor"),
            [host.library, "--samples", String(warmUp + count), "--interval", String(Self.intervalMilliseconds)])
        let samples = told.split(whereSeparator: \.isNewline).dropFirst(1 + warmUp).compactMap { Double($0) }
        guard samples.count == count else { throw Failure("the floor says: \(told)") }
        return median(samples) / 1000
    }

    /// Milliseconds of a frame of `plimsoll stats --format json`, up to the text that it would write.
    ///
    /// - Parameter processes: how many the driver lists; a sample that saw fewer is no sample.
    func plimsoll(seeing processes: Int) throws -> Double {
        var engines = try EngineSelection(hosts: ["/none"], environment: [:])
        engines.engines = []
        let plan = SamplingPlan(
            procfs: "/proc", sysfs: "/sys", nvmlLibrary: host.library, engines: engines, deviceTimeout: 10,
            engineTimeout: 2)
        let sampler = Sampler(plan, tell: { _ in })
        var samples: [Double] = []
        for index in 0..<warmUp + count {
            try Interruption.check()
            usleep(Self.intervalMilliseconds * 1000)
            let start = ContinuousClock.now
            let snapshot = Snapshot(sampler.observe())
            let text = frame(snapshot)
            let took = (ContinuousClock.now - start) / .milliseconds(1)
            guard snapshot.processes.count == processes, snapshot.containers.isEmpty == text.isEmpty else {
                throw Failure("a sample saw \(snapshot.processes.count) of \(processes) processes")
            }
            if index >= warmUp { samples.append(took) }
        }
        return median(samples)
    }

    /// As StatsCommand makes it.
    private func frame(_ snapshot: Snapshot) -> String {
        StatsRows(snapshot, truncates: true).rows(named: [], idle: false).map { $0.json.text() + "\n" }.joined()
    }
}
