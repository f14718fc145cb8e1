import CCUDA
import Glibc
import Ledger
import Sampling

/// This program as a child process that allocates GPU memory. The child answers each line of words with one line of
/// words. The child ends when its channel ends, which frees all that it holds.
package enum AllocationChild {
    static let name = "plimsoll-cuda"

    /// Serves and does not return, if this program was started as this child.
    package static func serveIfAsked() {
        guard ProgramArguments.all.first == name, ProgramArguments.all.count == 2 else { return }
        HelperProcess.settle(as: name)
        let worker = Worker(library: ProgramArguments.all[1])
        LineServer(input: HelperProcess.channel, output: HelperProcess.channel).serve { worker.answer($0) }
    }
}

/// Answers the requests of `Allocation`, one after another.
private final class Worker: @unchecked Sendable {
    private let library: String
    private var driver: CUDADriver?
    private var context: ccuda_context?
    /// CUdevice by the digits of the UUID (`Allocation.digits`).
    private var devices: [String: Int32] = [:]
    /// Addresses of the allocations.
    private var held: [UInt64] = []

    init(library: String) {
        self.library = library
    }

    func answer(_ line: String) -> String {
        let words = line.split(separator: " ").map(String.init)
        do throws(CUDAError) {
            return try serve(words)
        } catch {
            // A library's text can have line breaks, and one line is one answer.
            return "error \(error.code) \(error.description.capped(at: TextLimit.message).cleaned)"
        }
    }

    private func serve(_ words: [String]) throws(CUDAError) -> String {
        switch words.first {
        case "devices":
            do throws(CUDAError) {
                driver = try CUDADriver(library: library)
                devices = try driver?.devices() ?? [:]
            } catch {
                // CUDA_VISIBLE_DEVICES can hide every device.
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

    /// Allocates the largest available block, in steps of 2 MiB. The block is smaller than the free memory, because of
    /// fragmentation and because of memory that the driver keeps back.
    ///
    /// - Returns: its size in bytes; 0 if there is none.
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
        try driver.fill(address, bytes: bytes)
    }
}
