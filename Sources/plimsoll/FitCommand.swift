import ArgumentParser
import Ledger
import Rendering

struct FitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fit",
        abstract: "Whether a device has that much memory free now: exit code 0, else 1.",
        discussion: """
            The devices that have it, the roomiest first; of one that is divided, its instances. What a program takes \
            beyond its data, a CUDA context of 100 to 600 MiB and what its allocator rounds up, is for you to add.

            Fields for --format: .GPU .UUID .Name .Free .Total, as in --format '{{.UUID}}'.
            """)

    @OptionGroup var host: HostOptions
    @OptionGroup var question: PlacementOptions

    mutating func run() throws {
        let format = try RowFormat(question.format, for: .fit)
        let source = try host.makeSource()
        let snapshot = Snapshot(source.observe())
        source.finish()
        Output.troubles(of: snapshot)
        guard snapshot.outcome == .done else { snapshot.outcome.exit() }
        let verdict = question.verdict(in: snapshot)
        if case .fits(let rooms) = verdict { try question.show(rooms, in: snapshot, as: format, on: host.page) }
        if let why = verdict.text(of: question.size.description, in: snapshot) { Output.error(why) }
        verdict.outcome.exit()
    }
}

/// What `fit` and `wait` ask of each snapshot.
struct PlacementOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp("An amount like 8GiB (of 1024), 12GB (of 1000), or a number of bytes.", valueName: "size"),
        transform: MemorySize.init)
    var size: MemorySize

    @Option(
        help: ArgumentHelp(
            "Only this one: its index (amd:0 among several vendors), or the beginning of its UUID.", valueName: "gpu"))
    var device: String?

    @Option(help: ArgumentHelp("table, json (an object a line) or a Go-style template.", valueName: "format"))
    var format = "table"

    func validate() throws {
        guard device?.isEmpty != true else {
            throw ValidationError("--device is a GPU's index, or the beginning of its UUID.")
        }
    }

    func verdict(in snapshot: Snapshot) -> FitVerdict { snapshot.fit(size.bytes, on: device) }

    func show(_ rooms: [PlacementCandidate], in snapshot: Snapshot, as format: RowFormat, on page: Page) throws {
        let rows = rooms.map { CandidateRows.row($0, in: snapshot) }
        Output.write(try format.lines(rows, on: page, table: { rows, _ in CandidateRows.table(rows) }))
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
