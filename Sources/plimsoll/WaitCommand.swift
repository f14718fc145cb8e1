import ArgumentParser
import Glibc
import Ledger
import Rendering

struct WaitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Wait until a device has that much memory free, in two readings a second apart.",
        discussion: """
            For a script, or before a container's program: plimsoll wait 8GiB && exec python3 serve.py. Exit code 0 when \
            there is room, 1 when --for has passed. Nothing is reserved: who comes next may take it.

            Fields for --format: .GPU .UUID .Name .Free .Total.
            """)

    @OptionGroup var host: HostOptions
    @OptionGroup var question: RoomQuestion

    @Option(
        name: .customLong("for"), help: ArgumentHelp("Give up after this long, with exit code 1.", valueName: "seconds")
    )
    var patience: Double?

    func validate() throws {
        if let patience, !(patience >= 1 && patience <= 31_622_400) {
            throw ValidationError("--for is a number of seconds from 1, which two readings take, up to a year.")
        }
    }

    mutating func run() throws {
        let format = try RowFormat(question.format, for: .fit)
        let source = try host.makeSource(within: patience)
        let start = ContinuousClock.now
        var progress = Progress()
        var roomyBefore: Set<String> = []
        var isFirst = true
        while true {
            let snapshot = Snapshot(source.observe())
            let readAt = ContinuousClock.now
            if isFirst, snapshot.outcome != .done {
                Output.troubles(of: snapshot)
                snapshot.outcome.exit()
            }
            if isFirst, let why = question.hopelessness(in: snapshot) { throw Failure(outcome: .no, message: why) }
            isFirst = false
            let answer = try question.answer(in: snapshot)
            var roomy: Set<String> = []
            if case .fits(let rooms) = answer {
                roomy = Set(rooms.map { snapshot.devices[$0.device].reference })
                // A recording is of one moment.
                let settled = rooms.filter {
                    host.replay != nil || roomyBefore.contains(snapshot.devices[$0.device].reference)
                }
                if !settled.isEmpty {
                    progress.end()
                    try question.show(settled, in: snapshot, as: format, on: host.page)
                    source.finish()
                    Outcome.done.exit()
                }
            }
            roomyBefore = roomy
            let elapsed = (readAt - start) / .seconds(1)
            if host.replay != nil || patience.map({ elapsed + 1 > $0 + 0.5 }) == true {
                source.finish()
                giveUp(answer, &progress)
            }
            let seconds = elapsed.rounded(.down)
            let why = message(answer, snapshot)
            progress.show("waiting for \(seconds.plain) s: \(why)", inLog: "waiting: \(why)", after: seconds)
            sleep(until: readAt.advanced(by: .seconds(1)))
        }
    }

    private func giveUp(_ answer: RoomQuestion.Answer, _ progress: inout Progress) -> Never {
        progress.end()
        let limit = patience.map { "gave up after \($0.plain) s: " } ?? ""
        switch answer {
        case .fits: Output.error("\(limit)\(question.size) did not stay free for a second")
        case .doesNotFit(let why), .unknown(let why): Output.error(limit + why)
        }
        if case .unknown = answer { Outcome.impossible.exit() }
        Outcome.no.exit()
    }

    /// One line: of several devices, the roomiest.
    private func message(_ answer: RoomQuestion.Answer, _ snapshot: Snapshot) -> String {
        switch answer {
        case .fits(let rooms): "\(RoomRows.sentence(rooms[0], in: snapshot)); reading it once more"
        case .doesNotFit(let why), .unknown(let why):
            why.split(separator: "\n").prefix(2).map { $0.drop { $0 == " " } }.joined(separator: " ")
        }
    }

    private func sleep(until next: ContinuousClock.Instant) {
        while true {
            let left = (next - ContinuousClock.now) / .microseconds(1)
            if left <= 0 { return }
            usleep(UInt32(left.rounded(.up)))
        }
    }
}
