import CSimulator

/// nvmlReturn_t, as far as the simulator answers with it (nvml.h).
package enum Code {
    package static let success: Int32 = 0
    package static let uninitialized: Int32 = 1
    package static let invalidArgument: Int32 = 2
    package static let notSupported: Int32 = 3
    package static let noPermission: Int32 = 4
    package static let notFound: Int32 = 6
    package static let operatingSystem: Int32 = 17
    package static let insufficientSize: Int32 = 7
    package static let driverNotLoaded: Int32 = 9
    package static let gpuIsLost: Int32 = 15
    package static let versionMismatch: Int32 = 25
    package static let unknown: Int32 = 999
}

/// An `nvmlDevice_t`: gpusimd's number of the device, plus one so that no handle is null.
public typealias Handle = OpaquePointer

/// Requests to gpusimd over its socket. If gpusimd does not answer, the simulated driver is not loaded.
package enum SimulatorClient {
    package static func hello() -> sim_reply? {
        ask(SIM_HELLO, bytes: sim_pid_namespace("self"), into: sim_reply())
    }

    /// A device by gpusimd's number, whether visible to the process or not; nil after the last device.
    package static func device(_ number: UInt32) -> sim_device? {
        guard let device = ask(SIM_DEVICE, device: number, into: sim_device()), device.code == Code.success else {
            return nil
        }
        return device
    }

    /// The same for a library call on the device, which gpusimd counts. `code` says whether the call fails.
    package static func called(_ number: UInt32) -> sim_device {
        guard var device = ask(SIM_DEVICE, device: number, isCall: true, into: sim_device()) else {
            var failed = sim_device()
            failed.code = Code.unknown
            return failed
        }
        if device.code == Code.success, device.is_lost != 0 { device.code = Code.gpuIsLost }
        return device
    }

    package static func handle(_ number: UInt32) -> Handle? { Handle(bitPattern: UInt(number) + 1) }

    package static func number(of handle: Handle) -> UInt32 {
        UInt32(truncatingIfNeeded: UInt(bitPattern: handle) - 1)
    }

    /// The caller deallocates the list. It is on the heap because 950 records are too large for a foreign program's
    /// stack.
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
        request.is_call = 1
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
        ask(SIM_ACCOUNT, device: number(of: handle), bytes: UInt64(pid), isCall: true, into: sim_reply())
    }

    package static func set(_ mode: sim_mode, _ isOn: UInt32, on handle: Handle) -> Int32 {
        var request = sim_request()
        request.operation = SIM_SET_MODE.rawValue
        request.device = number(of: handle)
        request.list = mode.rawValue
        request.bytes = UInt64(isOn)
        request.is_call = 1
        var reply = sim_reply()
        return sim_ask(&request, &reply, MemoryLayout<sim_reply>.size) == 0 ? reply.code : Code.unknown
    }

    private static func ask<Reply: BitwiseCopyable>(
        _ operation: sim_operation, device: UInt32 = 0, bytes: UInt64 = 0, isCall: Bool = false, into empty: Reply
    ) -> Reply? {
        var request = sim_request()
        request.operation = operation.rawValue
        request.device = device
        request.bytes = bytes
        request.is_call = isCall ? 1 : 0
        var reply = empty
        return sim_ask(&request, &reply, MemoryLayout<Reply>.size) == 0 ? reply : nil
    }
}

/// Answers a call that needs no device. Before nvmlInit and after the last nvmlShutdown every call except these two
/// and nvmlErrorString answers UNINITIALIZED (nvml.h, nvmlInit_v2 and nvmlShutdown).
package func onDriver(_ answer: (sim_reply) -> Int32) -> Int32 {
    guard sim_is_initialized() != 0 else { return Code.uninitialized }
    guard let hello = SimulatorClient.hello() else { return Code.unknown }
    return answer(hello)
}

/// Answers a call on a device.
package func onDevice(_ handle: Handle?, _ answer: (sim_device) -> Int32) -> Int32 {
    guard sim_is_initialized() != 0 else { return Code.uninitialized }
    guard let handle else { return Code.invalidArgument }
    let device = SimulatorClient.called(SimulatorClient.number(of: handle))
    return device.code == Code.success ? answer(device) : device.code
}

/// Answers a call that returns the handle of a device.
package func take(_ number: UInt32, _ result: UnsafeMutablePointer<Handle?>?) -> Int32 {
    guard let result else { return Code.invalidArgument }
    var device = SimulatorClient.called(number)
    guard device.code == Code.success else { return device.code }
    sim_apply_faults(&device)
    guard device.handle_code == Code.success else { return device.handle_code }
    result.pointee = SimulatorClient.handle(number)
    return Code.success
}

package func give(_ value: UInt32, to result: UnsafeMutablePointer<UInt32>?) -> Int32 {
    guard let result else { return Code.invalidArgument }
    result.pointee = value
    return Code.success
}

/// Copies a C string field of a record, as NVML does: completely, or not at all (INSUFFICIENT_SIZE).
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
