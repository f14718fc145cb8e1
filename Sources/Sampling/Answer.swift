import Dispatch
import Synchronization

/// The answer of a call that may never return, made on a thread of its own. Who asked waits as long as can be borne and goes
/// on without it; the thread stays where it hangs.
final class Answer<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let arrived = DispatchSemaphore(value: 0)

    init(_ ask: @escaping @Sendable () -> Value) {
        DispatchQueue(label: "plimsoll.source").async { [self] in
            let answer = ask()
            value.withLock { $0 = answer }
            arrived.signal()
        }
    }

    /// nil where there is no answer within `seconds`; to be asked again later if need be.
    func wait(seconds: Double) -> Value? {
        if let value = value.withLock({ $0 }) { return value }
        _ = arrived.wait(timeout: .now() + seconds)
        return value.withLock { $0 }
    }
}

/// A call that is made again and again, but not while it hangs.
struct PatientCall<Value: Sendable> {
    private var hanging: Answer<Value>?

    /// - Parameters:
    ///   - seconds: how long to wait. What hung when it was asked last has had its time and is only looked at.
    ///   - onSlow: called where there is no answer after a second.
    /// - Returns: nil where there is no answer.
    mutating func answer(
        within seconds: Double, onSlow: () -> Void, _ ask: @escaping @Sendable () -> Value
    ) -> Value? {
        if let hanging {
            guard hanging.wait(seconds: 0) != nil else { return nil }
            // It came after its time: it is of another moment than the rest, so ask anew.
            self.hanging = nil
        }
        let answer = Answer(ask)
        if let value = answer.wait(seconds: min(1, seconds)) { return value }
        if seconds > 1 {
            onSlow()
            if let value = answer.wait(seconds: seconds - 1) { return value }
        }
        hanging = answer
        return nil
    }
}
