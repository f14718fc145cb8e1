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
        let loops = try pairs(3, ["spin", String(iterations)])
        report.compare(
            "run: a busy loop", median(loops.map(\.watched)) / 1e6, median(loops.map(\.plain)) / 1e6, "s", atMost: 1.01)
        let children = try pairs(samples, ["children", "1000"])
        report.compare(
            "run: 1,000 short children", median(children.map(\.watched)) / 1000, median(children.map(\.plain)) / 1000,
            "ms", atMost: 1.01)
        try wholeRuns(["/bin/true"], samples, "run: a command that does nothing, start to end", &report)
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
