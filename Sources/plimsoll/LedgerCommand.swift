import ArgumentParser
import Ledger
import Rendering

struct LedgerCommand: DocumentedCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger",
        abstract: "Show who holds each GPU's memory (default command)",
        discussion: """
            Prints a line and a bar per GPU, then a row per holder, largest first: containers, host processes, and memory that \
            no process accounts for. The rows add up to the GPU's total memory. With more than three GPUs, prints an overview \
            of all GPUs instead; to see their ledgers, use --detail or name GPUs.
            """)

    static let help = CommandHelp(
        synopsis: "[OPTIONS] [GPU...]",
        groups: [("Output", ["format", "detail", "no-trunc", "warn"]), ("Exit code", ["fail-above"])],
        examples: [
            .init("Show all GPUs", "plimsoll"),
            .init("Show GPU 0 and one MIG instance", "plimsoll ledger 0 7:1"),
            .init("Fail in a script if a GPU is more than 90% full", "plimsoll ledger --fail-above 90%"),
            .init("Print used bytes per GPU", "plimsoll --format json | jq '.devices[].memory.usedBytes'"),
        ])

    @OptionGroup(title: HelpScreen.commonTitle) var host: ReplayOptions

    @Argument(help: ArgumentHelp("Show only these GPUs: index, MIG instance, or start of a UUID.", valueName: "gpu"))
    var gpu: [String] = []

    @Option(help: ArgumentHelp("table or json.", valueName: "format"))
    var format = Format.table

    @Flag(help: "Show the ledger of each GPU, however many there are.")
    var detail = false

    @Flag(help: "Do not shorten ids and image names.")
    var noTrunc = false

    @Option(
        help: ArgumentHelp(
            "Position of the load line, a mark in the bar, in percent of the GPU's memory (default: 90%). For an exit code, use --fail-above.",
            valueName: "percent"), transform: Share.init)
    var warn = Share(percent: 90)

    @Option(
        help: ArgumentHelp("Exit with code 1 if more than this share of a GPU's memory is used.", valueName: "percent"),
        transform: Share.init)
    var failAbove: Share?

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }

    func validate() throws {
        guard gpu.isEmpty || format == .table else {
            throw ValidationError("--format json always has all GPUs; leave out the GPU names.")
        }
    }

    mutating func run() throws {
        let source = try host.makeSource()
        let observation = source.observe()
        let snapshot = Snapshot(observation)
        source.finish()
        let (named, unknown) = snapshot.devices(named: gpu)
        if !unknown.isEmpty, !snapshot.devices.isEmpty {
            throw Failure(outcome: .no, message: CandidateRows.noDevice(unknown[0], in: snapshot))
        }
        switch format {
        case .json: Output.write(snapshot.json.text(indented: true) + "\n")
        case .table:
            if !snapshot.devices.isEmpty { Output.write(lines(snapshot, named, observation.view)) }
        }
        Output.troubles(of: snapshot)
        if snapshot.outcome == .done, let failAbove { judge(snapshot, named, failAbove).exit() }
        snapshot.outcome.exit()
    }

    /// More GPUs than this are shown as an overview.
    private static let detailedGPUs = 3

    private func lines(_ snapshot: Snapshot, _ named: [Int], _ view: ProcessView) -> [String] {
        let page = host.page
        let screen: [String]
        if gpu.isEmpty, !detail, snapshot.devices.count > Self.detailedGPUs {
            screen = OverviewScreen(snapshot, warn: warn.part).lines(on: page)
        } else {
            screen = LedgerScreen(
                snapshot, devices: gpu.isEmpty ? nil : named, warn: warn.part, truncates: !noTrunc
            ).lines(on: page)
        }
        return screen + driverLines(of: snapshot, view, on: page)
    }

    /// A device whose memory is unknown is reported. It decides the exit code only if no device can be judged.
    ///
    /// - Parameter named: the devices to judge; all if empty.
    private func judge(_ snapshot: Snapshot, _ named: [Int], _ limit: Share) -> Outcome {
        let loads = snapshot.loads(above: limit.part).filter { named.isEmpty || named.contains($0.device) }
        for (deviceIndex, verdict) in loads {
            let device = snapshot.devices[deviceIndex]
            let gpu = "GPU \(device.label.cleaned)"
            switch verdict {
            case .below: continue
            case .unknown: Output.error("\(gpu): used memory is unknown, so cannot say whether it is above \(limit)")
            case .above:
                let share = percent(device.memory.used, of: device.memory.total)
                Output.error("\(gpu): \(share) of its memory is used, above \(limit)")
            }
        }
        if loads.contains(where: { $0.verdict == .above }) { return .no }
        return loads.contains { $0.verdict == .below } ? .done : .impossible
    }
}

/// A share of a device's memory, as "90%" or "90".
struct Share: CustomStringConvertible {
    var percent: Double

    init(percent: Double) {
        self.percent = percent
    }

    /// 0 to 1.
    var part: Double { percent / 100 }

    /// - Throws: `ValidationError`, which names the range.
    init(_ argument: String) throws {
        let digits = argument.hasSuffix("%") ? argument.dropLast() : argument[...]
        guard let number = Double(digits), number > 0, number <= 100 else {
            throw ValidationError("Use a share above 0% and up to 100%, such as 90%.")
        }
        percent = number
    }

    var description: String { percent.plain + "%" }
}
