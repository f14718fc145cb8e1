import Glibc
import HostDescription
import Sampling

// bench, from the top of the repository: what `make bench` prints. It measures, and fails only where it could not: an aim that
// is missed stands in the table, and the exit code is 0.

@main
enum Main {
    private static let containers = 40
    private static let runs = 20

    static func main() {
        // A sampler in this process starts this program again, as its driver's child.
        DriverChild.serveIfAsked()
        guard CommandLine.arguments.count == 1 else {
            print("usage: bench")
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
        report.printTable()
        report.line(
            "\nMedians of \(runs). The simulated driver's own time is in both sides, so ratios of one run alone count.")
    }

    private static func measure(in place: Workplace, _ report: inout Report) throws {
        let cards = try HostDescription.read("Benchmarks/hosts/four-cards.json")
        try holding(cards, in: place, &report)
        try alone(cards, in: place, &report)
        report.line("Measuring what descriptors cost ...")
        try DescriptorCost(place: place).measure(&report, samples: runs)
        report.line("Measuring what a process costs ...")
        try ProcessCost(place: place, cards: cards).measure(&report, samples: runs)
    }

    /// Everything that is measured on a host whose memory is held.
    private static func holding(_ cards: HostDescription, in place: Workplace, _ report: inout Report) throws {
        let host = try SimulatedHost(cards, name: "host", in: place)
        defer { host.end() }
        host.select()
        let engine = try Engine()
        let holders = ContainerHolders(place, host)
        defer { holders.remove() }
        report.line(
            "Starting \(containers) containers of two processes each on \(cards.devices.count) simulated GPUs ...")
        try holders.start(containers, on: cards.devices.count)
        try waitUntilHeld(by: containers * 2, place, host)

        report.line("Measuring cold runs, with Docker ...")
        try ColdRuns(place: place, host: host, engine: engine)
            .measure(runs: runs, warmUp: 2, containers: containers, &report)
        report.line("Measuring the end of a run's children ...")
        report.limit(
            "the wait for the children's end", try WarmStream.endOfChildren(host, runs: runs), 0, "ms", atMost: 1)
        report.line("Measuring samples of a running stream, without Docker ...")
        let warm = WarmStream(host, seeing: containers * 2)
        let least = try warm.floor(samples: runs, in: place)
        let took = try WarmStream.medians(of: [warm], samples: runs)[0]
        report.compare("warm: a sample of a stream", took, least, "ms", atMost: 1.5)

        report.line("Measuring a command under run, beside them ...")
        try CommandCost(place: place).measureChildren(
            &report, "run: 1,000 short children, beside \(containers * 2) processes", samples: runs)
    }

    /// What `run` costs a command on GPUs that nobody else uses.
    private static func alone(_ cards: HostDescription, in place: Workplace, _ report: inout Report) throws {
        let host = try SimulatedHost(cards, name: "alone", in: place)
        defer { host.end() }
        host.select()
        report.line("Measuring commands under run ...")
        let commands = CommandCost(place: place)
        try commands.measure(&report, samples: runs)
        try commands.measureCheck(&report, samples: runs)
    }

    private static func waitUntilHeld(by processes: Int, _ place: Workplace, _ host: SimulatedHost) throws {
        for _ in 0..<300 {
            if try run(place.program("bench-floor"), [host.library]).contains(" \(processes) processes,") { return }
            usleep(100_000)
        }
        throw Failure("waited 30 s in vain for \(processes) processes that hold memory")
    }
}
