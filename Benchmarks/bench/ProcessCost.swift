import HostDescription

/// How a warm sample grows with the number of processes. They are real and asleep, and stand in the driver's lists.
struct ProcessCost {
    let place: Workplace
    let cards: HostDescription

    private struct Times {
        var plimsoll: Double
        var floor: Double
    }

    private struct Crowd {
        var sleepers: Child?
        var host: SimulatedHost

        func end() {
            host.end()
            sleepers?.end()
        }
    }

    func measure(_ report: inout Report, samples: Int) throws {
        let counts = [0, 100, 1000]
        var crowds: [Crowd] = []
        defer { for crowd in crowds { crowd.end() } }
        for count in counts { crowds.append(try crowd(of: count)) }
        let streams = zip(crowds, counts).map { WarmStream($0.host, seeing: $1) }
        let floors = try streams.map { try $0.floor(samples: samples, in: place) }
        let times = zip(try WarmStream.medians(of: streams, samples: samples), floors).map(Times.init)
        for (name, times) in zip(["no process", "100 processes", "1,000 processes"], times) {
            report.compare("warm: a sample with \(name)", times.plimsoll, times.floor, "ms")
        }
        judge(none: times[0], hundred: times[1], thousand: times[2], &report)
    }

    /// What a sample costs without any process is not theirs: shared out among them too, it would hide growth.
    private func judge(none: Times, hundred: Times, thousand: Times, _ report: inout Report) {
        func part(_ times: Times, of count: Double) -> Times {
            Times(
                plimsoll: (times.plimsoll - none.plimsoll) / count * 1000,
                floor: (times.floor - none.floor) / count * 1000)
        }
        let (few, many) = (part(hundred, of: 100), part(thousand, of: 1000))
        report.compare("a process's part in it, of 100", few.plimsoll, few.floor, "µs")
        report.compare("a process's part in it, of 1,000", many.plimsoll, many.floor, "µs")
        report.ratio("a process's part, of 1,000 to of 100", many.plimsoll / few.plimsoll, atMost: 1.2)
        report.ratio("a whole sample by process, of 1,000 to of 100", thousand.plimsoll / 10 / hundred.plimsoll)
    }

    private func crowd(of count: Int) throws -> Crowd {
        let sleepers = count > 0 ? try Child(place.program("bench-sleepers"), [String(count)]) : nil
        do {
            let pids = try (0..<count).map { _ in
                guard let line = sleepers?.line(), let pid = UInt32(line) else { throw Failure("sleepers end early") }
                return pid
            }
            let host = cards.recording(pids, bytes: 16 << 20)
            return Crowd(sleepers: sleepers, host: try SimulatedHost(host, name: "processes-\(count)", in: place))
        } catch {
            sleepers?.end()
            throw error
        }
    }
}

extension HostDescription {
    /// This host with recorded processes, spread over its GPUs in turn.
    fileprivate func recording(_ pids: [UInt32], bytes: UInt64) -> HostDescription {
        var host = self
        for (index, pid) in pids.enumerated() {
            let gpu = index % host.devices.count
            host.devices[gpu].processes = (host.devices[gpu].processes ?? []) + [Process(pid: pid, bytes: bytes)]
        }
        return host
    }
}
