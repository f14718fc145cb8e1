import Ledger
import Testing

@testable import GPUDrivers

struct ProcessRecordTests {
    /// Records as the driver lays them out: pid, padding, bytes, and from 24 bytes on two instance ids.
    private func records(_ stride: Int, first: UInt32 = 7) -> [UInt8] {
        func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
            withUnsafeBytes(of: number.littleEndian) { Array($0) }
        }
        return [(first, UInt64(100), UInt32(1)), (8, .max, .max)].flatMap { pid, used, instance in
            let record = bytes(pid) + [1, 2, 3, 4] + bytes(used) + bytes(instance) + bytes(instance) + bytes(UInt64(5))
            return Array(record.prefix(stride))
        } + [UInt8](repeating: 0xA5, count: 64)
    }

    private func list(_ bytes: [UInt8], count: Int = 2, expecting stride: Int) -> ListReading {
        ProcessRecords(bytes: bytes, count: count).list(expecting: stride).reading
    }

    @Test("Records are read by the length that they have, whatever the symbols promise", arguments: [16, 24, 32])
    func strides(_ stride: Int) {
        for expected in [16, 24, 32] {
            let read = list(records(stride), expecting: expected).processes
            #expect(read.map(\.pid) == [7, 8])
            #expect(read.map(\.bytes) == [100, nil])
            #expect(read.map(\.gpuInstance) == (stride == 16 ? [nil, nil] : [1, nil]))
        }
    }

    @Test("Where a driver cleared all of the room, the symbols decide")
    func clearedRoom() {
        let cleared = records(24).map { $0 == 0xA5 ? 0 : $0 }
        #expect(list(cleared + [UInt8](repeating: 0, count: 64), expecting: 24).processes.map(\.pid) == [7, 8])
    }

    @Test("What a driver wrote behind the last record and dropped again is no record")
    func droppedRecord() {
        let more = Array(records(24).prefix(48)) + [9, 0, 0, 0] + [UInt8](repeating: 0xA5, count: 64)
        #expect(list(more, expecting: 24).processes.map(\.pid) == [7, 8])
        // Read at the wrong length, the second record would begin with a PID that there is not.
        #expect(list(more, expecting: 16).processes.isEmpty)
    }

    @Test("Records of a length that nobody knows are no list")
    func unknownLength() {
        let odd = Array(records(24).prefix(45)) + [UInt8](repeating: 0xA5, count: 64)
        #expect(
            list(odd, expecting: 24) == .failed(.fact(.unknownRecordLength)))
        #expect(list([UInt8](repeating: 0xA5, count: 64), expecting: 24).processes.isEmpty)
    }

    @Test("A PID that no process can have makes the list one that is not believed")
    func impossiblePID() {
        #expect(list(records(24, first: 1 << 23), expecting: 24) == .failed(.fact(.impossiblePIDs)))
    }

    @Test("A record without a process is left out, and the others of its list stay", arguments: [UInt32(0), .max])
    func noProcess(_ pid: UInt32) {
        let answer = ProcessRecords(bytes: records(24, first: pid), count: 2).list(expecting: 24)
        #expect(answer.reading.processes.map(\.pid) == [8])
        #expect(answer.leftOut == 1)
    }

    @Test("A library that is not there is told with every place that was looked in")
    func noLibrary() throws {
        #expect(throws: NVMLError.self) { try NVMLDriver(library: "/nowhere/libnvidia-ml.so.1", module: nil) }
        do throws(NVMLError) {
            _ = try NVMLDriver(library: nil, module: nil)
        } catch {
            guard case .notFound(let tried) = error else { throw error }
            #expect(tried.contains { $0.contains("libnvidia-ml.so.1") })
            #expect(tried.contains { $0.contains("/usr/lib/wsl/lib") })
        }
    }

    @Test("A library that is another's is told by the symbol it lacks")
    func otherLibrary() {
        #expect(throws: NVMLError.symbolMissing(library: "libm.so.6", symbol: "nvmlInit_v2")) {
            try NVMLDriver(library: "libm.so.6", module: nil)
        }
    }
}
