import Glibc
import HostFS

/// Why a child did not answer.
enum DriverProcessError: Error {
    case notStarted(ChildStartError)
    /// The child ended: by the library, or by a signal from outside. nil if not by a signal.
    case ended(signal: Int32?)
    case notUnderstood
    /// It does not read what it is asked.
    case deaf

    func description(_ role: ChildRole) -> String {
        let who = role == .nvidia ? "the process that asks the driver" : "the process that reads the host's files"
        switch self {
        case .notStarted(let error): return "\(who) could not be started: \(error)"
        case .ended(SIGKILL): return "\(who) was killed"
        case .ended(let signal?) where role == .nvidia:
            return "the driver's library crashed (\(String(cString: strsignal(signal))))"
        case .ended(let signal?): return "\(who) crashed (\(String(cString: strsignal(signal))))"
        case .ended: return "\(who) ended by itself"
        case .deaf: return "\(who) does not listen"
        case .notUnderstood: return "\(who) answered what cannot be understood"
        }
    }
}

/// The child (`DriverChild`), from its parent's side. Used by one thread.
final class DriverProcess {
    private let child: HelperProcess
    private var channel: Int32 { child.channel }
    private var buffer = FrameBuffer()
    private var received = [UInt8](repeating: 0, count: 1 << 16)

    init(_ role: ChildRole, _ plan: SamplingPlan) throws(DriverProcessError) {
        do throws(ChildStartError) {
            child = try DriverChild.start()
        } catch {
            throw .notStarted(error)
        }
        // Before it has a second thread, which has the priority of the one that starts it.
        if plan.lowPriority {
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(child.pid), SamplingPlan.behind)
        }
        try send(DriverQuestion(role, plan).frame, until: monotonicSeconds() + plan.deviceTimeout)
    }

    /// - Parameter deadline: in seconds of the monotonic clock.
    func ask(_ request: ChildRequest, until deadline: Double) throws(DriverProcessError) {
        try send(request.frame, until: deadline)
    }

    /// A child that writes while we do waits for us to read.
    private func send(_ frame: [UInt8], until deadline: Double) throws(DriverProcessError) {
        var rest = frame[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(channel, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: channel, events: Int16(POLLIN | POLLOUT), revents: 0)
                let left = deadline - monotonicSeconds()
                guard left > 0 else { throw .deaf }
                _ = poll(&waiting, 1, Int32(min(left * 1000, 2e9).rounded(.up)))
                if Int32(waiting.revents) & POLLIN != 0 { try receive() }
            } else if errno != EINTR {
                throw end()
            }
        }
    }

    private func receive() throws(DriverProcessError) {
        let count = recv(channel, &received, received.count, 0)
        if count < 0 && errno == EINTR { return }
        guard count > 0 else { throw end() }
        buffer.append(received[..<count])
    }

    /// - Parameter deadline: in seconds of the monotonic clock; after it, only messages that have already arrived are
    ///   taken.
    /// - Returns: nil if nothing arrived in time.
    func message(until deadline: Double) throws(DriverProcessError) -> DriverMessage? {
        while true {
            do throws(WireError) {
                if let message = try buffer.next() { return message }
            } catch {
                throw .notUnderstood
            }
            var waiting = pollfd(fd: channel, events: Int16(POLLIN), revents: 0)
            let left = max(0, deadline - monotonicSeconds())
            let ready = poll(&waiting, 1, Int32(min(left * 1000, 2e9).rounded(.up)))
            if ready < 0 && errno == EINTR { continue }
            if ready <= 0 { return nil }
            try receive()
        }
    }

    /// It closed the channel: it has ended, or is about to.
    private func end() -> DriverProcessError {
        .ended(signal: child.end(within: 0.1)?.signal)
    }

    /// Kills it and does not wait; if it sleeps in the kernel, it stays until the kernel lets it go.
    func abandon() { child.kill() }

    var isGone: Bool { child.end != nil }

    deinit {
        close(channel)
        child.forget()
    }
}

package func monotonicSeconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}
