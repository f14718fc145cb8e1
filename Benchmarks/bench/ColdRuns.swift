import FoundationEssentials
import Glibc

/// Whole runs from start to end, the floor's and Plimsoll's in turn, so that what else the machine does meets both.
struct ColdRuns {
    let place: Workplace
    let host: SimulatedHost
    let engine: Engine

    private struct Run {
        var milliseconds: Double
        var peakMiB: Double
        /// Of its children, all together.
        var childrenPeakMiB: Double
    }

    private var floor: [String] { [place.program("bench-floor"), host.library, "--docker", engine.socket] }
    private var ledger: [String] { [place.program("plimsoll"), "ledger", "--format", "json"] }

    func measure(runs: Int, warmUp: Int, containers: Int, _ report: inout Report) throws {
        let answer = "\(place.folder)/answer"
        for _ in 0..<warmUp {
            _ = try run(floor, output: answer)
            report.line("  the floor saw \(try String(contentsOfFile: answer, encoding: .utf8).dropLast())")
            _ = try run(ledger, output: answer)
            try check(answer, containers)
        }
        var ours: [Run] = []
        var floors: [Run] = []
        for _ in 0..<runs {
            floors.append(try run(floor, output: "/dev/null"))
            ours.append(try run(ledger, output: "/dev/null"))
        }
        // Looking at children takes time of its own.
        let watched = try (0..<5).map { _ in try run(ledger, output: "/dev/null", withChildren: true) }
        let times = (median(ours.map(\.milliseconds)), median(floors.map(\.milliseconds)))
        report.compare("cold: ledger --format json", times.0, times.1, "ms", atMost: 1.8)
        func most(_ runs: [Run], _ peak: (Run) -> Double) -> Double { runs.map(peak).max() ?? 0 }
        report.limit(
            "cold: peak memory, the largest process", most(ours, \.peakMiB), most(floors, \.peakMiB), "MiB", atMost: 16)
        report.limit(
            "cold: peak memory, with the children's", most(watched) { $0.peakMiB + $0.childrenPeakMiB },
            most(floors, \.peakMiB), "MiB", atMost: 16)
    }

    private func run(_ command: [String], output: String, withChildren: Bool = false) throws -> Run {
        let options = withChildren ? ["--children"] : []
        let told = try bench.run(place.program("bench-measure"), options + [output] + command)
        let numbers = told.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
        guard numbers.count == 4 else { throw Failure("measure says: \(told)") }
        guard numbers[3] == 0 else { throw Failure("\(command[0]) ended with \(Int(numbers[3]))") }
        return Run(milliseconds: numbers[0] / 1000, peakMiB: numbers[1] / 1024, childrenPeakMiB: numbers[2] / 1024)
    }

    private struct Ledger: Decodable {
        var containers: [Container]
        struct Container: Decodable {
            var name: String?
        }
    }

    /// A fast answer that leaves something out is none.
    private func check(_ path: String, _ wanted: Int) throws {
        let ledger = try JSONDecoder().decode(Ledger.self, from: Data(contentsOf: URL(filePath: path)))
        let named = ledger.containers.filter { $0.name?.hasPrefix("plimsoll-bench-") ?? false }.count
        guard named == wanted else { throw Failure("the ledger has \(named) of \(wanted) containers by name") }
    }
}
