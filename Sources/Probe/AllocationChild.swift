import CCUDA
import Dispatch
import Glibc
import HostFS
import Ledger
import Sampling
import Synchronization

/// This program as a child that allocates on a GPU: words on a line in, words on a line out. It ends with its channel, and
/// all that it held goes with it.
package enum AllocationChild {
    static let name = "plimsoll-cuda"

    /// Serves where this program was started as the child, and does not return then.
    package static func serveIfAsked() {
        guard ProgramArguments.all.first == name, ProgramArguments.all.count == 2 else { return }
        OwnChild.settle(as: name)
        let worker = Worker(library: ProgramArguments.all[1])
        // A call may take long. The main thread only listens, so that the end of the parent ends the child all the same.
        let code = startThread { worker.serve() }
        if code != 0 {
            tell("error 0 \(noThread(code))")
            _exit(0)
        }
        var pending: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(OwnChild.channel, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { _exit(0) }
            pending += buffer[..<count]
            while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeFirst(end + 1)
                worker.take(line)
            }
        }
    }

    fileprivate static func tell(_ line: String) {
        let told = line + "\n"
        _ = write(OwnChild.channel, told, told.utf8.count)
    }
}

/// What the child does, one call after another.
private final class Worker: @unchecked Sendable {
    private let library: String
    private var driver: CUDADriver?
    private var context: ccuda_context?
    /// By the digits of their UUIDs.
    private var devices: [String: Int32] = [:]
    private var held: [UInt64] = []

    private let lines = Mutex<[String]>([])
    private let arrived = DispatchSemaphore(value: 0)

    init(library: String) {
        self.library = library
    }

    func take(_ line: String) {
        lines.withLock { $0.append(line) }
        arrived.signal()
    }

    /// All calls are made on this one thread: a context is current on a thread.
    func serve() {
        while true {
            arrived.wait()
            if let line = lines.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { answer(line) }
        }
    }

    private func answer(_ line: String) {
        let words = line.split(separator: " ").map(String.init)
        let told: String
        do throws(CUDAError) {
            told = try serve(words)
        } catch {
            // On one line, whatever is in the text of a library: one line is one answer.
            told = "error \(error.code) \(error.description.capped(at: TextLimit.message).cleaned)"
        }
        AllocationChild.tell(told)
    }

    private func serve(_ words: [String]) throws(CUDAError) -> String {
        switch words.first {
        case "devices":
            do throws(CUDAError) {
                driver = try CUDADriver(library: library)
                devices = try driver?.devices() ?? [:]
            } catch {
                // CUDA_VISIBLE_DEVICES may name none.
                guard error.code == CUDAError.noDevice else { throw error }
            }
            return "ok \(devices.keys.joined(separator: ","))"
        case "context":
            guard let driver, let device = devices[words[1]] else { return "absent" }
            context = try driver.makeContext(on: device)
            return "ok"
        case "allocate":
            guard let driver, let bytes = UInt64(words[1]) else { return "absent" }
            try driver.enter(context)
            try hold(bytes, driver)
            return "ok"
        case "largest":
            guard let driver else { return "absent" }
            try driver.enter(context)
            return "ok \(try largest(driver))"
        default: return "absent"
        }
    }

    /// The largest block that is to be had, which stays allocated: fragments and what the driver keeps back make it smaller
    /// than what is free.
    private func largest(_ driver: CUDADriver) throws(CUDAError) -> UInt64 {
        let step: UInt64 = 2 << 20
        var (least, most) = (UInt64(0), try driver.freeMemory() / step)
        while least < most {
            let middle = (least + most + 1) / 2
            do throws(CUDAError) {
                try driver.free(try driver.allocate(middle * step))
                least = middle
            } catch {
                guard error.code == CUDAError.outOfMemory else { throw error }
                most = middle - 1
            }
        }
        if least > 0 { try hold(least * step, driver) }
        return least * step
    }

    private func hold(_ bytes: UInt64, _ driver: CUDADriver) throws(CUDAError) {
        let address = try driver.allocate(bytes)
        held.append(address)
        try driver.fill(address, bytes)
    }
}
