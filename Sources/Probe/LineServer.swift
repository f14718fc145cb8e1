import Dispatch
import Glibc
import Sampling
import Synchronization

/// The loop of a child process that answers each line with one line, and ends when its parent ends.
struct LineServer {
    let input: Int32
    let output: Int32

    /// - Parameters:
    ///   - atEnd: called on the main thread before the child ends.
    ///   - answer: called on one other thread, because a CUDA context belongs to a thread. A call can take long: the
    ///     main thread only reads, so the child ends with its parent in any case.
    func serve(atEnd: () -> Void = {}, _ answer: @escaping @Sendable (String) -> String) -> Never {
        let lines = Lines()
        let code = startThread {
            while true {
                lines.arrived.wait()
                if let line = lines.next { send(answer(line)) }
            }
        }
        if code != 0 {
            send("error 0 \(noThread(code))")
            _exit(0)
        }
        var pending: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(input, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            pending += buffer[..<count]
            while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                lines.add(String(decoding: pending[..<end], as: UTF8.self))
                pending.removeFirst(end + 1)
            }
        }
        atEnd()
        _exit(0)
    }

    private func send(_ line: String) {
        let text = line + "\n"
        _ = write(output, text, text.utf8.count)
    }

    /// The lines that were read and not yet answered.
    private final class Lines: Sendable {
        let arrived = DispatchSemaphore(value: 0)
        private let waiting = Mutex<[String]>([])

        var next: String? { waiting.withLock { $0.isEmpty ? nil : $0.removeFirst() } }

        func add(_ line: String) {
            waiting.withLock { $0.append(line) }
            arrived.signal()
        }
    }
}
