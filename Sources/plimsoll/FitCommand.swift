import ArgumentParser
import HostOptions
import Ledger
import Rendering

struct FitCommand: DocumentedCommand {
    static let configuration = CommandConfiguration(
        commandName: "fit",
        abstract: "Check whether a GPU has enough free memory now",
        discussion: """
            Prints the GPUs that have SIZE free, the one with the most first. For a GPU in MIG mode, prints its \
            instances. SIZE must be larger than your data: add 100 to 600 MiB for the CUDA context, and a reserve, because \
            allocators round up.

            Exit code 0 if SIZE fits, 1 if not.

            Fields for --format: \(RowKind.fit.fieldList).
            """)

    static let help = CommandHelp(
        synopsis: "[OPTIONS] SIZE", groups: [("Output", ["format"]), ("Filter", ["device"])],
        examples: [
            .init("Is there a GPU with 8 GiB free?", "plimsoll fit 8GiB"),
            .init(
                "Run on the GPU with the most free memory",
                "CUDA_VISIBLE_DEVICES=$(plimsoll fit 8GiB --format '{{.UUID}}' | head -1) python3 serve.py"),
        ])

    @OptionGroup(title: HelpScreen.commonTitle) var host: ReplayOptions
    @OptionGroup var placement: PlacementOptions

    mutating func run() throws {
        let format = try RowFormat(placement.format, for: .fit)
        placement.warn()
        let source = try host.makeSource()
        let snapshot = Snapshot(source.observe())
        source.finish()
        Output.troubles(of: snapshot)
        guard snapshot.outcome == .done else { snapshot.outcome.exit() }
        let verdict = placement.verdict(in: snapshot)
        if case .fits(let candidates) = verdict {
            try placement.show(candidates, in: snapshot, as: format, on: host.page)
        }
        if let why = verdict.text(of: placement.size.description, in: snapshot) { Output.error(why) }
        verdict.outcome.exit()
    }
}

/// How much memory `fit` and `wait` look for, and on which devices.
struct PlacementOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp("Amount of memory: 8GiB, 8G (the same), or 8GB (8,000,000,000 bytes).", valueName: "size"),
        transform: MemorySize.init)
    var size: MemorySize

    @Option(
        name: [.customLong("device"), .customLong("gpu")],
        help: ArgumentHelp(
            "Check only this GPU: index, MIG instance (7:0), VENDOR:INDEX (amd:0) if there are several vendors, or start of a UUID.",
            valueName: "gpu"))
    var device: String?

    @Option(help: ArgumentHelp(RowFormat.help, valueName: "format"))
    var format = "table"

    func validate() throws {
        guard device?.isEmpty != true else {
            throw ValidationError("--device needs a GPU's index or the start of its UUID.")
        }
    }

    /// Warns if the amount is so small that a unit was probably forgotten.
    func warn() {
        if let warning = size.warning { Output.error(warning) }
    }

    func verdict(in snapshot: Snapshot) -> FitVerdict { snapshot.fit(size.bytes, on: device) }

    func show(_ candidates: [PlacementCandidate], in snapshot: Snapshot, as format: RowFormat, on page: Page) throws {
        let rows = candidates.map { CandidateRows.row($0, in: snapshot) }
        Output.write(try format.lines(rows, on: page, table: CandidateRows.table(_:on:)))
    }
}

extension FitVerdict {
    var outcome: Outcome {
        switch self {
        case .fits: .done
        case .doesNotFit: .no
        case .unknown: .impossible
        }
    }
}
