import ArgumentParser
import HostFS
import HostOptions
import Ledger
import Probe
import Rendering
import Sampling

struct CheckCommand: DocumentedCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check whether programs can use a GPU here",
        discussion: """
            Run it on a host or in a container. Prints which GPUs are usable, how they were made available (variables, device \
            files, libraries), the RAM and CPU limits, and whose processes are visible. Uses a few MiB of GPU memory while it runs.

            Exit code 0 if a GPU is usable, 1 if not, 2 if unknown.
            """)

    static let help = CommandHelp(
        synopsis: "[OPTIONS]", groups: [("Output", ["format"]), ("Exit code", ["require", "require-memory"])],
        examples: [
            .init(
                "As a health check: at least two GPUs of 16 GiB", "plimsoll check --require 2 --require-memory 16GiB"),
            .init(
                "In a container",
                "docker run --rm --gpus all -v \"$(command -v plimsoll):/plimsoll\" ubuntu /plimsoll check"),
        ])

    @OptionGroup(title: HelpScreen.commonTitle) var host: CommonOptions

    @Option(help: ArgumentHelp("table or json.", valueName: "format"))
    var format = LedgerCommand.Format.table

    @Option(
        help: ArgumentHelp("Minimum number of usable GPUs (default: 1)", valueName: "count"),
        transform: { try wholeNumber($0, in: 1...1024) })
    var require = 1

    @Option(
        help: ArgumentHelp(
            "Minimum total memory of each required GPU. To check free memory, use `plimsoll fit`.", valueName: "size"),
        transform: MemorySize.init)
    var requireMemory: MemorySize?

    mutating func run() throws {
        let plan = try host.plan()
        let sampler = Sampler(plan, notify: { Output.error($0) })
        sampler.begin()
        let paths = plan.nvmlLibrary.map { [LoaderChild.libraries[0]: $0] } ?? [:]
        // In parallel with the sample, so that a hanging driver costs one timeout.
        let loading = LoaderChild.start(paths: paths, within: plan.deviceTimeout)
        let observation = sampler.observe()
        let snapshot = Snapshot(observation)
        // Skip device files of GPUs that did not answer: opening them could hang too.
        let answering = snapshot.devices.filter { $0.memory.total != nil || $0.ledger.containers != nil }
        var environment = sampler.runtimeEnvironment(minors: answering.flatMap(\.renderMinors))
        sampler.finish()
        (environment.libraries, environment.cuda) = loading.libraries()
        let report = CheckReport(
            snapshot, environment, observation.view, requiring: require,
            of: requireMemory.map { ($0.bytes, $0.description) },
            unreadableProc: host.unreadableProc(snapshot))
        switch format {
        case .json: Output.write(report.json.text(indented: true) + "\n")
        case .table: Output.write(report.lines(on: host.page))
        }
        if let why = report.reason { Output.error(why) }
        switch report.verdict {
        case .usable: Outcome.done.exit()
        case .unusable: Outcome.no.exit()
        case .unknown: Outcome.impossible.exit()
        }
    }
}
