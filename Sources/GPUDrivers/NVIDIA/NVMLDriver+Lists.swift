import CNVML
import Ledger

extension NVMLDriver {
    /// One of the driver's process lists. The first call, with no room, tells how many there are; they can grow before the
    /// second, so it gets room to spare and is repeated while that does not do.
    ///
    /// - Parameter stride: bytes of a record, by the symbols that the library has.
    func list(_ call: cnvml_list?, expecting stride: Int, of device: cnvml_device) -> ListReading {
        guard let call else { return .absent }
        var count: UInt32 = 0
        var code = NVMLCode(value: call(device, &count, nil))
        for _ in 0..<8 where code == .insufficientSize || code == .success && count > 0 {
            guard count <= CountLimit.listedProcesses else { return .tooLong(Int(count)) }
            let room = Int(count) * 2 + 8
            var records = [UInt8](repeating: ProcessRecords.untouched, count: room * ProcessRecords.longest)
            count = UInt32(room)
            code = NVMLCode(value: records.withUnsafeMutableBytes { call(device, &count, $0.baseAddress) })
            if code == .success {
                // More than the room it was given: what lies behind is not ours to read, and what is here is a part.
                guard count <= room else { return .failed("the driver's process list is longer than it said") }
                guard count <= CountLimit.listedProcesses else { return .tooLong(Int(count)) }
                return ProcessRecords(bytes: records, count: Int(count)).list(expecting: stride)
            }
        }
        switch code {
        case .success: return .read([])
        case .notSupported: return .absent
        default: return .failed("the driver's process list: \(code)")
        }
    }
}

/// What a list call wrote. How long its records are is told by no one: by name 16, 24 or 32 bytes, but the drivers from
/// 535.43 to 535.86 changed that under one name (nvitop, issues 79 and 89), and one is reported whose third version has 16
/// (issue 226). So the room is filled with a pattern beforehand, and what was touched must fit.
struct ProcessRecords {
    static let untouched: UInt8 = 0xA5
    static let longest = 32

    let bytes: [UInt8]
    let count: Int

    /// - Parameter stride: the length by name, which decides where the bytes leave it open.
    func list(expecting stride: Int) -> ListReading {
        guard count > 0 else { return .read([]) }
        // The last field of each layout is written whole, and none of its values ends in the pattern.
        let touched = (bytes.lastIndex { $0 != Self.untouched } ?? -1) + 1
        let fitting = [16, 24, 32].first { $0 * count == touched }
        // A driver that clears all of the room, or begins a record behind the last and drops it, says nothing by it.
        let isLoose = touched > count * Self.longest || (count * stride..<(count + 1) * stride).contains(touched)
        guard let stride = fitting ?? (isLoose ? stride : nil) else {
            return .failed("the driver's process list has records of a length that is not known")
        }
        let processes = processes(stride: stride)
        // Jetson's driver has listed such (nv-monitor, issue 17), and so would records that are read at the wrong length.
        guard processes.allSatisfy({ 1...Self.highestPID ~= $0.pid }) else {
            return .failed("the driver lists a PID that no process can have")
        }
        return .read(processes)
    }

    /// PID_MAX_LIMIT of include/linux/threads.h, on 64 bits.
    private static let highestPID: UInt32 = 4 << 20

    /// nvmlProcessInfo_t by its offsets: pid at 0, usedGpuMemory at 8; from 24 bytes on gpuInstanceId at 16 and
    /// computeInstanceId at 20. All ones is NVML_VALUE_NOT_AVAILABLE.
    private func processes(stride: Int) -> [ListedProcess] {
        bytes.withUnsafeBytes { bytes in
            (0..<count).map { index in
                let start = index * stride
                let used = bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self)
                func instance(_ offset: Int) -> UInt32? {
                    guard stride >= 24 else { return nil }
                    let id = bytes.loadUnaligned(fromByteOffset: start + offset, as: UInt32.self)
                    return id == .max ? nil : id
                }
                return ListedProcess(
                    pid: bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self), bytes: used == .max ? nil : used,
                    gpuInstance: instance(16), computeInstance: instance(20))
            }
        }
    }
}
