import Glibc
import Ledger
import Rendering
import Sampling

/// A stream that runs, without an engine, and the floor's beside it.
final class WarmStream {
    private let host: SimulatedHost
    private let processes: Int
    private let sampler: Sampler

    /// Milliseconds between samples: a stream's processor caches have grown cold when the next one is due.
    private static let pause: UInt32 = 50
    /// Samples that are not counted: the first reads everything.
    private static let warmUp = 3

    /// - Parameter processes: how many the driver lists; a sample that saw fewer is no sample.
    init(_ host: SimulatedHost, seeing processes: Int) {
        self.host = host
        self.processes = processes
        let plan = SamplingPlan(
            procfs: "/proc", sysfs: "/sys", nvmlLibrary: host.library, deviceTimeout: 10, engineTimeout: 2)
        sampler = Sampler(plan, notify: { _ in })
    }

    /// Medians of milliseconds, the streams in turn, so that what else the machine does meets them all.
    static func medians(of streams: [WarmStream], samples: Int) throws -> [Double] {
        var taken = streams.map { _ in [Double]() }
        for round in 0..<warmUp + samples {
            for (index, stream) in streams.enumerated() {
                try Interruption.check()
                usleep(pause * 1000)
                let took = try stream.sample()
                if round >= warmUp { taken[index].append(took) }
            }
        }
        return taken.map(median)
    }

    /// The floor's median on the same host, in milliseconds.
    func floor(samples: Int, in place: Workplace) throws -> Double {
        host.select()
        let told = try run(
            place.program("bench-floor"),
            [host.library, "--samples", String(Self.warmUp + samples), "--interval", String(Self.pause)])
        let taken = told.split(whereSeparator: \.isNewline).dropFirst(1 + Self.warmUp).compactMap { Double($0) }
        guard taken.count == samples else { throw Failure("the floor says: \(told)") }
        return median(taken) / 1000
    }

    /// Milliseconds that the end of a sample's children takes, from their killing to their being reaped: what each run waits for
    /// before it ends. Without the work that goes on beside it there.
    static func endOfChildren(_ host: SimulatedHost, runs: Int) throws -> Double {
        var taken: [Double] = []
        for _ in 0..<runs {
            try Interruption.check()
            host.select()
            let plan = SamplingPlan(
                procfs: "/proc", sysfs: "/sys", nvmlLibrary: host.library, deviceTimeout: 10, engineTimeout: 2)
            let sampler = Sampler(plan, notify: { _ in })
            _ = sampler.observe()
            let start = ContinuousClock.now
            sampler.finish()
            HelperProcess.endAll(within: 1)
            taken.append((ContinuousClock.now - start) / .milliseconds(1))
        }
        return median(taken)
    }

    /// A frame of `plimsoll stats --format json`, up to the text that it would write.
    private func sample() throws -> Double {
        // The driver's child starts with the first sample.
        host.select()
        let start = ContinuousClock.now
        let snapshot = Snapshot(sampler.observe())
        let rows = StatsRows(snapshot, truncates: true).rows(named: [], idle: false)
        let text = rows.map { $0.json.text() + "\n" }.joined()
        let took = (ContinuousClock.now - start) / .milliseconds(1)
        guard snapshot.processes.count == processes, snapshot.containers.isEmpty == text.isEmpty else {
            let why = snapshot.sources.compactMap(\.sentence).joined(separator: "; ")
            throw Failure("a sample saw \(snapshot.processes.count) of \(processes) processes: \(why)")
        }
        return took
    }
}
