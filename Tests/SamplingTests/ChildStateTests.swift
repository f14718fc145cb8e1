import Ledger
import Testing

@testable import Sampling

@Suite struct ChildStateTests {
    private static let reason = Reason.other("crashed")

    private static func running(_ change: (inout ChildState) -> Void = { _ in }) -> ChildState {
        var state = ChildState.none
        state.start(at: 100)
        change(&state)
        return state
    }

    /// (state, time, children given up that have not ended, the step): with a delay of 30 s and at most 3 hanging children.
    static let steps: [(ChildState, Double, Int, ChildState.Step)] = [
        (.none, 0, 0, .start),
        (.none, 0, 2, .start),
        (.none, 0, 3, .tooMany),
        (.failed(reason, startedAt: 100), 110, 0, .wait(reason, seconds: 20)),
        (.failed(reason, startedAt: 100), 130, 0, .start),
        (.failed(reason, startedAt: 100), 130, 3, .tooMany),
        (running(), 1000, 0, .keep),
        (running { $0.finishSample(isComplete: false, at: 110) }, 140, 0, .keep),
        (running { $0.finishSample(isComplete: false, at: 110) }, 141, 0, .replace(hungFor: 31)),
        (running { $0.finishSample(isComplete: false, at: 110) }, 141, 1, .replace(hungFor: 31)),
        (running { $0.finishSample(isComplete: false, at: 110) }, 141, 2, .keepHanging),
        (running { $0.finishQuestion(isAnswered: false, at: 110) }, 141, 0, .replace(hungFor: 31)),
    ]

    @Test("A child is replaced after the delay, and not more than three hang", arguments: steps)
    func step(_ state: ChildState, _ now: Double, _ abandoned: Int, _ expected: ChildState.Step) {
        #expect(state.next(at: now, delay: 30, abandoned: abandoned, most: 3) == expected)
    }

    @Test("The time of a hang counts from the first late answer, and ends with any message")
    func late() {
        var state = Self.running()
        state.finishSample(isComplete: false, at: 110)
        state.finishSample(isComplete: false, at: 120)
        #expect(state.running?.hangsSince == 110)
        state.finishQuestion(isAnswered: false, at: 130)
        state.finishSample(isComplete: true, at: 140)
        #expect(state.running?.hangsSince == 130)
        state.finishQuestion(isAnswered: true, at: 150)
        #expect(state.running?.hangsSince == nil)
        state.finishSample(isComplete: false, at: 160)
        state.recover()
        #expect(state.running?.hangsSince == nil)
    }

    @Test("A child that owes its opening is asked for nothing more until it opens")
    func opening() {
        var state = Self.running()
        state.askForSample()
        #expect(state.running?.owesOpening == true)
        state.open()
        #expect(state.running?.owesOpening == false)
    }

    @Test("A crash is remembered with the start of the child; the end of a session is not")
    func ends() {
        var state = Self.running()
        state.fail(Self.reason)
        #expect(state == .failed(Self.reason, startedAt: 100))
        #expect(state.failure == Self.reason)
        state.start(at: 200)
        #expect(state.failure == nil)
        state.leave()
        #expect(state == .none)
    }

    @Test("Without a child, its events change nothing")
    func events() {
        for start in [ChildState.none, .failed(Self.reason, startedAt: 1)] {
            var state = start
            state.askForSample()
            state.open()
            state.recover()
            state.finishSample(isComplete: false, at: 5)
            state.finishQuestion(isAnswered: false, at: 5)
            #expect(state == start)
        }
    }
}
