import ArgumentParser
import Glibc
import HostOptions
import Ledger
import Rendering

struct WaitCommand: DocumentedCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Wait until a GPU has enough free memory",
        discussion: """
            Waits until a GPU has SIZE free in two readings, one second apart. Without --for, waits without a time limit. \
            Nothing is reserved: another program can take the memory first.

            Exit code 0 when SIZE is free, 1 if --for has passed.

            Fields for --format: \(RowKind.fit.fieldList).
            """)

    static let help = CommandHelp(
        synopsis: "[OPTIONS] SIZE", groups: [("Output", ["format"]), ("Filter", ["device"]), ("Time limit", ["for"])],
        examples: [
            .init("Start a program when 8 GiB are free", "plimsoll wait 8GiB && exec python3 serve.py"),
            .init("Give up after ten minutes", "plimsoll wait 8GiB --for 10m"),
        ])

    @OptionGroup(title: HelpScreen.commonTitle) var host: ReplayOptions
    @OptionGroup var placement: PlacementOptions

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp(
            "Give up after this time, with exit code 1 (default: no time limit)", valueName: "duration"),
        transform: TimeSpan.init)
    var limit: TimeSpan?

    func validate() throws {
        try limit?.check("--for", from: 1, to: TimeSpan.longest, "from 1s, which two readings take, to 366d")
    }

    mutating func run() throws {
        let format = try RowFormat(placement.format, for: .fit)
        placement.warn()
        if limit == nil, host.common.host.timeout != nil {
            Output.error("--timeout limits the wait for a source; to limit the whole wait, use --for")
        }
        let source = try host.makeSource(within: limit?.seconds)
        let start = ContinuousClock.now
        var progress = Progress()
        var enoughBefore: Set<String> = []
        var isFirst = true
        while true {
            let snapshot = Snapshot(source.observe())
            let readAt = ContinuousClock.now
            if isFirst, snapshot.outcome != .done {
                Output.troubles(of: snapshot)
                snapshot.outcome.exit()
            }
            if isFirst, let why = snapshot.whyNotWait(for: placement.size.bytes, on: placement.device) {
                throw Failure(outcome: .no, message: why.text(of: placement.size.description, in: snapshot))
            }
            isFirst = false
            let verdict = placement.verdict(in: snapshot)
            var enough: Set<String> = []
            if case .fits(let candidates) = verdict {
                enough = Set(candidates.map { snapshot.devices[$0.device].reference })
                // A recording holds one moment.
                let settled = candidates.filter {
                    host.replay != nil || enoughBefore.contains(snapshot.devices[$0.device].reference)
                }
                if !settled.isEmpty {
                    progress.end()
                    try placement.show(settled, in: snapshot, as: format, on: host.page)
                    source.finish()
                    Outcome.done.exit()
                }
            }
            enoughBefore = enough
            let elapsed = (readAt - start) / .seconds(1)
            if host.replay != nil || limit.map({ elapsed + 1 > $0.seconds + 0.5 }) == true {
                source.finish()
                giveUp(verdict, in: snapshot, &progress)
            }
            let seconds = elapsed.rounded(.down)
            let why = message(verdict, snapshot)
            let shown = limit.map { "\(seconds.plain) of \($0.seconds.plain) s" } ?? "\(seconds.plain) s, no time limit"
            let logged = limit.map { "up to \($0.seconds.plain) s" } ?? "without a time limit (set one with --for)"
            progress.show("waiting \(shown): \(why)", inLog: "waiting \(logged): \(why)", after: seconds)
            sleep(until: readAt.advanced(by: .seconds(1)))
        }
    }

    private func giveUp(_ verdict: FitVerdict, in snapshot: Snapshot, _ progress: inout Progress) -> Never {
        progress.end()
        let reason =
            host.replay != nil
            ? "a recording never changes, so waiting does not help: "
            : limit.map { "gave up after \($0.seconds.plain) s: " } ?? ""
        let size = placement.size.description
        Output.error(reason + (verdict.text(of: size, in: snapshot) ?? "\(size) did not stay free for a second"))
        if case .unknown = verdict { Outcome.impossible.exit() }
        Outcome.no.exit()
    }

    /// One line, about the device with the most free memory.
    private func message(_ verdict: FitVerdict, _ snapshot: Snapshot) -> String {
        if case .fits(let candidates) = verdict {
            return "\(CandidateRows.sentence(candidates[0], in: snapshot)); confirming with a second reading"
        }
        return verdict.brief(of: placement.size.description, in: snapshot) ?? ""
    }

    private func sleep(until next: ContinuousClock.Instant) {
        while true {
            let left = (next - ContinuousClock.now) / .microseconds(1)
            if left <= 0 { return }
            usleep(UInt32(left.rounded(.up)))
        }
    }
}
