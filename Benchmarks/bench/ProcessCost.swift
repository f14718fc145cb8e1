/// How a warm sample grows with the number of processes. They are real and asleep, and stand in the driver's lists.
struct ProcessCost {
    let place: Workplace
    let cards: HostDescription

    private struct Times {
        var floor: Double
        var plimsoll: Double
    }

    func measure(_ report: inout Report, samples: Int, warmUp: Int) throws {
        let none = try times(0, samples, warmUp)
        let hundred = try times(100, samples, warmUp)
        let thousand = try times(1000, samples, warmUp)
        for (count, times) in [(0, none), (100, hundred), (1000, thousand)] {
            report.figure(
                "\(count) processes, a sample", times.plimsoll, "ms", note: "floor \(decimals(times.floor, 3)) ms")
        }
        let added = [
            (hundred.plimsoll - none.plimsoll) / 100 * 1000, (thousand.plimsoll - none.plimsoll) / 1000 * 1000,
        ]
        report.figure("a process at 100, without the empty sample", added[0], "µs")
        report.figure("a process at 1,000, without the empty sample", added[1], "µs")
        report.target("ratio, without the empty sample", added[1] / added[0], "times", atMost: 1.2)
        let shared = [hundred.plimsoll / 100 * 1000, thousand.plimsoll / 1000 * 1000]
        report.figure(
            "ratio, the whole sample shared out", shared[1] / shared[0], "times",
            note: "\(decimals(shared[0], 1)) µs and \(decimals(shared[1], 1)) µs")
    }

    private func times(_ count: Int, _ samples: Int, _ warmUp: Int) throws -> Times {
        let sleepers = count > 0 ? try Child(place.program("bench-sleepers"), [String(count)]) : nil
        defer { sleepers?.end() }
        let pids = try (0..<count).map { _ in
            guard let line = sleepers?.line(), let pid = UInt32(line) else { throw Failure("sleepers end early") }
            return pid
        }
        let host = try SimulatedHost(cards.recording(pids, bytes: 16 << 20), name: "processes-\(count)", in: place)
        defer { host.end() }
        host.select()
        let warm = WarmSamples(place, host, count: samples, warmUp: warmUp)
        return Times(floor: try warm.floor(), plimsoll: try warm.plimsoll(seeing: count))
    }
}
