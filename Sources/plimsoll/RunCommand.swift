import ArgumentParser
import Glibc
import HostFS
import Ledger
import Probe
import Rendering
import Sampling

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command, or watch a container, and report the GPU memory.",
        discussion: """
            plimsoll run -- python3 train.py

            plimsoll run -- docker run --rm --name trainer --gpus all trainer:2

            plimsoll run --container trainer

            The command has this terminal and these files, and is passed every signal; its output stays as it is, and what \
            was measured is told behind it on standard error. Exit code: the command's own, 128 and the number of the signal \
            that ended it, 127 where there is no such command, 126 where it cannot be executed, 125 where plimsoll itself \
            failed.

            Its memory is that of its descendants, also of those that outlive their parent; in a container that of every \
            process of the container.

            If the command is a client of a container engine (docker, podman or nerdctl with run, start, exec or compose; also \
            behind sudo or env), the container that the engine starts for it counts too. If other containers begin at the \
            same time, give yours a name with --name. If the command is systemd-run, the service that systemd starts for it \
            counts.

            With --container no command is run. The container is watched until it ends, or until Ctrl-C. Exit code: 0 if the \
            container ended, 130 at Ctrl-C, 125 if there is no such container or nothing can be read.

            Peaks are those of readings. Where the driver's accounting mode is on (nvidia-smi --accounting-mode=1, as root), \
            its records are taken, which know what comes and goes between two readings.
            """)

    @OptionGroup var host: HostOptions

    @Option(
        help: ArgumentHelp("From one reading to the next: 10ms to 1h, 100ms by default.", valueName: "time"),
        transform: TimeSpan.init)
    var interval = TimeSpan(seconds: 0.1)

    @Option(
        help: ArgumentHelp(
            "Write what was measured to FILE.json, or a chart of it to FILE.svg; may be repeated.", valueName: "file"))
    var report: [String] = []

    @Flag(name: .shortAndLong, help: "Tell nothing at the end.")
    var quiet = false

    @Option(
        help: ArgumentHelp(
            "Watch a running container until it ends: its name, or the beginning of its id.", valueName: "container"))
    var container: String?

    @Argument(
        parsing: .captureForPassthrough, help: ArgumentHelp("The command and its arguments.", valueName: "command"))
    var words: [String] = []

    private var command: [String] { words.first == "--" ? Array(words.dropFirst()) : words }

    func validate() throws {
        // What is captured for a command is captured before help is looked for.
        if let first = words.first, ["--help", "-h"].contains(first) { throw CleanExit.helpRequest(self) }
        if words.first == "--version" { throw CleanExit.message(Plimsoll.version) }
        guard host.replay == nil else { throw ValidationError("run measures a command, not a recording.") }
        if let container {
            guard words.isEmpty else {
                throw ValidationError("--container watches a container, and runs no command. Leave out one of the two.")
            }
            guard !container.isEmpty else { throw ValidationError("--container needs a name or an id.") }
        }
        guard container != nil || !command.isEmpty && command[0] != "" else {
            throw ValidationError("There is no command to run.")
        }
        if words.first != "--", let option = words.first, option.hasPrefix("-") {
            throw ValidationError("There is no option '\(option)'. A command of that name goes behind --.")
        }
        guard 0.01...3600 ~= interval.seconds else { throw ValidationError("--interval is from 10ms up to 1h.") }
        for file in report where !file.hasSuffix(".json") && !file.hasSuffix(".svg") {
            throw ValidationError("'\(file)' is neither a .json file nor an .svg picture.")
        }
    }

    mutating func run() throws {
        let files = report.map { OutputFile($0, .report) }
        let plan: SamplingPlan
        let checks: [OutputFile.Check]
        do {
            plan = try host.plan()
            checks = try files.map { try $0.startCheck() }
        } catch let failure as Failure {
            throw failure.ending(with: .ownFailure)
        }
        if let container {
            try watch(container, plan, files, checks)
        } else {
            try runCommand(plan, files, checks)
        }
    }

    private func runCommand(_ plan: SamplingPlan, _ files: [OutputFile], _ checks: [OutputFile.Check]) throws -> Never {
        let mask = Command.prepare()
        let (watch, running) = try start(plan, mask, checks)
        let beginning = watch.begin(running)
        let end = running.wait()
        Command.finish(mask)
        let findings = watch.end(beginning, within: min(2, plan.deviceTimeout + 0.5))
        var signal: Int32?
        if case .killed(let number) = end { signal = number }
        let subject = RunReport.Subject.command(
            program: command[0].pathNames.last.map(String.init) ?? command[0], exitCode: end.exitCode, signal: signal)
        let report = RunReport(
            subject, usage: findings.usage, client: findings.client, began: findings.began, interval: interval.seconds,
            isContainer: findings.isContainer, isCutShort: findings.isCutShort)
        finish(report, files, within: plan.deviceTimeout, code: end.exitCode)
    }

    /// Tells and writes what was measured, and ends.
    func finish(_ report: RunReport, _ files: [OutputFile], within timeout: Double, code: Int32) -> Never {
        if !quiet { Output.remark(report.lines(on: Screen.errorPage)) }
        var code = code
        let began = monotonicSeconds()
        for file in files {
            // Where one has taken all the time, the others get a moment each.
            let isLate = monotonicSeconds() - began >= timeout
            let seconds = isLate ? min(1, timeout) : timeout
            do {
                let text = file.path.hasSuffix(".svg") ? RunChart(report).svg : report.json.text(indented: true) + "\n"
                try file.write(Array(text.utf8), within: seconds)
            } catch {
                Output.error((error as? Failure)?.message ?? "\(error)")
                // A command that failed has the first word.
                if code == 0 { code = Outcome.ownFailure.rawValue }
            }
        }
        Outcome(rawValue: code).exit()
    }
}

extension RunCommand {
    /// The command does not wait longer than this for what is read before it, and for its reports' file systems.
    private static let patience = 0.2

    private func start(
        _ plan: SamplingPlan, _ mask: sigset_t, _ checks: [OutputFile.Check]
    ) throws -> (CommandWatch, Command) {
        let deadline = monotonicSeconds() + Self.patience
        var watch: CommandWatch?
        do {
            let client = CommandClient(command)
            let watching = try CommandWatch(
                plan, interval: interval.seconds, client: client, engines: engines(of: client, plan))
            watch = watching
            // Its first reading is of the time before. What hangs, and a GPU that has to wake, are not waited for.
            watching.waitUntilReady(seconds: Self.patience)
            for check in checks { try check.finish(within: max(0, deadline - monotonicSeconds())) }
            return (watching, try Command(arguments, mask: mask, restored: Signals.replaced))
        } catch let error as CommandError {
            watch?.cancel()
            throw Failure(outcome: Outcome(rawValue: error.exitCode), message: error.description)
        } catch let failure as Failure {
            watch?.cancel()
            throw failure.ending(with: .ownFailure)
        }
    }

    /// The command as it was given, byte for byte: it stands at the end of our own arguments.
    private var arguments: [UnsafeMutablePointer<CChar>] { ProgramArguments.last(command.count) }
}
