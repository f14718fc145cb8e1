import CSimulator

/// nvmlReturn_t, as far as the simulator answers with it (nvml.h).
enum Code {
    static let success: Int32 = 0
    static let uninitialized: Int32 = 1
    static let invalidArgument: Int32 = 2
    static let notSupported: Int32 = 3
    static let notFound: Int32 = 6
    static let insufficientSize: Int32 = 7
    static let driverNotLoaded: Int32 = 9
    static let versionMismatch: Int32 = 25
    static let unknown: Int32 = 999
}

/// What an `nvmlDevice_t` is here: the book's number of the device, plus one so that no handle is null.
public typealias Handle = OpaquePointer

/// The book, asked over the simulator's socket; a book that does not answer is a driver that is not loaded.
enum Book {
    static func hello() -> sim_reply? {
        ask(SIM_HELLO, bytes: sim_pid_namespace("self"), into: sim_reply())
    }

    static func device(_ number: UInt32) -> sim_device? {
        guard let device = ask(SIM_DEVICE, device: number, into: sim_device()), device.code == Code.success else {
            return nil
        }
        return device
    }

    static func device(_ handle: Handle?) -> sim_device? {
        guard let handle else { return nil }
        return device(UInt32(truncatingIfNeeded: UInt(bitPattern: handle) - 1))
    }

    static func handle(_ device: sim_device) -> Handle? {
        Handle(bitPattern: UInt(device.number) + 1)
    }

    /// The list goes into memory of the heap: 950 records are too many for a stack that is not ours.
    static func processes(_ handle: Handle, list: sim_list) -> UnsafeMutablePointer<sim_process_list>? {
        let answer = UnsafeMutablePointer<sim_process_list>.allocate(capacity: 1)
        var request = sim_request()
        request.operation = SIM_PROCESSES.rawValue
        request.device = UInt32(truncatingIfNeeded: UInt(bitPattern: handle) - 1)
        request.list = list.rawValue
        guard sim_ask(&request, answer, MemoryLayout<sim_process_list>.size) == 0 else {
            answer.deallocate()
            return nil
        }
        return answer
    }

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
