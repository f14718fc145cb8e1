import ArgumentParser
import Glibc
import HostOptions
import Ledger
import Probe
import Rendering
import Sampling

struct AllocCommand: DocumentedCommand {
    static let configuration = CommandConfiguration(
        commandName: "alloc",
        abstract: "Allocate GPU memory and show how much the driver uses for it",
        discussion: """
            SIZE is an amount (8GiB, 12GB, or a number of bytes) or the shape of a tensor (1000x1000). The driver also uses \
            memory for a CUDA context, once per process and GPU. plimsoll writes to the memory and frees it at the end.

            Exit code 0 if the memory was allocated, 1 if it does not fit.
            """)

    static let help = CommandHelp(
        synopsis: "[OPTIONS] SIZE",
        groups: [("Output", ["format"]), ("What to allocate", ["dtype", "max", "count", "device", "hold", "force"])],
        examples: [
            .init("How much memory does an allocation of 1 GiB use?", "plimsoll alloc 1GiB"),
            .init("A tensor of half-precision numbers", "plimsoll alloc 1000x1000 --dtype float16"),
            .init("Hold 8 GiB for a minute", "plimsoll alloc 8GiB --hold 1m"),
        ])

    @OptionGroup(title: HelpScreen.commonTitle) var host: CommonOptions

    @Argument(help: ArgumentHelp("Amount (8GiB, 8G, 12GB, 1048576) or tensor shape (1000x1000).", valueName: "size"))
    var size: String?

    @Option(
        help: ArgumentHelp(
            "Type of a tensor's elements, as PyTorch names it: \(elementTypes) (default: float32)", valueName: "type"),
        transform: elementType)
    var dtype: TensorSize.ElementType?

    @Flag(name: .customLong("max"), help: "Allocate the largest available block instead of SIZE.")
    var largest = false

    @Option(
        help: ArgumentHelp("Number of blocks of that size (default: 1)", valueName: "number"),
        transform: { try wholeNumber($0, in: 1...4096) })
    var count = 1

    @Option(
        name: [.customLong("device"), .customLong("gpu")],
        help: ArgumentHelp(
            "GPU to use: index, or start of a UUID (default: the GPU with the most free memory)", valueName: "gpu"))
    var device: String?

    @Option(
        help: ArgumentHelp(
            "Keep the memory for this time, such as 60s or 5m. Ctrl-C frees it earlier.", valueName: "duration"),
        transform: TimeSpan.init)
    var hold: TimeSpan?

    @Flag(help: "Allocate even if less than 5% of the GPU stays free for others.")
    var force = false

    @Option(help: ArgumentHelp("table or json.", valueName: "format"))
    var format = LedgerCommand.Format.table

    @Option(help: ArgumentHelp("Load this CUDA driver library (default: the system's libcuda.so.1)", valueName: "path"))
    var cudaLibrary: String?

    func validate() throws {
        // ArgumentParser takes a word that begins with a dash for an option, and drops it.
        if size == nil, let below = ProgramArguments.all.first(where: { $0.wholeMatch(of: /-[0-9].*/) != nil }) {
            throw ValidationError("'\(below)' is below 0; use an amount such as 8GiB, or a shape such as 1000x1000.")
        }
        guard largest != (size != nil) else { throw ValidationError("Give either SIZE or --max.") }
        guard !largest || count == 1 else { throw ValidationError("--max allocates one block; leave out --count.") }
        _ = try asked()
    }

    mutating func run() throws {
        let request = try asked()
        if size != nil, let warning = try sizeWarning() { Output.error(warning) }
        let source = try host.makeSource(warnsOfEngine: false)
        let before = Snapshot(source.observe())
        // Container names matter only if memory runs out, so troubles of engines are not reported yet.
        Output.troubles(of: before) { !$0.isEngine }
        guard before.outcome == .done else {
            source.finish()
            before.outcome.exit()
        }
        let allocation = try start()
        defer {
            allocation.end()
            source.finish()
        }
        var report = AllocationReport(try candidate(in: before, for: allocation), before, asked: request)
        try refuse(report)
        do throws(AllocationError) {
            try allocation.makeContext(on: report.uuid)
            let withContext = Snapshot(source.observe())
            reportNewTroubles(of: withContext, since: before)
            report.context = report.reading(withContext, of: allocation.pid)
        } catch {
            giveUp(error, report, allocation, source)
        }
        // Check again: what the context uses is known now.
        try refuse(report)
        do throws(AllocationError) {
            try allocate(request, allocation, &report)
        } catch {
            giveUp(error, report, allocation, source)
        }
        let withData = Snapshot(source.observe())
        source.finish()
        reportNewTroubles(of: withData, since: before)
        report.data = report.reading(withData, of: allocation.pid)
        Signals.waitForEnd()
        show(report)
        if let hold { wait(hold, allocation) }
        allocation.end()
        Outcome.done.exit()
    }

    private func start() throws -> Allocation {
        let timeout = try host.plan().deviceTimeout
        do throws(AllocationError) {
            return try Allocation(library: cudaLibrary, timeout: timeout)
        } catch {
            throw Failure.impossible(error)
        }
    }

    private func allocate(
        _ request: AllocationReport.Asked, _ allocation: Allocation, _ report: inout AllocationReport
    ) throws(AllocationError) {
        if largest {
            report.asked = AllocationReport.Asked(bytes: try allocation.allocateLargest(), words: "the largest block")
        } else {
            for _ in 0..<count { try allocation.allocate(request.bytes) }
        }
    }

    private func show(_ report: AllocationReport) {
        switch format {
        case .json: Output.write(report.json.text(indented: true) + "\n")
        case .table: Output.write(report.lines(on: host.page))
        }
    }

    private func wait(_ time: TimeSpan, _ allocation: Allocation) {
        do throws(AllocationError) {
            try wait(time.seconds, for: allocation)
        } catch {
            Signals.waitForEnd()
            Output.error("the memory is no longer held: \(error)")
            Outcome.impossible.exit()
        }
    }

    private func reportNewTroubles(of snapshot: Snapshot, since before: Snapshot) {
        Output.troubles(of: snapshot) { source in
            !source.isEngine && !before.sources.contains { $0.error == source.error }
        }
    }

    private func giveUp(
        _ error: AllocationError, _ report: AllocationReport, _ allocation: Allocation, _ source: HostSource
    ) -> Never {
        guard case .outOfMemory = error else {
            Signals.waitForEnd()
            source.finish()
            allocation.end()
            Output.error("\(error)")
            Outcome.impossible.exit()
        }
        let now = Snapshot(source.observe())
        source.finish()
        allocation.end()
        Output.error(report.outOfMemory(now, holding: allocation.pid))
        if report.lacksNames(now) {
            source.warnOfSkippedEngine()
            Output.troubles(of: now, where: \.isEngine)
        }
        Outcome.no.exit()
    }

    /// What SIZE asks for; with --max, 0 bytes until the largest block is known.
    private func asked() throws -> AllocationReport.Asked {
        guard let size else { return AllocationReport.Asked(bytes: 0, words: "the largest block") }
        let times = count > 1 ? "\(count) times " : ""
        if let tensor = TensorSize(size, dtype ?? .float32) {
            guard let bytes = tensor.bytes else { throw ValidationError("'\(size)' is more memory than any GPU has.") }
            guard bytes > 0 else { throw ValidationError("A dimension of '\(size)' is 0; use numbers above 0.") }
            return AllocationReport.Asked(
                bytes: bytes, count: count, words: "\(times)a tensor of \(size) \(tensor.type.rawValue)")
        }
        guard dtype == nil else {
            throw ValidationError("--dtype needs a shape such as 1000x1000; '\(size)' is an amount of memory.")
        }
        if size.contains(where: { "xX".contains($0) }) {
            throw ValidationError(
                "'\(size)' is not a shape; use whole numbers with x between them, such as 1000x1000.")
        }
        let amount: MemorySize
        do { amount = try MemorySize(size) } catch {
            throw ValidationError("The value '\(size)' is invalid for '<size>': \(error)")
        }
        return AllocationReport.Asked(bytes: amount.bytes, count: count, words: times + size)
    }

    /// The GPU to use: of those that the user allows and CUDA shows, the one with the most free memory.
    private func candidate(in snapshot: Snapshot, for allocation: Allocation) throws -> PlacementCandidate {
        let candidates = snapshot.candidates(on: device)
        guard !candidates.isEmpty else {
            throw Failure(outcome: .no, message: CandidateRows.nowhere(device, in: snapshot))
        }
        let shown: [PlacementCandidate]
        do {
            shown = try candidates.filter { try allocation.shows(snapshot.devices[$0.device].reference) }
        } catch {
            Signals.waitForEnd()
            throw Failure.impossible("\(error)")
        }
        guard let best = shown.min(by: { $0.precedes($1) }) else {
            let names = candidates.map { "GPU \(snapshot.devices[$0.device].label)" }.joined(separator: ", ")
            let chosen = variable("CUDA_VISIBLE_DEVICES").map { "; CUDA_VISIBLE_DEVICES is '\($0)'" } ?? ""
            throw Failure(outcome: .no, message: "CUDA does not show \(names) here\(chosen)")
        }
        return best
    }

    private func sizeWarning() throws -> String? {
        guard let size, TensorSize(size, .float32) == nil else { return nil }
        return try MemorySize(size).warning
    }

    private func refuse(_ report: AllocationReport) throws {
        guard !force, let why = report.refusal(largest: largest) else { return }
        throw Failure(outcome: .no, message: report.text(why))
    }

    private func wait(_ time: Double, for allocation: Allocation) throws(AllocationError) {
        let end = ContinuousClock.now.advanced(by: .seconds(time))
        var progress = Progress()
        while case let left = (end - ContinuousClock.now) / .seconds(1), left > 0 {
            let message = "holding the memory for \(left.rounded(.up).plain) s more; press Ctrl-C to free it"
            progress.show(message, inLog: message, after: time - left)
            try allocation.hold(seconds: min(left, 1))
        }
        progress.end()
    }
}

private let elementTypes = TensorSize.ElementType.allCases.map(\.rawValue).joined(separator: ", ")

private func elementType(_ name: String) throws -> TensorSize.ElementType {
    guard let type = TensorSize.ElementType(rawValue: name) else {
        let known = TensorSize.ElementType.allCases.map(\.rawValue)
        throw ValidationError("Unknown type '\(name)'\(didYouMean(name, among: known)); use \(elementTypes).")
    }
    return type
}
