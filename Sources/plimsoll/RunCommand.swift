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
        abstract: "Run a command, and tell what GPU memory its processes held.",
        discussion: """
            plimsoll run -- python3 train.py

            The command has this terminal and these files, and is passed every signal; its output stays as it is, and what \
            was measured is told behind it on standard error. Exit code: the command's own, 128 and the number of the signal \
            that ended it, 127 where there is no such command, 126 where it cannot be executed, 125 where plimsoll itself \
            failed.

            Its memory is that of its descendants, also of those that outlive their parent; in a container that of every \
            process of the container.

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

    @Argument(
        parsing: .captureForPassthrough, help: ArgumentHelp("The command and its arguments.", valueName: "command"))
    var words: [String] = []

    private var command: [String] { words.first == "--" ? Array(words.dropFirst()) : words }

    func validate() throws {
        // What is captured for a command is captured before help is looked for.
        if let first = words.first, ["--help", "-h"].contains(first) { throw CleanExit.helpRequest(self) }
        if words.first == "--version" { throw CleanExit.message(Plimsoll.version) }
        guard host.replay == nil else { throw ValidationError("run measures a command, not a recording.") }
        guard !command.isEmpty, command[0] != "" else { throw ValidationError("There is no command to run.") }
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
        let mask = Command.prepare()
        let (watch, running) = try start(plan, mask, checks)
        let beginning = watch.begin(running)
        let end = running.wait()
        Command.finish(mask)
        let findings = watch.end(beginning, within: min(2, plan.deviceTimeout + 0.5))
        let report = RunReport(
            program: command[0].pathNames.last.map(String.init) ?? command[0], end, findings,
            interval: interval.seconds, isContainer: findings.isContainer)
        if !quiet { Output.remark(report.lines(on: Screen.errorPage)) }
        var code = end.exitCode
        let began = monotonicSeconds()
        for file in files {
            // Where one has taken all the time, the others get a moment each.
            let isLate = monotonicSeconds() - began >= plan.deviceTimeout
            let seconds = isLate ? min(1, plan.deviceTimeout) : plan.deviceTimeout
            do {
                let text = file.path.hasSuffix(".svg") ? RunChart(report).svg : report.json.text(indented: true) + "\n"
                try file.write(Array(text.utf8), within: seconds)
            } catch let failure as Failure {
                Output.error(failure.message)
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
            let watching = try CommandWatch(plan, interval: interval.seconds)
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

extension RunReport {
    fileprivate init(
        program: String, _ end: CommandEnd, _ findings: CommandWatch.Findings, interval: Double, isContainer: Bool
    ) {
        var signal: Int32?
        if case .killed(let number) = end { signal = number }
        self.init(
            program: program, exitCode: end.exitCode, signal: signal, usage: findings.usage, began: findings.began,
            interval: interval, isContainer: isContainer, isCutShort: findings.isCutShort)
    }
}
