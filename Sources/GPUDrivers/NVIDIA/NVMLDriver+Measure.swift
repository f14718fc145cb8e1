import CNVML
import Glibc
import Ledger

// What `measure` asks: the driver's answers as they are, before anything is made of them.

extension NVMLDriver {
    /// What the two memory calls answer, one after the other, in bytes.
    package struct MemoryCalls: Sendable {
        package var firstCode: Int32 = 0
        package var first = (total: UInt64(0), free: UInt64(0), used: UInt64(0))
        /// nil if the library lacks the second call.
        package var secondCode: Int32?
        package var second = (total: UInt64(0), reserved: UInt64(0), free: UInt64(0), used: UInt64(0))
    }

    package func memoryCalls(gpu: Int) throws(NVMLError) -> MemoryCalls {
        let device = try handle(gpu)
        var calls = MemoryCalls()
        var first = cnvml_memory()
        calls.firstCode = library.functions.memory(device, &first)
        calls.first = (first.total, first.free, first.used)
        let (code, second) = secondMemory(of: device)
        calls.secondCode = code?.value
        calls.second = (second.total, second.reserved, second.free, second.used)
        return calls
    }

    /// What a call of one of the list functions wrote into a buffer that was filled with a pattern.
    package struct ListFact: Sendable, Equatable {
        package var function: String
        package var code: Int32
        package var count: Int
        /// Bytes up to the last one that is not of the pattern.
        package var bytesWritten: Int
        /// Bytes of a record, as this program assumes.
        package var assumed: Int
    }

    /// Of every list function that the library has.
    package func listFacts(gpu: Int) throws(NVMLError) -> [ListFact] {
        let device = try handle(gpu)
        return (library.compute + library.graphics + library.mps).map { list in
            let capacity = ListReading.capacity + 10
            var records = [UInt8](repeating: ProcessRecords.fillByte, count: capacity * ProcessRecords.longest)
            var count = UInt32(capacity)
            let code = records.withUnsafeMutableBytes { list.call(device, &count, $0.baseAddress) }
            let answer = ProcessRecords(bytes: records, count: Int(count))
            return ListFact(
                function: list.name, code: code, count: answer.count, bytesWritten: answer.bytesWritten,
                assumed: list.stride)
        }
    }

    /// - Returns: nil if the driver does not know the mode on this GPU.
    package func mode(_ setting: MeasuredSetting, gpu: Int) throws(NVMLError) -> Bool? {
        let device = try handle(gpu)
        let call = setting == .accounting ? library.functions.accounting_mode : library.functions.persistence
        return number(call, device).map { $0 == 1 }
    }

    package func set(_ setting: MeasuredSetting, _ isOn: Bool, gpu: Int) throws(NVMLError) {
        let device = try handle(gpu)
        let isAccounting = setting == .accounting
        let name = isAccounting ? "nvmlDeviceSetAccountingMode" : "nvmlDeviceSetPersistenceMode"
        let call = isAccounting ? library.functions.set_accounting_mode : library.functions.set_persistence
        guard let call else { throw .symbolMissing(library: NVMLLibrary.name, symbol: name) }
        let code = NVMLCode(value: call(device, isOn ? 1 : 0))
        guard code == .success else { throw .failed(call: name, code) }
    }

    /// A process's account, also after its end; nil if the driver has none.
    package func accountedPeak(of pid: UInt32, gpu: Int) throws(NVMLError) -> UInt64? {
        let device = try handle(gpu)
        var stats = cnvml_accounting_stats()
        guard let call = library.functions.accounting_stats else {
            throw .symbolMissing(library: NVMLLibrary.name, symbol: "nvmlDeviceGetAccountingStats")
        }
        let code = NVMLCode(value: call(device, pid, &stats))
        if code == .notFound { return nil }
        guard code == .success else { throw .failed(call: "nvmlDeviceGetAccountingStats", code) }
        return stats.max_memory_usage == .max ? nil : stats.max_memory_usage
    }

    /// Whether one process alone may use it, or none (nvml.h, NVML_COMPUTEMODE_EXCLUSIVE_PROCESS, 3, and PROHIBITED, 2).
    package func isExclusive(gpu: Int) throws(NVMLError) -> Bool {
        let device = try handle(gpu)
        return (number(library.functions.compute_mode, device) ?? 0) != 0
    }

    /// The driver's own limit of a cgroup in bytes (R615), or the nvmlReturn_t why there is none.
    ///
    /// - Parameter cgroup: its folder, as a full path.
    package func limits(of cgroup: String, gpu: Int) throws(NVMLError) -> (code: Int32, hard: UInt64) {
        let device = try handle(gpu)
        guard let call = library.functions.memory_limits else {
            throw .symbolMissing(library: NVMLLibrary.name, symbol: "nvmlDeviceGetMemoryLimits_v1")
        }
        return cgroup.withCString { path in
            var limits = cnvml_memory_limits(cgroup: path, soft: 0, hard: 0, used: 0)
            return (call(device, &limits), limits.hard)
        }
    }

    /// Lets go of every GPU: one without persistence mode may sleep then. The driver can be opened again.
    package func close() { _ = library.functions.shut_down?() }

    private func handle(_ gpu: Int) throws(NVMLError) -> cnvml_device {
        var handle: cnvml_device?
        let code = NVMLCode(value: library.functions.device_by_index(UInt32(clamping: gpu), &handle))
        guard code == .success, let handle else { throw .failed(call: "nvmlDeviceGetHandleByIndex_v2", code) }
        return handle
    }
}
