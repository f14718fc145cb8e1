import Dispatch
import Probe
import Testing

struct SharedValueTests {
    @Test("Two threads that wait for each other's changes both go on")
    func turns() {
        let turn = SharedValue(0)
        let isDone = DispatchSemaphore(value: 0)
        DispatchQueue.global().async {
            for number in stride(from: 1, to: 1000, by: 2) {
                turn.wait { $0 == number }
                turn.withLock { $0 += 1 }
            }
            isDone.signal()
        }
        for number in stride(from: 0, to: 1000, by: 2) {
            turn.withLock { $0 += 1 }
            turn.wait { $0 == number + 2 }
        }
        isDone.wait()
        #expect(turn.withLock { $0 } == 1000)
    }

    @Test("A wait ends at its deadline, also one that has passed")
    func deadline() {
        let state = SharedValue(1)
        #expect(!state.wait(until: 0) { $0 == 2 })
        #expect(state.wait(until: 0) { $0 == 1 })
    }
}
