import ArgumentParser
import Glibc
import HostFS
import Probe
import Sampling

/// The program, by its own name.
struct Plimsoll: ParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "plimsoll",
        abstract: "Show which container uses how much GPU memory.",
        discussion: """
            Reads the GPU drivers, /proc, and the sockets of container engines on this host. Without a command, runs \
            'plimsoll ledger'.

            Exit codes: 0 success, or the answer is yes; 1 the answer is no, or a named GPU, container or PID does not exist; 2 failure; \
            64 wrong usage; 130 after Ctrl-C.
            """,
        version: version,
        subcommands: commands,
        defaultSubcommand: LedgerCommand.self)

    static let commands: [any DocumentedCommand.Type] = [
        LedgerCommand.self, StatsCommand.self, PsCommand.self, WhoseCommand.self, FitCommand.self, WaitCommand.self,
        CheckCommand.self, AllocCommand.self, RunCommand.self, CaptureCommand.self, MeasureCommand.self,
    ]

    static let examples: [CommandHelp.Example] = [
        .init("Who holds the memory of my GPUs?", "plimsoll"),
        .init("Which container does this PID belong to?", "plimsoll whose 4242"),
        .init("Does a model of 8 GiB fit?", "plimsoll fit 8GiB"),
    ]
}

@main
enum Main {
    static func main() {
        SystemPath.openStandardFiles()
        // A parent that ignores SIGCHLD makes the kernel reap our children too: their exit status would be lost.
        signal(SIGCHLD, SIG_DFL)
        DriverChild.serveIfAsked()
        LoaderChild.serveIfAsked()
        AllocationChild.serveIfAsked()
        FileChild.serveIfAsked()
        MeasureWorker.serveIfAsked()
        Signals.prepare()
        Signals.ignoreClosedPipes()
        let arguments = ProgramArguments.all
        if readsHost(arguments) { DriverChild.prefork() }
        let name = arguments.first.map { $0.pathNames.last.map(String.init) ?? $0 }
        if name == DockerPlugin.executable || arguments.dropFirst().first == DockerPlugin.metadataCommand {
            DockerPlugin.main(Array(arguments.dropFirst()))
        } else {
            run(Plimsoll.self, Array(arguments.dropFirst()))
        }
    }

    /// Whether a driver will probably be asked, judged before the arguments are parsed.
    private static func readsHost(_ arguments: [String]) -> Bool {
        let others: Set = [
            "--replay", "--help", "-h", "help", "--version", "--generate-completion-script", "__complete",
            "__completeNoDesc", DockerPlugin.metadataCommand,
            // It reads a GPU's power state before the driver is asked.
            "measure",
        ]
        return !arguments.dropFirst().contains { others.contains($0) || $0.hasPrefix("--replay=") }
    }

    static func run(_ root: (some ParsableCommand).Type, _ arguments: [String], program: String = "plimsoll") {
        let words = Arguments(arguments)
        let arguments = PIDList.joined(words.all)
        let command = words.command
        do {
            try words.refuseUnknownCommand()
            try words.refuseReplay()
            if words.isHelpCommand {
                Output.write(HelpScreen(command, program: program).lines(on: Screen.page(colourless: true)))
                Outcome.done.exit()
            }
            var parsed = try root.parseAsRoot(arguments)
            if !(parsed is RunCommand) { Signals.release() }
            try parsed.run()
        } catch let failure as Failure {
            let isUsage = failure.outcome == .usage
            Output.error(
                isUsage ? UsageMessage(program: program, command: command).text(failure.message) : failure.message)
            failure.outcome.exit()
        } catch {
            // ArgumentParser's own errors: a request for help or the version, or wrong usage.
            let page = Screen.page(colourless: true)
            // ArgumentParser lays out its own help too, and crashes if a column is narrower than its indent.
            setenv("COLUMNS", "80", 1)
            let code = root.exitCode(for: error).rawValue
            if code != 0 {
                let problem = UsageMessage.problem(error, of: root, arguments)
                Output.error(UsageMessage(program: program, command: command).text(problem))
            } else if words.asksForVersion {
                Output.write(Plimsoll.version + "\n")
            } else if arguments.contains("--generate-completion-script")
                || arguments.contains("--experimental-dump-help")
            {
                Output.write(root.fullMessage(for: error) + "\n")
            } else {
                Output.write(HelpScreen(command, program: program).lines(on: page))
            }
            Outcome(rawValue: code).exit()
        }
    }
}
