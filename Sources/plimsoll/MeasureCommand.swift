import ArgumentParser
import Glibc
import Ledger
import Probe
import Rendering
import Sampling

struct MeasureCommand: DocumentedCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure",
        abstract: "Test whether plimsoll's numbers are correct on this GPU driver",
        discussion: """
            Takes up to ten minutes. Prints a report and writes it to a JSON file. The report names no host, user, container \
            or path, so you can share it.

            Uses up to 2 GiB of one GPU's memory for some seconds at a time, and only if 5% of the GPU stays free for others. \
            Uses nvidia-smi, amd-smi, rocm-smi, xpu-smi, unshare, docker and python3 with PyTorch if they are installed. Each \
            step that is skipped prints the reason. After Ctrl-C, the report keeps the finished steps.

            Exit codes: 0 if every tested step agreed with what plimsoll assumes, 1 if one differed, 2 if no step could be tested.
            """)

    static let help = CommandHelp(
        synopsis: "[OPTIONS]", groups: [("Output", ["format", "output"]), ("Steps", ["step", "set", "device"])],
        examples: [
            .init("Run all steps and write measured.json", "plimsoll measure"),
            .init("Run two steps", "plimsoll measure --step context --step rounding"),
        ])

    @OptionGroup(title: HelpScreen.commonTitle) var host: CommonOptions

    @Option(
        help: ArgumentHelp(
            "Run only this step; can be repeated. Steps: \(MeasuredStep.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "name"),
        transform: named)
    var step: [MeasuredStep] = []

    @Option(
        help: ArgumentHelp(
            """
            Turn this mode on for the steps that need it, then restore it; can be repeated. Modes: accounting, persistence. \
            Needs root.
            """, valueName: "setting"),
        transform: named)
    var set: [MeasuredSetting] = []

    @Option(help: ArgumentHelp("table or json (the whole report at the end).", valueName: "format"))
    var format = LedgerCommand.Format.table

    @Option(help: ArgumentHelp("File for the JSON report, written after each step.", valueName: "file"))
    var output = "measured.json"

    @Option(
        name: [.customLong("device"), .customLong("gpu")],
        help: ArgumentHelp(
            "GPU to use: index, or start of a UUID (default: the GPU with the most free memory)", valueName: "gpu"))
    var device: String?

    @Option(help: ArgumentHelp("Load this CUDA driver library (default: the system's libcuda.so.1)", valueName: "path"))
    var cudaLibrary: String?

    func validate() throws {
        guard output != "-" else {
            throw ValidationError("--output must be a file; for JSON on standard output, use --format json.")
        }
    }

    mutating func run() throws {
        let plan = try host.plan()
        let file = OutputFile(output, .report)
        let timeout = try host.deviceTimeout()
        // Check the file first, so that ten minutes of measuring are not lost.
        try file.startCheck().finish(within: timeout)
        let measurement = Measurement(
            MeasurePlan(
                procfs: plan.procfs, sysfs: plan.sysfs, nvmlLibrary: plan.nvmlLibrary, cudaLibrary: cudaLibrary,
                timeout: plan.deviceTimeout, device: device, dockerHost: try host.dockerSocket(),
                settings: Set(set)),
            Sampler(plan, notify: { Output.error($0) }))
        var report = MeasureReport(plimsoll: Plimsoll.version, time: wallClock())
        let steps = step.isEmpty ? MeasuredStep.allCases : MeasuredStep.allCases.filter(step.contains)
        var isWritten = true
        for step in steps {
            let result = measurement.run(step)
            Signals.waitForEnd()
            report.results.append(result)
            report.isComplete = report.results.count == steps.count
            measurement.describe(in: &report)
            if format == .table { Output.write(result.lines(on: host.page)) }
            isWritten = write(report, to: file, within: timeout, reportingTroubles: isWritten)
        }
        measurement.finish()
        switch format {
        case .table: Output.write([""] + report.summary(on: host.page))
        case .json: Output.write(report.json.text(indented: true) + "\n")
        }
        Signals.waitForEnd()
        if isWritten { Output.error("wrote the report to \(output)") }
        switch report.verdict {
        case _ where !isWritten: Outcome.impossible.exit()
        case .agrees: Outcome.done.exit()
        case .differs: Outcome.no.exit()
        case .nothingTried: Outcome.impossible.exit()
        }
    }

    /// - Returns: false if the file could not be written. Measuring continues, because the report is printed too.
    private func write(
        _ report: MeasureReport, to file: OutputFile, within seconds: Double, reportingTroubles: Bool
    ) -> Bool {
        do {
            try file.write(Array((report.json.text(indented: true) + "\n").utf8), within: seconds)
            return true
        } catch {
            if reportingTroubles { Output.error((error as? Failure)?.message ?? "\(error)") }
            return false
        }
    }
}

private func named<Name: RawRepresentable & CaseIterable>(_ text: String) throws -> Name where Name.RawValue == String {
    guard let name = Name(rawValue: text) else {
        let names = Name.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError(
            "Unknown name '\(text)'\(didYouMean(text, among: Name.allCases.map(\.rawValue))); use \(names).")
    }
    return name
}
