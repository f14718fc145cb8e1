import Glibc
import HostFS
import Ledger
import Sampling

/// Why memory could not be allocated.
package enum AllocationError: Error, CustomStringConvertible {
    case outOfMemory
    /// CUDA does not show this device here: CUDA_VISIBLE_DEVICES names others.
    case notShown
    case failed(String)

    package var description: String {
        switch self {
        case .outOfMemory: "out of memory"
        case .notShown: "CUDA does not show this device here; CUDA_VISIBLE_DEVICES may name others"
        case .failed(let why): why
        }
    }
}

/// Memory of a device that a child of this program holds until it is told to end, or this program ends.
package final class Allocation {
    private let child: OwnChild
    private let timeout: Double
    private var lines: ChildLines

    package var pid: UInt32 { UInt32(child.pid) }

    /// - Parameters:
    ///   - library: the CUDA driver's; nil for the system's.
    ///   - timeout: seconds that a step may take.
    package init(library: String?, timeout: Double) throws(AllocationError) {
        guard let child = OwnChild.start([AllocationChild.name, library ?? LoaderChild.libraries[1]]) else {
            throw .failed("the process that allocates could not be started: \(String(cString: strerror(errno)))")
        }
        self.child = child
        lines = ChildLines(child)
        self.timeout = timeout
    }

    /// Makes a context, which every process on a device has.
    package func makeContext(on uuid: String) throws(AllocationError) { _ = try ask("context \(uuid)") }

    package func allocate(_ bytes: Bytes) throws(AllocationError) { _ = try ask("allocate \(bytes)") }

    /// Allocates the largest block that is to be had.
    package func allocateLargest() throws(AllocationError) -> Bytes { try ask("largest") }

    private func ask(_ question: String) throws(AllocationError) -> Bytes {
        let line = question + "\n"
        guard send(child.channel, line, line.utf8.count, Int32(MSG_NOSIGNAL)) == line.utf8.count else {
            throw .failed(ended)
        }
        let words = try answer().split(separator: " ", maxSplits: 2)
        switch words.first {
        case "ok": return words.count > 1 ? Bytes(words[1]) ?? 0 : 0
        case "absent": throw .notShown
        default:
            guard words.count == 3 else { throw .failed("the process that allocates answered '\(words.joined())'") }
            if Int32(words[1]) == CUDAError.outOfMemory { throw .outOfMemory }
            throw .failed(String(words[2]))
        }
    }

    private func answer() throws(AllocationError) -> String {
        do throws(ChildLines.End) {
            return try lines.next(within: timeout)
        } catch {
            throw .failed(error == .silent ? "CUDA gave no answer within \(timeout.plain) s" : ended)
        }
    }

    private var ended: String {
        var status: Int32 = 0
        for _ in 0..<100 where waitpid(child.pid, &status, WNOHANG) == 0 { usleep(1000) }
        return status & 0x7F != 0
            ? "the CUDA library crashed (\(String(cString: strsignal(status & 0x7F))))"
            : "the process that allocates has ended"
    }

    /// Ends the child, and with it everything that it holds. Waits for that a moment; a driver may take longer.
    package func end() {
        kill(child.pid, SIGKILL)
        for _ in 0..<1000 where waitpid(child.pid, nil, WNOHANG) == 0 { usleep(1000) }
    }

    deinit { close(child.channel) }
}
