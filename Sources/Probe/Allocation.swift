import Glibc
import HostFS
import Ledger
import Sampling

/// Why GPU memory could not be allocated.
package enum AllocationError: Error, CustomStringConvertible {
    case outOfMemory
    case failed(String)

    package var description: String {
        switch self {
        case .outOfMemory: "out of memory"
        case .failed(let why): why
        }
    }
}

/// GPU memory that a child process holds until `end`, or until this program ends.
package final class Allocation {
    private let child: HelperProcess
    private let timeout: Double
    private var lines: ChildLines
    /// The devices that CUDA shows, as the hexadecimal digits of their UUIDs; nil before the first question.
    private var visible: Set<String>?

    package var pid: UInt32 { UInt32(child.pid) }

    /// - Parameters:
    ///   - library: path of the CUDA driver library; nil for the system's library.
    ///   - timeout: time limit of one request to the child, in seconds.
    package init(library: String?, timeout: Double) throws(AllocationError) {
        do throws(ChildStartError) {
            child = try HelperProcess.start([AllocationChild.name, library ?? LoaderChild.libraries[1]], holds: true)
        } catch {
            throw .failed("cannot start the process that allocates: \(error)")
        }
        lines = ChildLines(child)
        self.timeout = timeout
    }

    /// Whether CUDA shows this device. CUDA_VISIBLE_DEVICES decides that.
    ///
    /// - Parameter uuid: "GPU-…" or "MIG-…", as NVML writes it.
    package func shows(_ uuid: String) throws(AllocationError) -> Bool {
        if visible == nil { visible = Set(try ask("devices").split(separator: ",").map(String.init)) }
        return visible?.contains(Self.digits(of: uuid)) == true
    }

    /// The hexadecimal digits of a UUID, without prefix and hyphens, in lower case.
    static func digits(of uuid: String) -> String {
        uuid.drop { $0 != "-" }.filter { $0 != "-" }.lowercased()
    }

    /// Creates a CUDA context, without which a process cannot allocate.
    ///
    /// - Parameter uuid: of a device that CUDA shows.
    package func makeContext(on uuid: String) throws(AllocationError) {
        _ = try ask("context \(Self.digits(of: uuid))")
    }

    package func allocate(_ bytes: Bytes) throws(AllocationError) { _ = try ask("allocate \(bytes)") }

    /// Allocates the largest available block.
    ///
    /// - Returns: its size in bytes.
    package func allocateLargest() throws(AllocationError) -> Bytes {
        guard let bytes = Bytes(try ask("largest")), bytes > 0 else { throw .outOfMemory }
        return bytes
    }

    /// - Returns: the second word of the answer; empty if there is none.
    private func ask(_ request: String) throws(AllocationError) -> Substring {
        let sent = request + "\n"
        guard send(child.channel, sent, sent.utf8.count, Int32(MSG_NOSIGNAL)) == sent.utf8.count else {
            throw .failed(endOfChild)
        }
        let line = try answer()
        // "ok VALUE", or "error CODE TEXT". TEXT comes from the library and can hold anything.
        let words = line.utf8.split(separator: UInt8(ascii: " "), maxSplits: 2).map { Substring($0) }
        switch words.first {
        case "ok": return words.count > 1 ? words[1] : ""
        default:
            guard words.count == 3 else {
                throw .failed("the process that allocates gave an unknown answer: \(Self.bounded(line))")
            }
            if Int32(words[1]) == CUDAError.outOfMemory { throw .outOfMemory }
            throw .failed(Self.bounded(String(words[2])))
        }
    }

    private static func bounded(_ text: String) -> String { text.capped(at: TextLimit.message).cleaned }

    private func answer() throws(AllocationError) -> String {
        do throws(ChildLines.Failure) {
            return try lines.next(within: timeout)
        } catch {
            throw .failed(
                error == .silent ? "CUDA gave no answer within \(timeout.plain) s; raise --timeout" : endOfChild)
        }
    }

    /// How the child ended, in words.
    private var endOfChild: String {
        switch child.end(within: 0.1)?.signal {
        case SIGKILL: return "the process that allocates was killed"
        case let signal?: return "the CUDA library crashed (\(String(cString: strsignal(signal))))"
        case nil: return "the process that allocates has ended"
        }
    }

    /// Kills the child, which frees all that it holds. Waits up to 1 s for its end; a driver can need longer.
    package func end() { child.kill(waiting: 1) }

    /// Waits.
    ///
    /// - Throws: if the child ends meanwhile. Then its memory is free.
    package func hold(seconds: Double) throws(AllocationError) {
        // The child writes only answers, so anything to read is the end of the channel.
        var waiting = pollfd(fd: child.channel, events: Int16(POLLIN), revents: 0)
        if poll(&waiting, 1, Int32((min(max(0, seconds), 3600) * 1000).rounded(.up))) > 0 { throw .failed(endOfChild) }
    }

    deinit { close(child.channel) }
}
