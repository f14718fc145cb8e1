import CNVML
import Ledger

/// A session with NVIDIA's driver, over its management library. Its calls block, and a broken driver can block them for
/// ever, so they belong in a child process.
package struct NVMLDriver: Sendable {
    let library: NVMLLibrary
    package let driverVersion: String?
    /// The newest CUDA that the driver runs: 12040 is 12.4 (nvml.h, NVML_CUDA_DRIVER_VERSION_MAJOR).
    package let cudaVersion: UInt32?

    /// - Parameters:
    ///   - path: the library; nil for the system's.
    ///   - module: version of the kernel module that runs, for the message when it is not the library's.
    package init(library path: String?, module: String?) throws(NVMLError) {
        library = try NVMLLibrary(path: path)
        let code = NVMLCode(value: library.functions.initialize())
        if code == .versionMismatch { throw .versionMismatch(module: module) }
        guard code == .success else { throw .failed(call: "nvmlInit_v2", code) }
        driverVersion = library.functions.driver_version.flatMap { call in
            Self.string(80) { call($0, $1) }
        }
        var cuda: Int32 = 0
        let isReported = library.functions.cuda_version.map { $0(&cuda) == 0 } ?? false
        cudaVersion = isReported && cuda > 0 ? UInt32(cuda) : nil
    }

    package func deviceCount() throws(NVMLError) -> Int {
        var count: UInt32 = 0
        let code = NVMLCode(value: library.functions.device_count(&count))
        guard code == .success else { throw .failed(call: "nvmlDeviceGetCount_v2", code) }
        // No machine has as many; a driver that says so is not well.
        return min(Int(count), CountLimit.devices)
    }

    /// A GPU, and then its MIG instances. A call that fails is reported with its value, and hides no other value.
    ///
    /// - Parameters:
    ///   - withAccounts: whether to ask for the accounts of processes too.
    ///   - clock: uptime in ticks.
    /// - Returns: also the seconds that the GPU took to wake. It sleeps while no process uses it, unless its persistence
    ///   mode is on, and the first call wakes it (NVIDIA, Driver Persistence).
    package func observe(
        gpu index: Int, withAccounts: Bool, clock: () -> Int64?
    ) -> (devices: [ObservedDevice], waking: Double?) {
        var handle: cnvml_device?
        let start = ContinuousClock.now
        let code = NVMLCode(value: library.functions.device_by_index(UInt32(index), &handle))
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        guard code == .success, let handle else {
            return ([.unreadable(index: String(index), why: code.reason("nvmlDeviceGetHandleByIndex_v2"))], nil)
        }
        var gpu = observe(handle, index: String(index), clock: clock)
        gpu.isPartitioned = isPartitioned(handle)
        if withAccounts { gpu.accounts = accountedPIDs(on: handle)?.compactMap { account(of: $0, on: handle) } }
        let sleeps = seconds >= 1 && number(library.functions.persistence, handle) == 0
        let instances =
            gpu.isPartitioned == true ? instances(of: handle, index: index, name: gpu.name, clock: clock) : []
        return ([gpu] + instances, sleeps ? seconds : nil)
    }

    /// PIDs with an account: running processes and, for the initial PID namespace, some thousands that have ended. nil if
    /// the mode is off, and on a partitioned GPU (open-gpu-kernel-modules, gpu_acct.c; nvml.h,
    /// nvmlDeviceGetAccountingPids).
    private func accountedPIDs(on gpu: cnvml_device) -> [UInt32]? {
        guard let call = library.functions.accounting_pids else { return nil }
        // NV0000_GPUACCT_PID_MAX_COUNT (ctrl0000gpuacct.h); a driver that has more returns the number.
        var count: UInt32 = 4000
        for _ in 0..<3 {
            var pids = [UInt32](repeating: 0, count: Int(count))
            let code = NVMLCode(value: call(gpu, &count, &pids))
            if code == .success { return Array(pids.prefix(Int(count))) }
            guard code == .insufficientSize, count <= CountLimit.listedProcesses else { return nil }
            count += 64
        }
        return nil
    }

    private func account(of pid: UInt32, on gpu: cnvml_device) -> ProcessAccount? {
        var stats = cnvml_accounting_stats()
        // A process of whom the driver does not know the memory has NVML_VALUE_NOT_AVAILABLE there.
        guard let call = library.functions.accounting_stats, call(gpu, pid, &stats) == 0,
            stats.max_memory_usage != .max
        else { return nil }
        return ProcessAccount(pid: pid, peakBytes: stats.max_memory_usage, startTime: stats.start_time)
    }

    /// NOT_SUPPORTED on every GPU without MIG.
    private func isPartitioned(_ gpu: cnvml_device) -> Bool? {
        var current: UInt32 = 0
        var pending: UInt32 = 0
        guard let mode = library.functions.mig_mode, mode(gpu, &current, &pending) == 0 else { return nil }
        return current == 1
    }

    private func instances(
        of gpu: cnvml_device, index: Int, name: String?, clock: () -> Int64?
    ) -> [ObservedDevice] {
        let functions = library.functions
        var count: UInt32 = 0
        guard let counting = functions.mig_count, let get = functions.mig_device else { return [] }
        let counted = NVMLCode(value: counting(gpu, &count))
        guard counted == .success else {
            // MIG is enabled, but the instances are unknown.
            var instances = ObservedDevice.unreadable(
                index: "\(index):?", why: counted.reason("nvmlDeviceGetMaxMigDeviceCount"))
            instances.parentIndex = String(index)
            return [instances]
        }
        var found: [ObservedDevice] = []
        for slot in 0..<min(count, 64) {
            var handle: cnvml_device?
            let code = NVMLCode(value: get(gpu, slot, &handle))
            // Slots need not be filled in order.
            if code == .notFound { continue }
            var instance: ObservedDevice
            if code == .success, let handle {
                instance = observe(handle, index: "\(index):\(slot)", clock: clock)
                instance.gpuInstance = number(functions.gpu_instance, handle)
                instance.computeInstance = number(functions.compute_instance, handle)
            } else {
                instance = .unreadable(
                    index: "\(index):\(slot)", why: code.reason("nvmlDeviceGetMigDeviceHandleByIndex"))
            }
            instance.parentIndex = String(index)
            found.append(instance)
        }
        return found
    }

    /// Reads the memory before and after the lists. If it changed, the two do not belong together, and both are read once
    /// more. On a host where it changes all the time, the last reading counts.
    private func observe(_ device: cnvml_device, index: String, clock: () -> Int64?) -> ObservedDevice {
        let functions = library.functions
        let before = memory(of: device)
        var observed = ObservedDevice(
            index: index, uuid: functions.uuid.flatMap { call in Self.string(96) { call(device, $0, $1) } },
            name: functions.name.flatMap { call in Self.string(96) { call(device, $0, $1) } }, pci: pci(of: device),
            memory: before.own, sharesHostMemory: before.isShared ? true : nil,
            utilizationPercent: utilization(of: device), compute: .absent)
        readLists(of: device, into: &observed, clock: clock)
        observed.memory = memory(of: device).own
        guard observed.memory != before.own else { return observed }
        readLists(of: device, into: &observed, clock: clock)
        observed.memory = memory(of: device).own
        return observed
    }

    private func readLists(of device: cnvml_device, into observed: inout ObservedDevice, clock: () -> Int64?) {
        observed.askedAtTick = clock()
        let lists = [library.compute, library.graphics, library.mps].map { list(of: device, $0) }
        (observed.compute, observed.graphics, observed.mps) = (lists[0].reading, lists[1].reading, lists[2].reading)
        let leftOut = lists.map(\.leftOut).reduce(0, +)
        observed.leftOut = leftOut > 0 ? leftOut : nil
        if observed.compute == .absent {
            observed.compute = .failed(.fact(library.compute.isEmpty ? .noProcessLists : .noComputeList))
        }
    }

    /// - Returns: the device's own memory, and whether it has none and uses the host's. SoC GPUs say so with NOT_SUPPORTED,
    ///   some with a total of 0 (nvml.h; nvitop, issue 208: DGX Spark).
    private func memory(of device: cnvml_device) -> (own: Reading<ObservedMemory>, isShared: Bool) {
        var (code2, second) = secondMemory(of: device)
        // It can have moved while the parts were put together; if it is so again, it is no chance.
        if code2 == .success, !second.isRound { (code2, second) = secondMemory(of: device) }
        if let code2, !code2.meansNoSuchCall, code2 != .success {
            return (.unknown(code2.reason("nvmlDeviceGetMemoryInfo_v2")), false)
        }
        if code2 == .success {
            if second.total == 0 { return (.unknown(.fact(.noTotal)), true) }
            let memory = ObservedMemory(
                total: second.total, used: second.used, free: second.free,
                reserved: second.reserved == .max ? nil : second.reserved)
            return (.known(memory), false)
        }
        // Drivers before R510 have the first call alone, whose `used` includes what is reserved.
        var first = cnvml_memory()
        let code = NVMLCode(value: library.functions.memory(device, &first))
        guard code == .success else {
            return (.unknown(code.reason("nvmlDeviceGetMemoryInfo")), code == .notSupported)
        }
        if first.total == 0 { return (.unknown(.fact(.noTotal)), true) }
        return (
            .known(ObservedMemory(total: first.total, used: first.used, free: first.free, reportsReserved: false)),
            false
        )
    }

    /// - Returns: no code if this driver has no such call.
    func secondMemory(of device: cnvml_device) -> (NVMLCode?, cnvml_memory_v2) {
        var memory = cnvml_memory_v2()
        memory.version = UInt32(MemoryLayout<cnvml_memory_v2>.size) | 2 << 24
        let code = library.functions.memory_v2.map { NVMLCode(value: $0(device, &memory)) }
        return (code, memory)
    }

    private func utilization(of device: cnvml_device) -> Reading<Int> {
        guard let call = library.functions.utilization else { return .unknown(.fact(.notReported)) }
        var rates = cnvml_utilization()
        let code = NVMLCode(value: call(device, &rates))
        guard code == .success else { return .unknown(code.reason("nvmlDeviceGetUtilizationRates")) }
        return rates.gpu <= 100 ? .known(Int(rates.gpu)) : .unknown(.percent(Int(rates.gpu)))
    }

    /// "0000:01:00.0": the library writes the domain with eight digits, the kernel and everybody else with four.
    private func pci(of device: cnvml_device) -> String? {
        var info = cnvml_pci_info()
        guard let call = library.functions.pci_info, call(device, &info) == 0 else { return nil }
        let text = withUnsafeBytes(of: info.bus_id) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let domain = text.prefix { $0 != ":" }
        let short = domain.count == 8 && domain.hasPrefix("0000") ? text.dropFirst(4) : text[...]
        return short.isEmpty ? nil : short.lowercased()
    }

    func number(
        _ call: ((cnvml_device, UnsafeMutablePointer<UInt32>) -> Int32)?, _ device: cnvml_device
    ) -> UInt32? {
        var number: UInt32 = 0
        guard let call, call(device, &number) == 0, number != .max else { return nil }
        return number
    }

    private static func string(_ length: Int, _ call: (UnsafeMutablePointer<CChar>, UInt32) -> Int32) -> String? {
        var buffer = [CChar](repeating: 0, count: length)
        let code = buffer.withUnsafeMutableBufferPointer { call($0.baseAddress!, UInt32(length)) }
        guard code == 0 else { return nil }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
}

extension ObservedDevice {
    /// A device that is there and does not answer.
    package static func unreadable(index: String, why: Reason) -> ObservedDevice {
        ObservedDevice(index: index, memory: .unknown(why), utilizationPercent: .unknown(why), compute: .failed(why))
    }
}

extension cnvml_memory_v2 {
    /// Whether the parts add up to the total, as far as they are reported.
    fileprivate var isRound: Bool {
        if reserved == .max { return true }
        let parts = [used, free, reserved].map { Bytes(reported: $0) ?? .max }
        return abs(Bytes.sum(parts).subtracting(Bytes(reported: total) ?? .max)) <= ObservedMemory.rounding
    }
}
