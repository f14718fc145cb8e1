import ArgumentParser
import Glibc
import Ledger
import Probe
import Rendering
import Sampling

struct MeasureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure",
        abstract: "Compare what Plimsoll assumes about this machine's GPU driver with what the driver does.",
        discussion: """
            Takes up to ten minutes. Prints a report and writes it to FILE as JSON. The report names no host, user, container \
            or path, and can be sent to others.

            It holds up to 2 GiB of one GPU's memory for some seconds at a time, and only if others keep 5% of the GPU free. \
            It uses nvidia-smi, amd-smi, rocm-smi, xpu-smi, unshare, docker and python3 with PyTorch if they are installed; \
            each step that cannot be tried says why. At Ctrl-C, the report keeps the steps that are done.

            Exit codes: 0 if every step that could be tried agreed, 1 if one differed, 2 if none could be tried.
            """)

    @OptionGroup var host: HostOptions

    @Option(
        help: ArgumentHelp(
            "Try this step only; may be repeated: \(MeasuredStep.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "name"),
        transform: named)
    var step: [MeasuredStep] = []

    @Option(
        help: ArgumentHelp(
            """
            Turn this mode on for the steps that need it, if it is off, and off again; may be repeated: accounting, \
            persistence. Needs root.
            """, valueName: "setting"),
        transform: named)
    var set: [MeasuredSetting] = []

    @Option(help: ArgumentHelp("table, or json for the report as JSON when all is done.", valueName: "format"))
    var format = LedgerCommand.Format.table

    @Option(help: ArgumentHelp("Write the report as JSON to this file, after each step.", valueName: "file"))
    var output = "measured.json"

    @Option(
        help: ArgumentHelp(
            "Its index, or the beginning of its UUID. Default: the GPU with the most free memory.", valueName: "gpu"))
    var device: String?

    @Option(help: ArgumentHelp("CUDA's driver library, the system's libcuda.so.1 by default.", valueName: "path"))
    var cudaLibrary: String?

    func validate() throws {
        guard host.replay == nil else { throw ValidationError("measure asks this machine, not a recording.") }
        guard output != "-" else {
            throw ValidationError("--output is a file. For JSON on standard output, use --format json.")
        }
    }

    mutating func run() throws {
        let plan = try host.plan()
        let file = OutputFile(output, .report)
        let timeout = try host.deviceTimeout()
        // Ten minutes of measuring are not lost to a file that cannot be written.
        try file.startCheck().finish(within: timeout)
        let measurement = Measurement(
            MeasurePlan(
                procfs: plan.procfs, sysfs: plan.sysfs, nvmlLibrary: plan.nvmlLibrary, cudaLibrary: cudaLibrary,
                timeout: plan.deviceTimeout, device: device, dockerHost: try host.dockerSocket(),
                settings: Set(set)),
            Sampler(plan, tell: { Output.error($0) }))
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
            isWritten = write(report, to: file, within: timeout, tellingTroubles: isWritten)
        }
        measurement.finish()
        switch format {
        case .table: Output.write([""] + report.summary(on: host.page))
        case .json: Output.write(report.json.text(indented: true) + "\n")
        }
        Signals.waitForEnd()
        if isWritten { Output.error("the report is in \(output)") }
        switch report.verdict {
        case _ where !isWritten: Outcome.impossible.exit()
        case .agrees: Outcome.done.exit()
        case .differs: Outcome.no.exit()
        case .nothingTried: Outcome.impossible.exit()
        }
    }

    /// - Returns: false if it could not be written; the measuring goes on, because the report is printed too.
    private func write(
        _ report: MeasureReport, to file: OutputFile, within seconds: Double, tellingTroubles: Bool
    ) -> Bool {
        do {
            try file.write(Array((report.json.text(indented: true) + "\n").utf8), within: seconds)
            return true
        } catch {
            if tellingTroubles { Output.error((error as? Failure)?.message ?? "\(error)") }
            return false
        }
    }
}

private func named<Name: RawRepresentable & CaseIterable>(_ text: String) throws -> Name where Name.RawValue == String {
    guard let name = Name(rawValue: text) else {
        let names = Name.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("There is no '\(text)'; there are \(names).")
    }
    return name
}
