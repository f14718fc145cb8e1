import CSimulator

/// nvmlReturn_t, as far as the simulator answers with it (nvml.h).
package enum Code {
    package static let success: Int32 = 0
    package static let uninitialized: Int32 = 1
    package static let invalidArgument: Int32 = 2
    package static let notSupported: Int32 = 3
    package static let notFound: Int32 = 6
    package static let insufficientSize: Int32 = 7
    package static let driverNotLoaded: Int32 = 9
    package static let versionMismatch: Int32 = 25
    package static let unknown: Int32 = 999
}

/// What an `nvmlDevice_t` is here: the book's number of the device, plus one so that no handle is null.
public typealias Handle = OpaquePointer

/// The book, asked over the simulator's socket; a book that does not answer is a driver that is not loaded.
package enum Book {
    package static func hello() -> sim_reply? {
        ask(SIM_HELLO, bytes: sim_pid_namespace("self"), into: sim_reply())
    }

    package static func device(_ number: UInt32) -> sim_device? {
        guard let device = ask(SIM_DEVICE, device: number, into: sim_device()), device.code == Code.success else {
            return nil
        }
        return device
    }

    package static func device(_ handle: Handle?) -> sim_device? {
        guard let handle else { return nil }
        return device(number(of: handle))
    }

    package static func handle(_ device: sim_device) -> Handle? {
        Handle(bitPattern: UInt(device.number) + 1)
    }

    /// The list goes into memory of the heap: 950 records are too many for a stack that is not ours.
    package static func processes(_ handle: Handle, list: sim_list) -> UnsafeMutablePointer<sim_process_list>? {
        self.list(SIM_PROCESSES, number(of: handle), list: list)
    }

    private static func list(
        _ operation: sim_operation, _ device: UInt32, list: sim_list
    ) -> UnsafeMutablePointer<sim_process_list>? {
        let answer = UnsafeMutablePointer<sim_process_list>.allocate(capacity: 1)
        var request = sim_request()
        request.operation = operation.rawValue
        request.device = device
        request.list = list.rawValue
        guard sim_ask(&request, answer, MemoryLayout<sim_process_list>.size) == 0 else {
            answer.deallocate()
            return nil
        }
        return answer
    }

    package static func accounts(_ handle: Handle) -> UnsafeMutablePointer<sim_process_list>? {
        list(SIM_ACCOUNTS, number(of: handle), list: SIM_COMPUTE)
    }

    package static func account(of pid: UInt32, on handle: Handle) -> sim_reply? {
        ask(SIM_ACCOUNT, device: number(of: handle), bytes: UInt64(pid), into: sim_reply())
    }

    private static func number(of handle: Handle) -> UInt32 { UInt32(truncatingIfNeeded: UInt(bitPattern: handle) - 1) }

    private static func ask<Reply: BitwiseCopyable>(
        _ operation: sim_operation, device: UInt32 = 0, bytes: UInt64 = 0, into empty: Reply
    ) -> Reply? {
        var request = sim_request()
        request.operation = operation.rawValue
        request.device = device
        request.bytes = bytes
        var reply = empty
        return sim_ask(&request, &reply, MemoryLayout<Reply>.size) == 0 ? reply : nil
    }
}

/// Copies a C string field of a record, as NVML copies its names: whole, or not at all.
func copy<Field>(_ field: Field, to buffer: UnsafeMutablePointer<CChar>?, _ length: UInt32) -> Int32 {
    guard let buffer else { return Code.invalidArgument }
    return withUnsafeBytes(of: field) { bytes in
        let count = bytes.firstIndex(of: 0) ?? bytes.count
        guard count < Int(length) else { return Code.insufficientSize }
        for index in 0..<count { buffer[index] = CChar(truncatingIfNeeded: bytes[index]) }
        buffer[count] = 0
        return Code.success
    }
}
