import FoundationEssentials
import Glibc

/// What a command loses under `plimsoll run`: its own clock tells how long its work took, plain and watched in turn.
struct CommandCost {
    let place: Workplace

    private var busy: String { place.program("bench-busy") }
    private let watched = ["run", "--quiet", "--"]
    private static let secondsOfLoop = 10.0

    func measure(_ report: inout Report, samples: Int) throws {
        let once = 200_000_000
        let iterations = Int(
            Self.secondsOfLoop * 1e6 / (try microseconds(of: ["spin", String(once)], isWatched: false)) * Double(once))
        try compare("run: a busy loop", try pairs(3, ["spin", String(iterations)]), "s", 1e6, &report)
        try measureChildren(&report, "run: 1,000 short children", samples: samples)
        try wholeRuns(["/bin/true"], samples, "run: a command that does nothing, start to end", &report)
    }

    func measureChildren(_ report: inout Report, _ name: String, samples: Int) throws {
        // More of them, because each is short: what is looked for is less than what two runs differ by.
        try compare(name, try pairs(3 * samples, ["children", "1000"]), "ms", 1000, &report)
    }

    /// `check` beside what people type today, where that is.
    func measureCheck(_ report: inout Report, samples: Int) throws {
        guard (try? run("nvidia-smi", ["-L"], joinsErrors: true)) != nil else {
            report.line("  no nvidia-smi that lists GPUs: check is measured beside nothing")
            return
        }
        let list = try (0..<samples).map { _ in
            (try time("nvidia-smi", ["-L"]), try time(place.program("plimsoll"), ["check"]))
        }
        report.compare("check, and nvidia-smi -L", median(list.map(\.1)), median(list.map(\.0)), "ms")
    }

    private func compare(
        _ name: String, _ pairs: [(plain: Double, watched: Double)], _ unit: String, _ divisor: Double,
        _ report: inout Report
    ) throws {
        report.compare(
            name, median(pairs.map(\.watched)) / divisor, median(pairs.map(\.plain)) / divisor, unit,
            ratio: median(pairs.map { $0.watched / $0.plain }), atMost: 1.01)
    }

    private func wholeRuns(_ command: [String], _ samples: Int, _ name: String, _ report: inout Report) throws {
        let runs = try (0..<samples).map { _ in
            (try time(command[0], Array(command.dropFirst())), try time(place.program("plimsoll"), watched + command))
        }
        report.compare(name, median(runs.map(\.1)), median(runs.map(\.0)), "ms")
    }

    private func pairs(_ count: Int, _ work: [String]) throws -> [(plain: Double, watched: Double)] {
        try (0..<count).map { round in
            // Each is first in turn: a machine that warms up or cools down meets both.
            if round % 2 == 0 {
                let plain = try microseconds(of: work, isWatched: false)
                return (plain, try microseconds(of: work, isWatched: true))
            }
            let watched = try microseconds(of: work, isWatched: true)
            return (try microseconds(of: work, isWatched: false), watched)
        }
    }

    private func microseconds(of work: [String], isWatched: Bool) throws -> Double {
        let told = try isWatched ? run(place.program("plimsoll"), watched + [busy] + work) : run(busy, work)
        guard let took = told.split(whereSeparator: \.isWhitespace).first.flatMap({ Double($0) }) else {
            throw Failure("busy says: \(told)")
        }
        return took
    }

    /// Milliseconds from start to end.
    private func time(_ program: String, _ arguments: [String]) throws -> Double {
        let start = ContinuousClock.now
        try run(program, arguments)
        return (ContinuousClock.now - start) / .milliseconds(1)
    }
}
