import Dispatch
import Glibc
import Sampling
import Synchronization

/// A child process that answers each line with one line, and ends when its parent ends.
struct LineServer {
    let input: Int32
    let output: Int32

    /// - Parameters:
    ///   - answer: called on one thread, because a CUDA context is current on a thread. It may take long: the main thread only
    ///     listens, so that the end of the parent ends the child all the same.
    ///   - atEnd: what is done before the child ends, on the main thread.
    func serve(atEnd: () -> Void = {}, _ answer: @escaping @Sendable (String) -> String) -> Never {
        let lines = Lines()
        let code = startThread {
            while true {
                lines.arrived.wait()
                if let line = lines.next { tell(answer(line)) }
            }
        }
        if code != 0 {
            tell("error 0 \(noThread(code))")
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

    private func tell(_ line: String) {
        let told = line + "\n"
        _ = write(output, told, told.utf8.count)
    }

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
