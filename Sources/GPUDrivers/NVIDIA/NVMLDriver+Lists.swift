import CNVML
import Ledger

/// A process list that was asked for.
struct ListAnswer {
    var reading: ListReading
    /// Records that were left out of it, because no process can have their PID.
    var leftOut = 0
}

extension NVMLDriver {
    /// One of the driver's process lists, by the newest of the library's functions that this driver has.
    func list(of device: cnvml_device, _ functions: [NVMLLibrary.List]) -> ListAnswer {
        for (index, function) in functions.enumerated() {
            let (code, answer) = list(of: device, function)
            // The library has the function, and the driver that runs does not.
            if code == .functionNotFound, index + 1 < functions.count { continue }
            return answer
        }
        return ListAnswer(reading: .absent)
    }

    /// The first call has space for as many processes as a driver lists at most: a library that mishandles a query for
    /// the count alone would write to invalid memory (NVIDIA's own mock driver did). If there are more, the list is read
    /// again.
    private func list(of device: cnvml_device, _ function: NVMLLibrary.List) -> (NVMLCode, ListAnswer) {
        var capacity = ListReading.capacity + 10
        var code = NVMLCode.success
        for _ in 0..<8 {
            var records = [UInt8](repeating: ProcessRecords.fillByte, count: capacity * ProcessRecords.longest)
            var count = UInt32(capacity)
            code = NVMLCode(value: records.withUnsafeMutableBytes { function.call(device, &count, $0.baseAddress) })
            guard code == .success || code == .insufficientSize else { break }
            guard count <= CountLimit.listedProcesses else {
                return (code, ListAnswer(reading: .tooLong(Int(count))))
            }
            if code == .success {
                // The library reports more records than it had space for: the rest is not ours to read, and the list is
                // incomplete.
                guard count <= capacity else { return (code, ListAnswer(reading: .failed(.fact(.listLongerThanSaid)))) }
                return (code, ProcessRecords(bytes: records, count: Int(count)).list(expecting: function.stride))
            }
            // It can grow again before the next call.
            capacity = max(capacity, Int(count)) * 2
        }
        switch code {
        case .notSupported, .functionNotFound: return (code, ListAnswer(reading: .absent))
        default: return (code, ListAnswer(reading: .failed(code.reason(function.name))))
        }
    }
}

/// The bytes that a list call wrote. The record length is not documented: by the function's name it is 16, 24 or 32
/// bytes, but drivers from 535.43 to 535.86 changed it under one name (nvitop, issues 79 and 89), and one driver is known
/// whose third version has 16 (issue 226). So the buffer is filled with a pattern before the call, and the changed bytes
/// decide.
struct ProcessRecords {
    static let fillByte: UInt8 = 0xA5
    static let longest = 32

    let bytes: [UInt8]
    let count: Int

    /// Bytes up to the last one that is not of the pattern.
    var bytesWritten: Int { (bytes.lastIndex { $0 != Self.fillByte } ?? -1) + 1 }

    /// - Parameter stride: the length by name, which decides if the bytes leave it open.
    func list(expecting stride: Int) -> ListAnswer {
        guard count > 0 else { return ListAnswer(reading: .read([])) }
        // The last field of each layout is written whole, and none of its values ends in the pattern.
        let bytesWritten = bytesWritten
        let fitting = [16, 24, 32].first { $0 * count == bytesWritten }
        // Ignore a driver that clears the whole buffer, or that begins a record after the last one and drops it.
        let isLoose =
            bytesWritten > count * Self.longest || (count * stride..<(count + 1) * stride).contains(bytesWritten)
        guard let stride = fitting ?? (isLoose ? stride : nil) else {
            return ListAnswer(reading: .failed(.fact(.unknownRecordLength)))
        }
        let all = processes(stride: stride)
        // Drivers have listed these two (Jetson's: nv-monitor, issue 17).
        let processes = all.filter { $0.pid != 0 && $0.pid != .max }
        // So would records that are read at the wrong length.
        guard processes.allSatisfy({ $0.pid <= Self.highestPID }) else {
            return ListAnswer(reading: .failed(.fact(.impossiblePIDs)))
        }
        return ListAnswer(reading: .read(processes), leftOut: all.count - processes.count)
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
