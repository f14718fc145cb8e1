import CNVML
import Ledger

extension NVMLDriver {
    /// One of the driver's process lists. The first call, with no room, tells how many there are; they can grow before the
    /// second, so it gets room to spare and is repeated while that does not do.
    func list(_ call: cnvml_list?, stride: Int, of device: cnvml_device) -> ListReading {
        guard let call else { return .absent }
        var count: UInt32 = 0
        var code = NVMLCode(value: call(device, &count, nil))
        for _ in 0..<8 where code == .insufficientSize {
            let room = min(Int(count), 1 << 16) * 2 + 8
            var records = [UInt8](repeating: 0, count: room * Self.longestRecord)
            count = UInt32(room)
            code = NVMLCode(value: records.withUnsafeMutableBytes { call(device, &count, $0.baseAddress) })
            if code == .success {
                return .read(Self.processes(records, count: min(Int(count), room), stride: stride))
            }
        }
        switch code {
        case .success: return .read([])
        case .notSupported: return .absent
        default: return .failed("the driver's process list: \(code)")
        }
    }

    private static let longestRecord = 32

    /// nvmlProcessInfo_t by its offsets: pid at 0, usedGpuMemory at 8; from 24 bytes on gpuInstanceId at 16 and
    /// computeInstanceId at 20. All ones is NVML_VALUE_NOT_AVAILABLE.
    static func processes(_ records: [UInt8], count: Int, stride: Int) -> [ListedProcess] {
        records.withUnsafeBytes { bytes in
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
