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
        abstract: "The load line for GPU memory: how much each container holds.",
        discussion: """
            Without a command it is `plimsoll ledger`. Everything is read from this machine: the GPU's driver, /proc, and \
            the container engine's socket.

            Exit codes: 0 done; 1 done, and the answer is no; 2 could not be done; 64 wrong usage; 130 at Ctrl-C.
            """,
        version: version,
        subcommands: [
            LedgerCommand.self, StatsCommand.self, PsCommand.self, WhoseCommand.self, FitCommand.self,
            WaitCommand.self, CheckCommand.self, AllocCommand.self, RunCommand.self, CaptureCommand.self,
            MeasureCommand.self,
        ],
        defaultSubcommand: LedgerCommand.self)
}

@main
enum Main {
    static func main() {
        SystemPath.openStandardFiles()
        // Who started us may have had the kernel reap children, and then nobody learns how one ended.
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

    /// Whether a driver will be asked, as far as that can be told before the arguments are understood.
    private static func readsHost(_ arguments: [String]) -> Bool {
        let others: Set = [
            "--replay", "--help", "-h", "help", "--version", "--generate-completion-script", "__complete",
            "__completeNoDesc", DockerPlugin.metadataCommand,
            // It has to look at a GPU's power state before anybody asks the driver.
            "measure",
        ]
        return !arguments.dropFirst().contains { others.contains($0) || $0.hasPrefix("--replay=") }
    }

    static func run(_ root: (some ParsableCommand).Type, _ arguments: [String]) {
        let arguments = PIDList.joined(arguments)
        do {
            try refuseUnknownCommand(in: arguments.drop { $0 == "gpu" })
            var command = try root.parseAsRoot(arguments)
            if !(command is RunCommand) { Signals.release() }
            try command.run()
        } catch let failure as Failure {
            Output.error(failure.message)
            failure.outcome.exit()
        } catch {
            // Help and wrong usage: ArgumentParser knows which stream and which code.
            let code = root.exitCode(for: error).rawValue
            if code == 0 {
                Output.write(root.fullMessage(for: error) + "\n")
            } else {
                Output.error(UsageMessage.text(for: error, of: root, arguments), prefixed: false)
            }
            Outcome(rawValue: code).exit()
        }
    }

    /// A word that is no command would otherwise be a stray argument of the default one, and be called that.
    private static func refuseUnknownCommand(in arguments: some Sequence<String>) throws {
        let commands = Plimsoll.configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        guard let first = arguments.first(where: { _ in true }), !first.hasPrefix("-"), !commands.contains(first) else {
            return
        }
        throw Failure.usage("there is no command '\(first)'; there are \(commands.joined(separator: ", "))")
    }
}
