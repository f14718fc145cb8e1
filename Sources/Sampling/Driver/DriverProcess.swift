import Glibc
import HostFS

/// Why the driver's child did not answer.
enum DriverProcessError: Error, CustomStringConvertible {
    case notStarted(code: Int32)
    /// The library, or somebody, ended it; by which signal, if by one.
    case ended(signal: Int32?)
    case notUnderstood

    var description: String {
        switch self {
        case .notStarted(let code):
            "the process that asks the driver could not be started: \(String(cString: strerror(code)))"
        case .ended(SIGKILL): "the process that asks the driver was killed"
        case .ended(let signal?): "the driver's library crashed (\(String(cString: strsignal(signal))))"
        case .ended: "the process that asks the driver has ended by itself"
        case .notUnderstood: "the process that asks the driver answered what cannot be understood"
        }
    }
}

/// The child that asks the driver (`DriverChild`), from its parent's side. Used by one thread.
final class DriverProcess {
    private let child: OwnChild
    private var channel: Int32 { child.channel }
    private var buffer = FrameBuffer()
    private var received = [UInt8](repeating: 0, count: 1 << 16)

    init(_ drivers: Drivers, _ plan: SamplingPlan) throws(DriverProcessError) {
        guard let child = DriverChild.start(drivers) else { throw .notStarted(code: errno) }
        self.child = child
        // Before it has a second thread, which has the priority of the one that starts it.
        if plan.standsBack {
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(child.pid), SamplingPlan.behind)
        }
        let question = DriverQuestion(drivers, plan).frame
        guard send(channel, question, question.count, Int32(MSG_NOSIGNAL)) == question.count else { throw end() }
    }

    func ask(_ request: DriverRequest) throws(DriverProcessError) {
        let frame = request.frame
        guard send(channel, frame, frame.count, Int32(MSG_NOSIGNAL)) == frame.count else { throw end() }
    }

    /// - Parameter deadline: in seconds of the monotonic clock; one that has passed takes what is there.
    /// - Returns: nil where nothing came in time.
    func message(until deadline: Double) throws(DriverProcessError) -> DriverMessage? {
        while true {
            do throws(WireError) {
                if let message = try buffer.next() { return message }
            } catch {
                throw .notUnderstood
            }
            var waiting = pollfd(fd: channel, events: Int16(POLLIN), revents: 0)
            let left = max(0, deadline - monotonicSeconds())
            let ready = poll(&waiting, 1, Int32(min(left * 1000, 1e6).rounded(.up)))
            if ready < 0 && errno == EINTR { continue }
            if ready <= 0 { return nil }
            let count = recv(channel, &received, received.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw end() }
            buffer.append(received[..<count])
        }
    }

    /// It closed the channel: it has ended, or is about to.
    private func end() -> DriverProcessError {
        .ended(signal: child.end(within: 0.1)?.signal)
    }

    func end(within seconds: Double) {
        shutdown(channel, Int32(SHUT_RDWR))
        _ = child.end(within: seconds)
    }

    /// Ends it where that can be done; where it sleeps in the kernel it stays until the kernel lets it go.
    func abandon() { child.kill() }

    var isGone: Bool { child.end != nil }

    deinit { close(channel) }
}

package func monotonicSeconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}
