import ArgumentParser
import Glibc
import Ledger
import Probe
import Rendering
import Sampling

struct AllocCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alloc",
        abstract: "Allocate on a GPU, tell what the driver charged for it, and free it.",
        discussion: """
            SIZE is an amount (8GiB, 12GB, a number of bytes) or the shape of a tensor, as in plimsoll alloc 1000x1000 \
            --dtype float16. A context comes on top, once per process and device. The memory is written to. Exit code 1 if \
            it cannot be allocated.
            """)

    @OptionGroup var host: HostOptions

    @Argument(help: ArgumentHelp("8GiB, 12GB, 1048576, or 1000x1000.", valueName: "size"))
    var size: String?

    @Option(
        help: ArgumentHelp(
            "Of a tensor's elements, as PyTorch names them: \(elementTypes); float32 by default.", valueName: "type"),
        transform: elementType)
    var dtype: TensorSize.ElementType?

    @Flag(name: .customLong("max"), help: "Allocate the largest available block instead of SIZE.")
    var largest = false

    @Option(help: ArgumentHelp("Number of blocks of that size.", valueName: "number"))
    var count = 1

    @Option(
        help: ArgumentHelp(
            "Its index, or the beginning of its UUID. Default: the GPU with the most free memory.", valueName: "gpu"))
    var device: String?

    @Option(
        help: ArgumentHelp("Hold the memory for this time, such as 60s or 5m, or until Ctrl-C.", valueName: "time"),
        transform: TimeSpan.init)
    var hold: TimeSpan?

    @Flag(help: "Allocate even if it leaves less than 5% of the device free for others.")
    var force = false

    @Option(help: ArgumentHelp("table or json.", valueName: "format"))
    var format = LedgerCommand.Format.table

    @Option(help: ArgumentHelp("CUDA's driver library, the system's libcuda.so.1 by default.", valueName: "path"))
    var cudaLibrary: String?

    func validate() throws {
        guard host.replay == nil else {
            throw ValidationError("alloc allocates here; a recording has no memory to give.")
        }
        guard (1...4096).contains(count) else { throw ValidationError("--count is a number from 1 to 4096.") }
        // What begins with a dash is taken for an option, and dropped.
        if size == nil, let below = ProgramArguments.all.first(where: { $0.wholeMatch(of: /-[0-9].*/) != nil }) {
            throw ValidationError("'\(below)' is below 0. An amount is like 8GiB, a shape like 1000x1000.")
        }
        guard largest != (size != nil) else { throw ValidationError("Either SIZE or --max.") }
        guard !largest || count == 1 else { throw ValidationError("--max is one block: --count does not go with it.") }
        _ = try asked()
    }

    mutating func run() throws {
        let request = try asked()
        let source = try host.makeSource(needsNames: false)
        let before = Snapshot(source.observe())
        // Engines know the names of others, which nobody asks for where there is room.
        Output.troubles(of: before) { !$0.isEngine }
        guard before.outcome == .done else {
            source.finish()
            before.outcome.exit()
        }
        let timeout = try host.plan().deviceTimeout
        let allocation: Allocation
        do throws(AllocationError) {
            allocation = try Allocation(library: cudaLibrary, timeout: timeout)
        } catch {
            throw Failure.impossible(error)
        }
        defer {
            allocation.end()
            source.finish()
        }
        var report = AllocationReport(try room(in: before, for: allocation), before, asked: request)
        try refuse(report)
        do throws(AllocationError) {
            try allocation.makeContext(on: report.uuid)
            let withContext = Snapshot(source.observe())
            tellNewTroubles(of: withContext, since: before)
            report.context = report.reading(withContext, of: allocation.pid)
        } catch {
            giveUp(error, report, allocation, source)
        }
        // What the context took is known now.
        try refuse(report)
        do throws(AllocationError) {
            if largest {
                report.asked = AllocationReport.Asked(
                    bytes: try allocation.allocateLargest(), words: "the largest block")
            } else {
                for _ in 0..<count { try allocation.allocate(request.bytes) }
            }
        } catch {
            giveUp(error, report, allocation, source)
        }
        let withData = Snapshot(source.observe())
        source.finish()
        tellNewTroubles(of: withData, since: before)
        report.data = report.reading(withData, of: allocation.pid)
        Signals.waitForEnd()
        switch format {
        case .json: Output.write(report.json.text(indented: true) + "\n")
        case .table: Output.write(report.lines(on: host.page))
        }
        if let hold {
            do throws(AllocationError) {
                try wait(hold.seconds, for: allocation)
            } catch {
                Signals.waitForEnd()
                Output.error("it is not held any more: \(error)")
                Outcome.impossible.exit()
            }
        }
        allocation.end()
        Outcome.done.exit()
    }

    private func tellNewTroubles(of snapshot: Snapshot, since before: Snapshot) {
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

    /// What SIZE says; with --max nothing yet, because that is measured.
    private func asked() throws -> AllocationReport.Asked {
        guard let size else { return AllocationReport.Asked(bytes: 0, words: "the largest block") }
        let times = count > 1 ? "\(count) times " : ""
        if let tensor = TensorSize(size, dtype ?? .float32) {
            guard let bytes = tensor.bytes else { throw ValidationError("'\(size)' is more than any device has.") }
            guard bytes > 0 else { throw ValidationError("'\(size)' has no elements.") }
            return AllocationReport.Asked(
                bytes: bytes, count: count, words: "\(times)a tensor of \(size) \(tensor.type.rawValue)")
        }
        guard dtype == nil else {
            throw ValidationError("--dtype goes with a shape like 1000x1000, not with '\(size)'.")
        }
        if size.contains(where: { "xX".contains($0) }) {
            throw ValidationError(
                "'\(size)' is no shape: whole numbers with x between them are meant, as in 1000x1000.")
        }
        let amount = try MemorySize(size)
        return AllocationReport.Asked(bytes: amount.bytes, count: count, words: times + size)
    }

    /// The roomiest of those that are meant.
    private func room(in snapshot: Snapshot, for allocation: Allocation) throws -> PlacementCandidate {
        let rooms = snapshot.candidates(on: device)
        guard !rooms.isEmpty else {
            throw Failure(outcome: .no, message: CandidateRows.nowhere(device, in: snapshot))
        }
        let shown: [PlacementCandidate]
        do {
            shown = try rooms.filter { try allocation.shows(snapshot.devices[$0.device].reference) }
        } catch {
            Signals.waitForEnd()
            throw Failure.impossible("\(error)")
        }
        guard let roomiest = shown.max(by: { ($0.free ?? -1, $1.device) < ($1.free ?? -1, $0.device) }) else {
            let names = rooms.map { "GPU \(snapshot.devices[$0.device].label)" }.joined(separator: ", ")
            let chosen = variable("CUDA_VISIBLE_DEVICES").map { ", where CUDA_VISIBLE_DEVICES is '\($0)'" } ?? ""
            throw Failure(outcome: .no, message: "CUDA does not show \(names) here\(chosen)")
        }
        return roomiest
    }

    private func refuse(_ report: AllocationReport) throws {
        guard !force, let why = report.refusal(largest: largest) else { return }
        throw Failure(outcome: .no, message: report.text(why))
    }

    private func wait(_ time: Double, for allocation: Allocation) throws(AllocationError) {
        let end = ContinuousClock.now.advanced(by: .seconds(time))
        var progress = Progress()
        while case let left = (end - ContinuousClock.now) / .seconds(1), left > 0 {
            let message = "holding it for \(left.rounded(.up).plain) s more; Ctrl-C frees it"
            progress.show(message, inLog: message, after: time - left)
            try allocation.hold(seconds: min(left, 1))
        }
        progress.end()
    }
}

private let elementTypes = TensorSize.ElementType.allCases.map(\.rawValue).joined(separator: ", ")

private func elementType(_ name: String) throws -> TensorSize.ElementType {
    guard let type = TensorSize.ElementType(rawValue: name) else {
        throw ValidationError("There is no type '\(name)'; there are \(elementTypes).")
    }
    return type
}
