import ArgumentParser
import Ledger
import Rendering

struct PsCommand: DocumentedCommand {
    static let configuration = CommandConfiguration(
        commandName: "ps",
        abstract: "List processes that hold GPU memory, with their containers",
        discussion: """
            Types are C (compute), G (graphics) and M (MPS client); C+G is both.

            Fields for --format: \(RowKind.ps.fieldList); with --command also .Command. \(RowKind.containerFields)
            """)

    static let help = CommandHelp(
        synopsis: "[OPTIONS] [CONTAINER...]",
        groups: [("Output", ["format", "quiet", "no-trunc", "command"]), ("Filter", ["filter"])],
        examples: [
            .init("Processes of one container", "plimsoll ps trainer"),
            .init("Processes on GPU 0", "plimsoll ps --filter gpu=0"),
            .init("PIDs only", "plimsoll ps -q"),
            .init("Choose columns", "plimsoll ps --format 'table {{.PID}}\\t{{.Container}}\\t{{.GPUMem}}'"),
        ])

    @OptionGroup(title: HelpScreen.commonTitle) var host: ReplayOptions

    @Argument(help: "Show only processes of these containers: name, or start of an id.")
    var container: [String] = []

    @Option(help: ArgumentHelp(RowFormat.help, valueName: "format"))
    var format = "table"

    @Flag(name: .shortAndLong, help: "Print only PIDs.")
    var quiet = false

    @Flag(help: "Do not shorten ids and image names.")
    var noTrunc = false

    @Flag(help: "Also show command lines. They can hold passwords; no other command shows or records them.")
    var command = false

    private static let filterKeys: [RowFilter.Key] = [.id, .name, .image, .runtime, .gpu, .user]

    @Option(help: ArgumentHelp(RowFilter.help(Self.filterKeys), valueName: "key=value"))
    var filter: [String] = []

    mutating func run() throws {
        if quiet, format != "table" { throw Failure.usage("--quiet prints only PIDs: remove it or --format") }
        let format = try RowFormat(format, for: command ? .psWithCommands : .ps)
        let filter = try RowFilter.parsed(filter, keys: Self.filterKeys)
        let source = try host.makeSource()
        let observation = source.observe()
        let snapshot = Snapshot(observation)
        let missing = snapshot.unmatched(container)
        if !snapshot.devices.isEmpty, missing.isEmpty {
            let rows = ProcessRows.rows(
                snapshot, named: container, truncates: !noTrunc,
                commands: command ? commandLines(source, observation) : nil
            ).filter(filter.keeps)
            try show(rows, as: format)
            if rows.isEmpty, !container.isEmpty || !filter.isEmpty {
                Output.error("no process that holds GPU memory matches")
            }
        }
        Output.troubles(of: snapshot)
        if snapshot.outcome == .done, !missing.isEmpty { MissingContainer.report(missing, in: snapshot).exit() }
        snapshot.outcome.exit()
    }

    private func show(_ rows: [Row], as format: RowFormat) throws {
        if quiet {
            var known: Set<String> = []
            Output.write(rows.compactMap { $0["PID"]?.text }.filter { known.insert($0).inserted })
        } else {
            let shows = command
            Output.write(
                try format.lines(rows, on: host.page) { rows, page in
                    ProcessRows.table(rows, on: page, commands: shows)
                })
        }
    }

    /// Command lines by PID; empty for a recording, which holds none.
    private func commandLines(_ source: HostSource, _ observation: Observation) -> [UInt32: String] {
        guard case .host(let sampler) = source else {
            Output.error("recordings hold no command lines: they are unknown here")
            return [:]
        }
        return sampler.commandLines(of: observation.processes)
    }
}
