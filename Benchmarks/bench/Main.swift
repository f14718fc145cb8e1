import Glibc

// bench [--strict], from the top of the repository: what `make bench` prints. docs/benchmarks.md tells what is measured.
// With --strict a target that is missed is exit code 1.

@main
enum Main {
    private static let containers = 40
    private static let runs = 20

    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.allSatisfy({ $0 == "--strict" }) else {
            print("usage: bench [--strict]")
            exit(64)
        }
        Interruption.prepare()
        var report = Report()
        do {
            let place = try Workplace()
            defer { place.remove() }
            try measure(in: place, &report)
        } catch {
            let text = Array("bench: \(error)\n".utf8)
            _ = text.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            exit(Interruption.code ?? 2)
        }
        exit(arguments.isEmpty || report.isMet ? 0 : 1)
    }

    private static func measure(in place: Workplace, _ report: inout Report) throws {
        let cards = try HostDescription(path: "Benchmarks/hosts/four-cards.json")
        try holding(cards, in: place, &report)
        report.title("What a process costs: warm samples, Docker left out; medians of \(runs)")
        try ProcessCost(place: place, cards: cards).measure(&report, samples: runs, warmUp: 3)
        report.line("\nThe simulated driver's own time is in both sides. Only ratios within one run count.")
    }

    /// Everything that is measured on a host whose memory is held.
    private static func holding(_ cards: HostDescription, in place: Workplace, _ report: inout Report) throws {
        let host = try SimulatedHost(cards, name: "host", in: place)
        defer { host.end() }
        host.select()
        let engine: Engine?
        do { engine = try Engine() } catch {
            try Interruption.check()
            report.line(
                "No containers: \(error)\nThe cold run is left out; plain processes take the place of containers.")
            engine = nil
        }
        let holders: any Holders = engine == nil ? ProcessHolders(place, host) : ContainerHolders(place, host)
        defer { holders.remove() }
        let what = "\(engine == nil ? "pairs of processes" : "containers of two processes each")"
        report.line("Starting \(containers) \(what) on \(cards.devices.count) simulated GPUs ...")
        try holders.start(containers, on: cards.devices.count)
        try waitUntilHeld(by: containers * 2, place, host)

        if let engine {
            report.title("Cold, with Docker: medians of \(runs) runs")
            try ColdRuns(place: place, host: host, engine: engine)
                .measure(runs: runs, warmUp: 2, containers: containers, &report)
        }
        report.title("Warm, Docker left out: medians of \(runs) samples")
        let warm = WarmSamples(place, host, count: runs, warmUp: 3)
        let (least, took) = (try warm.floor(), try warm.plimsoll(seeing: containers * 2))
        report.figure("floor", least, "ms")
        report.figure("a frame of plimsoll stats --format json", took, "ms")
        report.target("ratio", took / least, "times", atMost: 1.5)
    }

    private static func waitUntilHeld(by processes: Int, _ place: Workplace, _ host: SimulatedHost) throws {
        for _ in 0..<300 {
            if try run(place.program("bench-floor"), [host.library]).contains(" \(processes) processes,") { return }
            usleep(100_000)
        }
        throw Failure("waited 30 s in vain for \(processes) processes that hold memory")
    }
}
