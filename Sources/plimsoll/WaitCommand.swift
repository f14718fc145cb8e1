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
    @OptionGroup var question: PlacementOptions

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
            if isFirst, let why = snapshot.hopelessness(question.size.bytes, on: question.device) {
                throw Failure(outcome: .no, message: why.text(of: question.size.description, in: snapshot))
            }
            isFirst = false
            let verdict = question.verdict(in: snapshot)
            var roomy: Set<String> = []
            if case .fits(let rooms) = verdict {
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
                giveUp(verdict, in: snapshot, &progress)
            }
            let seconds = elapsed.rounded(.down)
            let why = message(verdict, snapshot)
            progress.show("waiting for \(seconds.plain) s: \(why)", inLog: "waiting: \(why)", after: seconds)
            sleep(until: readAt.advanced(by: .seconds(1)))
        }
    }

    private func giveUp(_ verdict: FitVerdict, in snapshot: Snapshot, _ progress: inout Progress) -> Never {
        progress.end()
        let limit = patience.map { "gave up after \($0.plain) s: " } ?? ""
        let size = question.size.description
        Output.error(limit + (verdict.text(of: size, in: snapshot) ?? "\(size) did not stay free for a second"))
        if case .unknown = verdict { Outcome.impossible.exit() }
        Outcome.no.exit()
    }

    /// One line: of several devices, the roomiest.
    private func message(_ verdict: FitVerdict, _ snapshot: Snapshot) -> String {
        if case .fits(let rooms) = verdict {
            return "\(CandidateRows.sentence(rooms[0], in: snapshot)); reading it once more"
        }
        return verdict.brief(of: question.size.description, in: snapshot) ?? ""
    }

    private func sleep(until next: ContinuousClock.Instant) {
        while true {
            let left = (next - ContinuousClock.now) / .microseconds(1)
            if left <= 0 { return }
            usleep(UInt32(left.rounded(.up)))
        }
    }
}
