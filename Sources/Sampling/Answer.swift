import Dispatch
import Synchronization

/// The answer of a call that may take long, made on a thread of its own. Whoever asked waits as long as the deadline allows and
/// goes on without it.
final class Answer<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let arrived = DispatchSemaphore(value: 0)

    /// - Parameter failed: the answer if no thread could be started, from the reason.
    init(_ ask: @escaping @Sendable () -> Value, failed: (String) -> Value) {
        let code = startThread { [self] in
            let answer = ask()
            value.withLock { $0 = answer }
            arrived.signal()
        }
        if code != 0 { value.withLock { $0 = failed(noThread(code)) } }
    }

    /// nil if there is no answer within `seconds`; to be asked again later if need be.
    func wait(seconds: Double) -> Value? {
        if let value = value.withLock({ $0 }) { return value }
        _ = arrived.wait(timeout: .now() + seconds)
        return value.withLock { $0 }
    }
}
