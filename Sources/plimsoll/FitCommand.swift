import ArgumentParser
import Ledger
import Rendering

struct FitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fit",
        abstract: "Whether a device has that much memory free now: exit code 0, else 1.",
        discussion: """
            The devices that have it, the roomiest first; of one that is divided, its instances. What a program takes \
            beyond its data, a CUDA context of 100 to 600 MiB and what its allocator rounds up, is for you to add.

            Fields for --format: .GPU .UUID .Name .Free .Total, as in --format '{{.UUID}}'.
            """)

    @OptionGroup var host: HostOptions
    @OptionGroup var question: RoomQuestion

    mutating func run() throws {
        let format = try RowFormat(question.format, for: .fit)
        let source = try host.makeSource()
        let snapshot = Snapshot(source.observe())
        source.finish()
        Output.troubles(of: snapshot)
        guard snapshot.outcome == .done else { snapshot.outcome.exit() }
        let answer = try question.answer(in: snapshot)
        switch answer {
        case .fits(let rooms): try question.show(rooms, in: snapshot, as: format, on: host.page)
        case .doesNotFit(let why), .unknown(let why): Output.error(why)
        }
        answer.outcome.exit()
    }
}

/// What `fit` and `wait` ask of each snapshot.
struct RoomQuestion: ParsableArguments {
    @Argument(
        help: ArgumentHelp("An amount like 8GiB (of 1024), 12GB (of 1000), or a number of bytes.", valueName: "size"),
        transform: MemorySize.init)
    var size: MemorySize

    @Option(
        help: ArgumentHelp(
            "Only this one: its index (amd:0 among several vendors), or the beginning of its UUID.", valueName: "gpu"))
    var device: String?

    @Option(help: ArgumentHelp("table, json (an object a line) or a Go-style template.", valueName: "format"))
    var format = "table"

    func validate() throws {
        guard device?.isEmpty != true else {
            throw ValidationError("--device is a GPU's index, or the beginning of its UUID.")
        }
    }

    enum Answer {
        /// The roomiest first.
        case fits([Room])
        case doesNotFit(String)
        case unknown(String)

        var outcome: Outcome {
            switch self {
            case .fits: .done
            case .doesNotFit: .no
            case .unknown: .impossible
            }
        }
    }

    func answer(in snapshot: Snapshot) throws -> Answer {
        guard !snapshot.devices.isEmpty else {
            let error = snapshot.driverError ?? "the driver has no device"
            return .unknown("whether \(size) fits cannot be told: \(error)")
        }
        let rooms = snapshot.rooms(on: device)
        if rooms.isEmpty { return .doesNotFit(RoomRows.nowhere(device, in: snapshot)) }
        let roomiest = rooms.sorted { ($0.free ?? -1, $1.device) > ($1.free ?? -1, $0.device) }
        let fitting = roomiest.filter { ($0.free ?? 0) >= size.bytes }
        if !fitting.isEmpty { return .fits(fitting) }
        let lines = roomiest.map { RoomRows.sentence($0, in: snapshot) }
        let told = lines.count == 1 ? " " + lines[0] : lines.map { "\n  " + $0 }.joined()
        return rooms.contains { $0.free == nil }
            ? .unknown("whether \(size) fits cannot be told:\(told)") : .doesNotFit("\(size) does not fit:\(told)")
    }

    /// Why waiting is of no use; nil where it may be.
    func hopelessness(in snapshot: Snapshot) -> String? {
        let rooms = snapshot.rooms(on: device)
        // Instances come and go.
        if snapshot.devices.isEmpty || snapshot.devices.contains(where: \.isDivided) { return nil }
        if rooms.isEmpty { return RoomRows.nowhere(device, in: snapshot) }
        let totals = rooms.compactMap { snapshot.devices[$0.carrier].memory.total }
        guard totals.count == rooms.count, let most = totals.max(), most < size.bytes else { return nil }
        return
            "\(size) is more than there is: \(rooms.count == 1 ? "the device" : "the largest device") has \(Rendering.size(most))"
    }

    func show(_ rooms: [Room], in snapshot: Snapshot, as format: RowFormat, on page: Page) throws {
        let rows = rooms.map { RoomRows.row($0, in: snapshot) }
        Output.write(try format.lines(rows, on: page, table: { rows, _ in RoomRows.table(rows) }))
    }
}
