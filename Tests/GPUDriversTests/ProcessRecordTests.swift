import Ledger
import Testing

@testable import GPUDrivers

struct ProcessRecordTests {
    /// Records as the driver lays them out: pid, padding, bytes, and from 24 bytes on two instance ids.
    private func records(_ stride: Int) -> [UInt8] {
        func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
            withUnsafeBytes(of: number.littleEndian) { Array($0) }
        }
        return [(UInt32(7), UInt64(100), UInt32(1)), (8, .max, .max)].flatMap { pid, used, instance in
            let record = bytes(pid) + [1, 2, 3, 4] + bytes(used) + bytes(instance) + bytes(instance) + bytes(UInt64(5))
            return Array(record.prefix(stride))
        } + [UInt8](repeating: 0xA5, count: 64)
    }

    @Test("Records of 16, 24 and 32 bytes are read each by its own length", arguments: [16, 24, 32])
    func strides(_ stride: Int) {
        let read = NVMLDriver.processes(records(stride), count: 2, stride: stride)
        #expect(read.map(\.pid) == [7, 8])
        #expect(read.map(\.bytes) == [100, nil])
        #expect(read.map(\.gpuInstance) == (stride == 16 ? [nil, nil] : [1, nil]))
    }

    @Test("A library that is not there is told with every place that was looked in")
    func noLibrary() {
        #expect(throws: NVMLError.self) { try NVMLDriver(library: "/nowhere/libnvidia-ml.so.1", module: nil) }
        do throws(NVMLError) {
            _ = try NVMLDriver(library: nil, module: nil)
        } catch {
            #expect(error.description.contains("libnvidia-ml.so.1"))
            #expect(error.description.contains("/usr/lib/wsl/lib"))
        }
    }

    @Test("A library that is another's is told by the symbol it lacks")
    func otherLibrary() {
        #expect(throws: NVMLError.symbolMissing(library: "libm.so.6", symbol: "nvmlDeviceGetComputeRunningProcesses")) {
            try NVMLDriver(library: "libm.so.6", module: nil)
        }
    }
}
