import ArgumentParser
import Ledger
import Rendering

struct LedgerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger",
        abstract: "Once: who holds each GPU's memory, in a column that adds up to the card.",
        discussion: """
            A line per device with a bar: containers, other use, reserve, free, and the load line. Then a row per holder, \
            largest first: containers, processes of the host, processes that are gone or hidden from here, and the \
            remainder that no process accounts for.
            """)

    @OptionGroup var host: HostOptions

    @Option(help: ArgumentHelp("table or json.", valueName: "format"))
    var format = Format.table

    @Option(help: ArgumentHelp("Where the load line is drawn.", valueName: "percent"))
    var warn = Share(percent: 90)

    @Option(help: ArgumentHelp("Exit with 1 if more than this of a device's memory is in use.", valueName: "percent"))
    var failAbove: Share?

    enum Format: String, ExpressibleByArgument {
        case table, json
    }

    mutating func run() throws {
        let source = try host.makeSource()
        let snapshot = Snapshot(source.observe())
        source.finish()
        switch format {
        case .json: Output.write(snapshot.json.text(indented: true) + "\n")
        case .table:
            if !snapshot.devices.isEmpty { Output.write(LedgerScreen(snapshot, warn: warn.part).lines(on: host.page)) }
        }
        Output.troubles(of: snapshot)
        if snapshot.outcome == .done, let failAbove { judge(snapshot, failAbove).exit() }
        snapshot.outcome.exit()
    }

    /// A device that cannot be judged is told, and fails the gate only where none can be.
    private func judge(_ snapshot: Snapshot, _ limit: Share) -> Outcome {
        let loads = snapshot.loads(above: limit.part)
        for (deviceIndex, verdict) in loads {
            let device = snapshot.devices[deviceIndex]
            let gpu = "GPU \(device.label.cleaned)"
            switch verdict {
            case .below: continue
            case .unknown: Output.error("\(gpu): whether it is above \(limit) cannot be told")
            case .above:
                let share = percent(device.memory.used, of: device.memory.total)
                Output.error("\(gpu): \(share) of its memory is in use, above \(limit)")
            }
        }
        if loads.contains(where: { $0.verdict == .above }) { return .no }
        return loads.contains { $0.verdict == .below } ? .done : .impossible
    }
}

/// A share of a device's memory, as "90%" or "90".
struct Share: ExpressibleByArgument, CustomStringConvertible {
    var percent: Double

    init(percent: Double) {
        self.percent = percent
    }

    /// 0 to 1.
    var part: Double { percent / 100 }

    init?(argument: String) {
        let digits = argument.hasSuffix("%") ? argument.dropLast() : argument[...]
        guard let number = Double(digits), number > 0, number <= 100 else { return nil }
        percent = number
    }

    var description: String { percent.plain + "%" }

    var defaultValueDescription: String { description }
}
