import Glibc

/// A value that threads share. A thread can wait until the value meets a condition.
///
/// This is a mutex and one condition variable, because two threads can wait at the same moment. With a semaphore, the
/// thread that signals could take its own signal. The `Mutex` of Synchronization has no condition variable.
package final class SharedValue<Value: Sendable>: @unchecked Sendable {
    // All access is between `pthread_mutex_lock` and `pthread_mutex_unlock`.
    private var value: Value
    // On the heap: their addresses must not change.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init(_ value: Value) {
        self.value = value
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        defer { pthread_condattr_destroy(&attributes) }
        // The default is the wall clock, which can be set while a thread waits.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(change, &attributes)
    }

    deinit {
        pthread_cond_destroy(change)
        pthread_mutex_destroy(mutex)
        change.deallocate()
        mutex.deallocate()
    }

    /// Reads or changes the value, and wakes the threads that wait.
    package func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(change)
            pthread_mutex_unlock(mutex)
        }
        return body(&value)
    }

    /// Waits until the condition holds.
    ///
    /// - Parameter deadline: seconds of the monotonic clock; nil to wait without end.
    /// - Returns: false if the condition does not hold at the deadline.
    @discardableResult
    package func wait(until deadline: Double? = nil, for isMet: (Value) -> Bool) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !isMet(value) {
            guard let deadline else {
                pthread_cond_wait(change, mutex)
                continue
            }
            let whole = deadline.rounded(.down)
            var time = timespec(tv_sec: Int(whole), tv_nsec: Int((deadline - whole) * 1e9))
            // An error is a deadline that has passed (ETIMEDOUT).
            if pthread_cond_timedwait(change, mutex, &time) != 0 { return isMet(value) }
        }
        return true
    }
}
