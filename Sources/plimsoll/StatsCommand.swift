import ArgumentParser
import Glibc
import Ledger
import Rendering

struct StatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Like docker stats, for GPU memory: a row per container and device, each second.",
        discussion: """
            Fields for --format: .ID .Name .Image .Runtime .GPU .UUID .GPUMem .GPUTotal .GPUPerc .PIDs .RAMLimit .LikelyID .Verified and \
            .Label "key", as in --format 'table {{.Name}}\\t{{.GPUMem}}'.
            """)

    @OptionGroup var host: HostOptions

    @Argument(help: "Only these containers, by name or by the beginning of their id.")
    var container: [String] = []

    @Option(help: ArgumentHelp("table, json (an object a line) or a Go-style template.", valueName: "format"))
    var format = "table"

    @Flag(name: .shortAndLong, help: "Running containers that hold no GPU memory too.")
    var all = false

    @Flag(help: "One reading, and no more.")
    var noStream = false

    @Flag(help: "Ids in full.")
    var noTrunc = false

    @Option(help: ArgumentHelp("Time from reading to reading.", valueName: "seconds"))
    var interval = 1.0

    func validate() throws {
        guard interval >= 0.1, interval <= 86400 else {
            throw ValidationError("--interval is a number of seconds from 0.1 up to 86400.")
        }
    }

    mutating func run() throws {
        let format = try RowFormat(format, for: .stats)
        let source = try host.makeSource()
        var stream = Stream(redraws: isRedrawn(format))
        while true {
            let snapshot = Snapshot(source.observe())
            let view = StatsRows(snapshot, truncates: !noTrunc)
            let missing = view.unmatched(container)
            if !stream.isRunning, snapshot.outcome != .done || !missing.isEmpty {
                Output.troubles(of: snapshot)
                // A name that an engine did not tell is not a name that nobody has.
                let knowsNames = !snapshot.sources.contains { !$0.ok && $0.isEngine }
                for name in missing {
                    Output.error(
                        knowsNames
                            ? "no running container has the name or id \(name.cleaned)"
                            : "whether a container has the name or id \(name.cleaned) cannot be told")
                }
                (snapshot.outcome == .done ? (knowsNames ? .no : .impossible) : snapshot.outcome).exit()
            }
            let rows = view.rows(named: container, idle: all)
            let page = host.page
            let lines = try format.lines(
                rows, on: page, notes: StatsFooter(snapshot, named: container).lines,
                table: StatsRows.table(_:on:))
            stream.show(lines, on: page, snapshot)
            // A recording is of one moment.
            if noStream || host.replay != nil { Outcome.done.exit() }
            stream.sleep(interval)
        }
    }

    /// A table on a terminal is drawn in place; everything else is appended to.
    private func isRedrawn(_ format: RowFormat) -> Bool {
        guard Screen.isTerminal, !noStream, host.replay == nil else { return false }
        return switch format {
        case .table: true
        case .template(let template): template.isTable
        case .json: false
        }
    }
}

/// Frames on standard output, one after the other or each over the last.
private struct Stream {
    let redraws: Bool
    private(set) var isRunning = false
    private var toldErrors: [String] = []
    private var next = ContinuousClock.now
    private var width: Int?

    init(redraws: Bool) {
        self.redraws = redraws
    }

    mutating func show(_ lines: [String], on page: Page, _ snapshot: Snapshot) {
        let errors = snapshot.sources.compactMap(\.sentence)
        if redraws {
            // Home, each line to its end, and what was below: one write, so that nothing flickers. A terminal that was made
            // narrower or wider has moved what was on it, so that is wiped.
            let isSame = isRunning && width == page.width
            width = page.width
            let start = isSame ? "\u{1B}[H" : "\u{1B}[2J\u{1B}[H"
            let kept = fitting(lines, beside: Output.troubleMessages(of: snapshot))
            Output.write(start + kept.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J")
        } else {
            Output.write(lines)
        }
        // Under a table that is drawn anew they were wiped away.
        if errors != toldErrors || (redraws && Screen.errorsAreShown) { Output.troubles(of: snapshot) }
        toldErrors = errors
        isRunning = true
    }

    /// More lines than the terminal has would make it scroll; what is told of sources stands below them.
    private func fitting(_ lines: [String], beside messages: [String]) -> [String] {
        guard let size = Screen.size else { return lines }
        let below = Screen.errorsAreShown ? messages.flatMap { Output.lines(of: $0) }.count : 0
        let rows = size.rows - below
        guard rows > 2, lines.count >= rows else { return lines }
        let shown = lines.prefix(rows - 2)
        return shown + ["and \(lines.count - shown.count) more lines"]
    }

    /// Until the next frame is due. A reader that goes away meanwhile ends the program, though there is nothing to write.
    mutating func sleep(_ seconds: Double) {
        next = max(next.advanced(by: .seconds(seconds)), ContinuousClock.now)
        while true {
            let left = (next - ContinuousClock.now) / .milliseconds(1)
            if left <= 0 { return }
            // No event is asked for: an error and a hang-up are told in any case.
            var output = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
            if poll(&output, 1, Int32(min(left, 60_000).rounded(.up))) > 0 { Outcome.done.exit() }
        }
    }
}
