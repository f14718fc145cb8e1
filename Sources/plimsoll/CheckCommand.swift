import ArgumentParser
import HostFS
import Ledger
import Probe
import Rendering
import Sampling

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Can a program use a GPU here, on this host or in this container? Exit code 0, else 1 and why not.",
        discussion: """
            Which GPUs are here, what brought them in, what limits this place, and whose processes are seen from it. It \
            takes a few MiB of GPU memory while it runs. As a health check: plimsoll check --require 2 --require-memory 16GiB
            """)

    @OptionGroup var host: HostOptions

    @Option(help: ArgumentHelp("table or json.", valueName: "format"))
    var format = LedgerCommand.Format.table

    @Option(help: ArgumentHelp("Exit with 1 if there are fewer GPUs than this.", valueName: "count"))
    var require = 1

    @Option(
        help: ArgumentHelp(
            "Minimum total memory per required GPU. To check free memory, use `plimsoll fit`.", valueName: "size"),
        transform: MemorySize.init)
    var requireMemory: MemorySize?

    func validate() throws {
        guard (1...1024).contains(require) else {
            throw ValidationError("--require is a number of GPUs from 1 to 1024.")
        }
        guard host.replay == nil else {
            throw ValidationError("check tells of the place where it runs, not of a recording.")
        }
    }

    mutating func run() throws {
        let plan = try host.plan()
        let sampler = Sampler(plan, tell: { Output.error($0) })
        sampler.begin()
        let paths = plan.nvmlLibrary.map { [LoaderChild.libraries[0]: $0] } ?? [:]
        // Beside the sample, so that a driver that hangs costs its deadline once.
        let loading = LoaderChild.start(paths: paths, within: plan.deviceTimeout)
        let observation = sampler.observe()
        let snapshot = Snapshot(observation)
        // The device file of one that did not answer would only hang too.
        let answering = snapshot.devices.filter { $0.memory.total != nil || $0.ledger.containers != nil }
        var environment = sampler.runtimeEnvironment(minors: answering.flatMap(\.renderMinors))
        sampler.finish()
        (environment.libraries, environment.cuda) = loading.libraries()
        let report = CheckReport(
            snapshot, environment, observation.view, requiring: require,
            of: requireMemory.map { ($0.bytes, $0.description) })
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
