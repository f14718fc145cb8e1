import ArgumentParser
import Glibc
import HostFS
import HostOptions
import Ledger
import Probe
import Rendering
import Sampling

struct RunCommand: DocumentedCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command and report its GPU memory",
        discussion: """
            Runs COMMAND in this terminal, passes signals on to it, and prints a report to standard error when the command \
            ends. Counts the memory of COMMAND and all its descendants. If plimsoll itself runs in a \
            container, counts every process of that container.

            If COMMAND starts a container (docker, podman or nerdctl with run, start, exec or compose, also after sudo or \
            env), that container is counted too. If other containers start at the same time, give yours a name \
            (docker run --name NAME). If COMMAND is systemd-run, the service is counted.

            With --container, runs no command and watches a running container until it ends, or until Ctrl-C.

            Reads memory every 100 ms by default, and misses memory that is used only between two readings. If accounting \
            mode is on (nvidia-smi --accounting-mode=1, as root), the driver's exact records are used.

            Exit code: that of COMMAND, 128+N if signal N ended it, 127 if it is not found, 126 if it cannot be executed, 125 if \
            plimsoll fails. With --container: 0 if the container ended, 130 after Ctrl-C, 125 if there is no such container or \
            nothing can be read.
            """)

    static let help = CommandHelp(
        synopsis: "[OPTIONS] -- COMMAND [ARG...]",
        groups: [("Output", ["report", "quiet"]), ("What to measure", ["container", "interval"])],
        examples: [
            .init("Peak memory of a program", "plimsoll run -- python3 train.py"),
            .init("Of a container", "plimsoll run -- docker run --rm --name trainer --gpus all trainer:2"),
            .init("Of a container that runs already", "plimsoll run --container trainer"),
            .init("With a chart", "plimsoll run --report train.svg -- python3 train.py"),
        ])

    @OptionGroup(title: HelpScreen.commonTitle) var host: CommonOptions

    @Option(
        help: ArgumentHelp("Time between readings, from 10ms to 1h (default: 100ms)", valueName: "duration"),
        transform: TimeSpan.init)
    var interval = TimeSpan(seconds: 0.1)

    @Option(
        help: ArgumentHelp(
            "Write the report to this .json file, or a chart to this .svg file; can be repeated.", valueName: "file"))
    var report: [String] = []

    @Flag(name: .shortAndLong, help: "Print no report at the end.")
    var quiet = false

    @Option(
        help: ArgumentHelp(
            "Watch this running container until it ends: name, or start of an id.", valueName: "container"))
    var container: String?

    @Argument(
        parsing: .captureForPassthrough, help: ArgumentHelp("Command to run, with its arguments.", valueName: "command")
    )
    var words: [String] = []

    private var command: [String] { words.first == "--" ? Array(words.dropFirst()) : words }

    func validate() throws {
        // ArgumentParser captures the command's words before it looks for --help.
        if let first = words.first, ["--help", "-h"].contains(first) { throw CleanExit.helpRequest(self) }
        if words.first == "--version" { throw CleanExit.message(Plimsoll.version) }
        if let container {
            guard words.isEmpty else {
                throw ValidationError(
                    "Use either --container or a command: --container watches a container and runs nothing.")
            }
            guard !container.isEmpty else { throw ValidationError("--container needs a container's name or id.") }
        }
        guard container != nil || !command.isEmpty && command[0] != "" else {
            throw ValidationError("No command given; write it after --, as in: plimsoll run -- python3 train.py")
        }
        if words.first != "--", let option = words.first, option.hasPrefix("-") {
            throw ValidationError("Unknown option '\(option)'. To run a command of that name, write it after --.")
        }
        try interval.check("--interval", from: 0.01, to: 3600, "from 10ms to 1h")
        for file in report where !file.hasSuffix(".json") && !file.hasSuffix(".svg") {
            throw ValidationError("'\(file)' must end in .json (report) or .svg (chart).")
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

    /// Prints and writes the report, and exits.
    func finish(_ report: RunReport, _ files: [OutputFile], within timeout: Double, code: Int32) -> Never {
        if !quiet { Output.remark(report.lines(on: Screen.errorPage)) }
        var code = code
        let began = monotonicSeconds()
        for file in files {
            // If one file has used up the time, the others get a second each.
            let isLate = monotonicSeconds() - began >= timeout
            let seconds = isLate ? min(1, timeout) : timeout
            do {
                let text = file.path.hasSuffix(".svg") ? RunChart(report).svg : report.json.text(indented: true) + "\n"
                try file.write(Array(text.utf8), within: seconds)
            } catch {
                Output.error((error as? Failure)?.message ?? "\(error)")
                // The exit code of a failed command takes precedence.
                if code == 0 { code = Outcome.ownFailure.rawValue }
            }
        }
        Outcome(rawValue: code).exit()
    }
}

extension RunCommand {
    /// Maximum seconds that the command's start waits for the first reading and for the report files.
    private static let startDelay = 0.2

    private func start(
        _ plan: SamplingPlan, _ mask: sigset_t, _ checks: [OutputFile.Check]
    ) throws -> (CommandWatch, Command) {
        let deadline = monotonicSeconds() + Self.startDelay
        var watch: CommandWatch?
        do {
            let client = CommandClient(command)
            let watching = try CommandWatch(
                plan, interval: interval.seconds, client: client, engines: engines(of: client, plan))
            watch = watching
            // The first reading shows the memory before the command. Do not wait for a source that hangs or a GPU that wakes.
            watching.waitUntilReady(seconds: Self.startDelay)
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

    /// The command as it was given, byte for byte: the last of our own arguments.
    private var arguments: [UnsafeMutablePointer<CChar>] { ProgramArguments.last(command.count) }
}
