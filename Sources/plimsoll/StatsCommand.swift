import ArgumentParser
import Glibc
import HostOptions
import Ledger
import Rendering

struct StatsCommand: DocumentedCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Show GPU memory of containers, live",
        discussion: """
            Prints a row per container and GPU, and updates it every second, as docker stats does.

            Fields for --format: \(RowKind.stats.fieldList). \(RowKind.containerFields)
            """)

    static let help = CommandHelp(
        synopsis: "[OPTIONS] [CONTAINER...]",
        groups: [
            ("Output", ["format", "by", "interval", "no-stream", "no-trunc"]), ("Filter", ["all", "filter"]),
        ],
        examples: [
            .init("Print one reading", "plimsoll stats --no-stream"),
            .init("One row per container, over all GPUs, with a total", "plimsoll stats --by container -a"),
            .init("Containers of one Compose project", "plimsoll stats --filter label=com.docker.compose.project=ai"),
            .init("Choose columns", "plimsoll stats --format 'table {{.Name}}\\t{{.GPUMem}}\\t{{.GPUUtil}}'"),
        ])

    @OptionGroup(title: HelpScreen.commonTitle) var host: ReplayOptions

    @Argument(help: "Show only these containers: name, or start of an id.")
    var container: [String] = []

    @Option(help: ArgumentHelp(RowFormat.help, valueName: "format"))
    var format = "table"

    @Flag(name: .shortAndLong, help: "Also show running containers without GPU memory, and a total.")
    var all = false

    @Option(
        help: ArgumentHelp(
            "device (one row per container and GPU) or container (one row over all its GPUs).", valueName: "row"))
    var by = Grouping.device

    enum Grouping: String, ExpressibleByArgument, CaseIterable {
        case device, container
    }

    private static let filterKeys: [RowFilter.Key] = [.id, .name, .image, .label, .runtime, .gpu]

    @Option(help: ArgumentHelp(RowFilter.help(Self.filterKeys), valueName: "key=value"))
    var filter: [String] = []

    @Flag(help: "Print one reading and exit.")
    var noStream = false

    @Flag(help: "Do not shorten ids and image names.")
    var noTrunc = false

    @Option(
        help: ArgumentHelp("Time between readings, such as 500ms or 5s (default: 1s)", valueName: "duration"),
        transform: TimeSpan.init)
    var interval = TimeSpan(seconds: 1)

    func validate() throws {
        try interval.check("--interval", from: 0.1, to: 86_400, "from 100ms to 1d")
    }

    mutating func run() throws {
        let format = try RowFormat(format, for: .stats)
        let filter = try RowFilter.parsed(filter, keys: Self.filterKeys)
        let source = try host.makeSource()
        var stream = Stream(redraws: isRedrawn(format))
        while true {
            let snapshot = Snapshot(source.observe())
            let view = StatsRows(snapshot, truncates: !noTrunc)
            if !stream.isRunning { exitIfNothingToShow(snapshot) }
            let page = host.page
            let lines = try format.lines(
                rows(view, filter, format), on: page,
                notes: filter.isEmpty ? StatsFooter(snapshot, named: container).lines : [],
                table: StatsRows.table(_:on:))
            stream.show(lines, on: page, snapshot)
            // A recording holds one moment.
            if noStream || host.replay != nil { Outcome.done.exit() }
            stream.sleep(interval.seconds)
        }
    }

    private func rows(_ view: StatsRows, _ filter: RowFilter, _ format: RowFormat) -> [Row] {
        let rows =
            by == .container
            ? view.rowsByContainer(named: container, idle: all) : view.rows(named: container, idle: all)
        let kept = rows.filter(filter.keeps)
        // A script that reads a list of containers should find no other row in it.
        let isTable = if case .table = format { true } else { false }
        return kept + (isTable && all && filter.isEmpty && container.isEmpty ? [view.totalRow] : [])
    }

    /// Exits if no GPU answers, or if no running container has a given name.
    private func exitIfNothingToShow(_ snapshot: Snapshot) {
        let missing = snapshot.unmatched(container)
        if snapshot.outcome == .done, missing.isEmpty { return }
        Output.troubles(of: snapshot)
        let outcome = MissingContainer.report(missing, in: snapshot)
        (snapshot.outcome == .done ? outcome : snapshot.outcome).exit()
    }

    /// A table on a terminal is redrawn in place. All other output is appended.
    private func isRedrawn(_ format: RowFormat) -> Bool {
        guard Screen.isTerminal, !noStream, host.replay == nil else { return false }
        return switch format {
        case .table: true
        case .template(let template): template.isTable
        case .json, .csv: false
        }
    }
}

/// Readings on standard output: one after the other, or each drawn over the previous one.
private struct Stream {
    let redraws: Bool
    private(set) var isRunning = false
    private var reportedErrors: [String] = []
    private var next = ContinuousClock.now
    private var width: Int?

    init(redraws: Bool) {
        self.redraws = redraws
    }

    mutating func show(_ lines: [String], on page: Page, _ snapshot: Snapshot) {
        let errors = snapshot.sources.compactMap(\.sentence)
        if redraws {
            // One write, so that nothing flickers: cursor home, each line cleared to its end, then the rest of the screen.
            // If the terminal's width changed, clear the screen first.
            let isSame = isRunning && width == page.width
            width = page.width
            let start = isSame ? "\u{1B}[H" : "\u{1B}[2J\u{1B}[H"
            let kept = fitting(lines, beside: Output.troubleMessages(of: snapshot))
            Output.write(start + kept.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J")
        } else {
            Output.write(lines)
        }
        // Redrawing the table erased messages below it.
        if errors != reportedErrors || (redraws && Screen.errorsAreShown) { Output.troubles(of: snapshot) }
        reportedErrors = errors
        isRunning = true
    }

    /// Cuts lines that would make the terminal scroll. Messages about sources are printed below them.
    private func fitting(_ lines: [String], beside messages: [String]) -> [String] {
        guard let size = Screen.size else { return lines }
        let below = Screen.errorsAreShown ? messages.flatMap { Output.lines(of: $0) }.count : 0
        let rows = size.rows - below
        guard rows > 2, lines.count >= rows else { return lines }
        let shown = lines.prefix(rows - 2)
        return shown + ["and \(lines.count - shown.count) more lines"]
    }

    /// Sleeps until the next reading is due. Ends the program if the reader of standard output goes away.
    mutating func sleep(_ seconds: Double) {
        next = max(next.advanced(by: .seconds(seconds)), ContinuousClock.now)
        while true {
            let left = (next - ContinuousClock.now) / .milliseconds(1)
            if left <= 0 { return }
            // poll(2) reports an error or a hang-up even if no event is requested.
            var output = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
            if poll(&output, 1, Int32(min(left, 60_000).rounded(.up))) > 0 { Outcome.done.exit() }
        }
    }
}
