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
