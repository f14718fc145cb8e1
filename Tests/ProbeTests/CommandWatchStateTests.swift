import Probe
import Testing

/// The states of a watched command, without a process, a thread or a GPU.
struct CommandWatchStateTests {
    enum Step: CaseIterable, Sendable { case ready, begin, cancel, end, finish, report }

    private static let start = CommandStart(pid: 42, seconds: 10, unixMilliseconds: 1_700_000_000_000)
    private static let running = CommandWatchState.running(start)
    private static let ending = CommandWatchState.ending(start, at: 12.5)

    private static func after(_ step: Step, _ state: CommandWatchState) -> CommandWatchState {
        var state = state
        switch step {
        case .ready: state.becomeReady()
        case .begin: state.begin(start)
        case .cancel: state.cancel()
        case .end: state.end(at: 12.5)
        case .finish: state.finish()
        case .report: _ = state.report()
        }
        return state
    }

    /// A row per state: the steps that lead to another state, and which. Every other step changes nothing.
    private static let table: [(CommandWatchState, [Step: CommandWatchState])] = [
        (.preparing, [.ready: .ready, .begin: running, .cancel: .cancelled]),
        (.ready, [.begin: running, .cancel: .cancelled]),
        (running, [.end: ending]),
        (ending, [.finish: .finished, .report: .reported]),
        (.cancelled, [.finish: .finished]),
        (.finished, [.report: .reported]),
        (.reported, [:]),
    ]

    @Test("Each step leads from each state to one state", arguments: table)
    func transitions(from state: CommandWatchState, to next: [Step: CommandWatchState]) {
        for step in Step.allCases {
            #expect(Self.after(step, state) == next[step] ?? state, "\(step) from \(state)")
        }
    }

    @Test(
        "What happens around a command, in order",
        arguments: [
            ("a usual command", [.ready, .begin, .end, .finish, .report], CommandWatchState.reported),
            ("the first reading takes longer than the command waits", [.begin, .ready, .end, .finish], .finished),
            ("the command ends during the first reading", [.begin, .end, .ready], ending),
            ("the last reading comes after the report", [.ready, .begin, .end, .report, .finish], .reported),
            ("no command, after the first reading", [.ready, .cancel, .finish], .finished),
            ("no command, during the first reading", [.cancel, .ready, .finish], .finished),
        ] as [(String, [Step], CommandWatchState)])
    func order(_ name: String, _ steps: [Step], _ last: CommandWatchState) {
        #expect(steps.reduce(.preparing) { Self.after($1, $0) } == last, "\(name)")
    }

    @Test("A reading counts as before the command, as the command's, or not at all")
    func readings() {
        let states = Self.table.map(\.0)
        #expect(states.filter(\.isBeforeCommand) == [.preparing, .ready])
        #expect(states.filter(\.isRunning) == [Self.running])
        #expect(states.filter { $0.start == Self.start } == [Self.running, Self.ending])
        #expect(states.allSatisfy { $0.start == nil || $0.start == Self.start })
    }

    @Test("The findings are complete only if the last reading is done before the report")
    func completeness() {
        func isComplete(_ state: CommandWatchState) -> Bool {
            var state = state
            return state.report()
        }
        #expect(Self.table.map(\.0).filter(isComplete) == [.finished])
    }
}
