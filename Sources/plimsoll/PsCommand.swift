import ArgumentParser
import Ledger
import Rendering

struct PsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ps",
        abstract: "The processes that hold GPU memory, each with its container.",
        discussion: """
            Fields for --format: .PID .User .Type .GPU .UUID .GPUMem .ContainerID .Container .Name .LikelyID .Verified; with --command also \
            .Command. Types are C compute, G graphics, M a client of MPS.
            """)

    @OptionGroup var host: HostOptions

    @Option(help: ArgumentHelp("table, json (an object a line) or a Go-style template.", valueName: "format"))
    var format = "table"

    @Flag(help: "Ids in full.")
    var noTrunc = false

    @Flag(help: "Command lines too. They can hold passwords: nothing else shows or records them.")
    var command = false

    mutating func run() throws {
        var kind = RowKind.ps
        if command { kind.titles.append(("Command", "COMMAND")) }
        let format = try RowFormat(format, for: kind)
        let source = try host.makeSource()
        let observation = source.observe()
        let snapshot = Snapshot(observation)
        if !snapshot.devices.isEmpty {
            let rows = ProcessRows.rows(
                snapshot, truncates: !noTrunc, commands: command ? commandLines(source, observation) : nil)
            let shows = command
            Output.write(
                try format.lines(rows, on: host.page) { rows, _ in ProcessRows.table(rows, commands: shows) })
        }
        Output.troubles(of: snapshot)
        snapshot.outcome.exit()
    }

    /// By PID; a recording holds none.
    private func commandLines(_ source: HostSource, _ observation: Observation) -> [UInt32: String] {
        guard case .host(let sampler) = source else { return [:] }
        return sampler.commandLines(of: observation.processes)
    }
}
