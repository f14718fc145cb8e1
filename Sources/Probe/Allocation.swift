import Glibc
import HostFS
import Ledger
import Sampling

/// Why memory could not be allocated.
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

/// Memory of a device that a child of this program holds until it is told to end, or this program ends.
package final class Allocation {
    private let child: HelperProcess
    private let timeout: Double
    private var lines: ChildLines
    /// Digits of the UUIDs of the devices that CUDA shows.
    private var shown: Set<String>?

    package var pid: UInt32 { UInt32(child.pid) }

    /// - Parameters:
    ///   - library: the CUDA driver's; nil for the system's.
    ///   - timeout: seconds that a step may take.
    package init(library: String?, timeout: Double) throws(AllocationError) {
        do throws(ChildStartError) {
            child = try HelperProcess.start([AllocationChild.name, library ?? LoaderChild.libraries[1]], holds: true)
        } catch {
            throw .failed("the process that allocates could not be started: \(error)")
        }
        lines = ChildLines(child)
        self.timeout = timeout
    }

    /// Whether CUDA shows a device here, which CUDA_VISIBLE_DEVICES decides.
    ///
    /// - Parameter uuid: "GPU-…" or "MIG-…", as NVML writes it.
    package func shows(_ uuid: String) throws(AllocationError) -> Bool {
        if shown == nil { shown = Set(try ask("devices").split(separator: ",").map(String.init)) }
        return shown?.contains(Self.digits(of: uuid)) == true
    }

    static func digits(of uuid: String) -> String {
        uuid.drop { $0 != "-" }.filter { $0 != "-" }.lowercased()
    }

    /// Makes a context, which every process on a device has. Of a device that is shown.
    package func makeContext(on uuid: String) throws(AllocationError) {
        _ = try ask("context \(Self.digits(of: uuid))")
    }

    package func allocate(_ bytes: Bytes) throws(AllocationError) { _ = try ask("allocate \(bytes)") }

    /// Allocates the largest block that is to be had.
    package func allocateLargest() throws(AllocationError) -> Bytes {
        guard let bytes = Bytes(try ask("largest")), bytes > 0 else { throw .outOfMemory }
        return bytes
    }

    private func ask(_ question: String) throws(AllocationError) -> Substring {
        let asked = question + "\n"
        guard send(child.channel, asked, asked.utf8.count, Int32(MSG_NOSIGNAL)) == asked.utf8.count else {
            throw .failed(ended)
        }
        let line = try answer()
        // The text of an error is the library's.
        let words = line.utf8.split(separator: UInt8(ascii: " "), maxSplits: 2).map { Substring($0) }
        switch words.first {
        case "ok": return words.count > 1 ? words[1] : ""
        default:
            guard words.count == 3 else { throw .failed("the process that allocates answered '\(Self.bounded(line))'") }
            if Int32(words[1]) == CUDAError.outOfMemory { throw .outOfMemory }
            throw .failed(Self.bounded(String(words[2])))
        }
    }

    private static func bounded(_ text: String) -> String { text.capped(at: TextLimit.message).cleaned }

    private func answer() throws(AllocationError) -> String {
        do throws(ChildLines.Failure) {
            return try lines.next(within: timeout)
        } catch {
            throw .failed(error == .silent ? "CUDA gave no answer within \(timeout.plain) s" : ended)
        }
    }

    private var ended: String {
        switch child.end(within: 0.1)?.signal {
        case SIGKILL: return "the process that allocates was killed"
        case let signal?: return "the CUDA library crashed (\(String(cString: strsignal(signal))))"
        case nil: return "the process that allocates has ended"
        }
    }

    /// Ends the child, and with it everything that it holds. Waits for that a moment; a driver may take longer.
    package func end() { child.kill(waiting: 1) }

    /// Waits, and throws where the child ends meanwhile: what it held is free then.
    package func hold(seconds: Double) throws(AllocationError) {
        // It says nothing unasked: what comes is the end of the channel.
        var waiting = pollfd(fd: child.channel, events: Int16(POLLIN), revents: 0)
        if poll(&waiting, 1, Int32((min(max(0, seconds), 3600) * 1000).rounded(.up))) > 0 { throw .failed(ended) }
    }

    deinit { close(child.channel) }
}
