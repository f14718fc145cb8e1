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
        for (count, times) in [("no process", none), ("100 processes", hundred), ("1,000 processes", thousand)] {
            report.compare("warm: a sample with \(count)", times.plimsoll, times.floor, "ms")
        }
        // What a sample costs without any process is not theirs. Shared out among them too, it would hide growth.
        func added(_ times: Times, _ count: Double) -> Times {
            Times(
                floor: (times.floor - none.floor) / count * 1000,
                plimsoll: (times.plimsoll - none.plimsoll) / count * 1000)
        }
        let (few, many) = (added(hundred, 100), added(thousand, 1000))
        report.compare("a process's part in it, of 100", few.plimsoll, few.floor, "µs")
        report.compare("a process's part in it, of 1,000", many.plimsoll, many.floor, "µs")
        report.ratio("a process's part, of 1,000 to of 100", many.plimsoll / few.plimsoll, atMost: 1.2)
        report.ratio("a whole sample by process, of 1,000 to of 100", thousand.plimsoll / 10 / hundred.plimsoll)
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
