import Glibc
import Ledger
import Sampling

// Steps that ask NVIDIA's driver, or change one of its settings.

extension Measurement {
    /// Must be the first step, because every other step wakes the GPUs.
    func waking() throws(NotTried) -> Finding {
        let asleep = try power().filter(\.isAsleep)
        if asleep.isEmpty { throw .missing(.suspendedGPU) }
        let addresses = Set(asleep.map(\.address))
        let afterReading = try power().filter { addresses.contains($0.address) && $0.isAsleep }
        let start = monotonicSeconds()
        _ = observe()
        let seconds = monotonicSeconds() - start
        let woken = try power().filter { addresses.contains($0.address) && !$0.isAsleep }
        return .waking(
            asleep: asleep.map(\.vendor), afterReading: afterReading.count, woken: woken.map(\.vendor), seconds: seconds
        )
    }

    /// The runtime power state of each GPU of the PCI bus.
    private func power() throws(NotTried) -> [(address: String, vendor: Vendor, isAsleep: Bool)] {
        try watcher().ask("power").words.map { word in
            let parts = word.value.split(separator: ",").map(String.init)
            return (String(word.name), parts.first.flatMap(Vendor.init) ?? .other, parts.last == "suspended")
        }
    }

    /// The time until the driver has attached every GPU for a new process. A process attaches them with its first call,
    /// so each measurement needs a new process.
    func firstCall() throws(NotTried) -> Finding {
        var calls = [try timeOfFirstCall()]
        // If persistence mode is on already, it is never turned off, because the GPU would lose other state too
        // (NVIDIA, Driver Persistence).
        if plan.settings.contains(.persistence), !calls[0].isAwake {
            let setter = try setter()
            defer { setter.end() }
            var gpus: [Int] = []
            for gpu in 0..<(try setter.ask("open").number("count") ?? 0)
            where try setter.ask("mode \(gpu)")[MeasuredSetting.persistence.rawValue] == "off" {
                try turnOn(.persistence, gpu: gpu, with: setter)
                gpus.append(gpu)
            }
            calls.append(try timeOfFirstCall())
            try restore(.persistence, gpus: gpus, byEnding: setter)
        }
        return .firstCall(calls)
    }

    private func timeOfFirstCall() throws(NotTried) -> (seconds: Double, isAwake: Bool) {
        let start = monotonicSeconds()
        let watcher = try watcher()
        try watcher.ask("attach")
        let seconds = monotonicSeconds() - start
        // After its first reading, the sampler keeps the GPUs awake.
        var isAwake = true
        for gpu in 0..<(try watcher.ask("open").number("count") ?? 0) where !isSampling {
            let isPersistent = try watcher.ask("mode \(gpu)")[MeasuredSetting.persistence.rawValue] == "on"
            let devices = try watcher.observe(gpu: gpu)
            let isUsed = devices.contains { !$0.compute.processes.isEmpty || !$0.graphics.processes.isEmpty }
            isAwake = isAwake && (isPersistent || isUsed)
        }
        return (seconds, isAwake)
    }

    /// A new worker that changes settings. It restores them at its end, also if this program is killed.
    private func setter() throws(NotTried) -> WorkerProcess { try WorkerProcess(plan, leftovers, .restores) }

    private func turnOn(_ setting: MeasuredSetting, gpu: Int, with setter: WorkerProcess) throws(NotTried) {
        do throws(NotTried) {
            let answer = try setter.ask("set \(gpu) \(setting.rawValue) on")
            if answer["changed"] == "yes" { changed.insert(setting) }
            // NVML_ERROR_NO_PERMISSION.
        } catch .nvml(_, code: 4) {
            throw .forbidden(.root)
        }
    }

    /// Ends the worker that changed the setting, which restores it, and checks that it is restored.
    private func restore(
        _ setting: MeasuredSetting, gpus: [Int], byEnding setter: WorkerProcess
    ) throws(NotTried) {
        setter.end()
        let watcher = try watcher()
        for gpu in gpus where try watcher.ask("mode \(gpu)")[setting.rawValue] != "off" {
            unrestored.insert(setting)
        }
    }

    func recordSize() throws(NotTried) -> Finding {
        let target = try target()
        let holder = try holderIfPossible()
        defer { holder?.end() }
        let words = try watcher().ask("lists \(target.gpu)").words
        let lists = words.compactMap { word -> ListRecords? in
            let numbers = word.value.split(separator: ":").compactMap { Int($0) }
            guard numbers.count == 4, numbers[0] == 0 else { return nil }
            return ListRecords(
                function: String(word.name), count: numbers[1], bytesWritten: numbers[2], assumed: numbers[3])
        }
        guard let finding = Finding.recordSize(lists) else { throw .missing(.listedProcess) }
        return finding
    }

    /// The answers of both memory calls, when they are the same twice in a row. So nothing changed between the two
    /// calls.
    private func steadyMemoryCalls(_ watcher: WorkerProcess) throws(NotTried) -> (
        first: MemoryCall, second: MemoryCall?
    ) {
        let target = try target()
        var previous: (first: MemoryCall, second: MemoryCall?)?
        for _ in 0..<20 {
            let answer = try watcher.ask("memory \(target.gpu)")
            guard answer.number("code1") == 0 else {
                throw .nvml(call: "nvmlDeviceGetMemoryInfo", code: Int32(answer.number("code1") ?? -1))
            }
            func call(_ version: Int) -> MemoryCall? {
                guard answer.number("code\(version)") == 0, let total = answer.bytes("total\(version)"),
                    let used = answer.bytes("used\(version)"), let free = answer.bytes("free\(version)")
                else { return nil }
                return MemoryCall(total: total, used: used, free: free, reserved: answer.bytes("reserved\(version)"))
            }
            guard let first = call(1) else { throw .missing(.memoryTotals) }
            // NVML_SUCCESS, NVML_ERROR_NOT_SUPPORTED, _FUNCTION_NOT_FOUND and _ARGUMENT_VERSION_MISMATCH: an old driver
            // has no second call.
            if let code = answer.number("code2"), ![0, 3, 13, 25].contains(code) {
                throw .nvml(call: "nvmlDeviceGetMemoryInfo_v2", code: Int32(clamping: code))
            }
            let calls = (first: first, second: call(2))
            if let previous, previous == calls { return calls }
            previous = calls
        }
        throw .memoryChanged
    }

    func memoryCalls() throws(NotTried) -> Finding {
        let watcher = try watcher()
        var readings = [try steadyMemoryCalls(watcher)]
        // Once more with an allocation, if there is memory for it.
        if let holder = try holderIfPossible(toAllocate: 256 << 20) {
            defer { holder.end() }
            try holder.ask("allocate \(256 << 20)")
            readings.append(try steadyMemoryCalls(watcher))
        }
        return .memoryCalls(readings)
    }

    func reserved() throws(NotTried) -> Finding {
        let watcher = try watcher()
        guard let before = try steadyMemoryCalls(watcher).second else {
            throw .noFunction("nvmlDeviceGetMemoryInfo_v2")
        }
        let holder = try holder(toAllocate: 1 << 30)
        defer { holder.end() }
        try holder.ask("allocate \(1 << 30)")
        guard let after = try steadyMemoryCalls(watcher).second,
            let finding = Finding.reserved(before: before, with: after)
        else {
            throw .missing(.memoryTotals)
        }
        return finding
    }

    func ledger() throws(NotTried) -> Finding {
        let target = try target()
        let watcher = try watcher()
        let holder = try holderIfPossible(toAllocate: 64 << 20)
        defer { holder?.end() }
        try holder?.ask("allocate \(64 << 20)")
        for _ in 0..<5 {
            let before = try steadyMemoryCalls(watcher)
            let snapshot = observe().snapshot
            let listed = try holder.map { (holder) throws(NotTried) in
                try targetMemory(watcher).processes[holder.pid] ?? nil
            }
            guard try steadyMemoryCalls(watcher) == before else { continue }
            guard let deviceIndex = snapshot.devices.firstIndex(where: { $0.uuid == target.gpuUUID }) else {
                throw .missing(.nvidiaDriver)
            }
            // On a partitioned GPU the process is in a MIG instance.
            let process = snapshot.processes.first { process in
                process.pid == holder?.pid && snapshot.devices[process.device].uuid == target.uuid
            }?.bytes
            return .ledger(
                snapshot.devices[deviceIndex], driver: before.second ?? before.first, process: process,
                listed: listed ?? nil)
        }
        throw .memoryChanged
    }

    /// Compares nvidia-smi with the driver's answers, for allocations of several sizes. A comparison counts only if the
    /// driver's answers before and after nvidia-smi are the same.
    func nvidiaSMI() throws(NotTried) -> Finding {
        let target = try target()
        let watcher = try watcher()
        let holder = try holderIfPossible(toAllocate: 1 << 30)
        defer { holder?.end() }
        var differences: [Bytes] = []
        var listedByToolAlone: Set<UInt32> = []
        for amount in [Bytes(0), 64 << 20, 512 << 20, 1 << 30, 0] {
            try holder?.ask("free")
            if amount > 0 {
                guard let holder else { continue }
                try holder.ask("allocate \(amount)")
            }
            let before = try steadyMemoryCalls(watcher)
            let listed = try targetMemory(watcher).processes
            let gpus = try nvidiaSMIRows(["--query-gpu=uuid,memory.total,memory.used,memory.free"])
            let processes = try nvidiaSMIRows(["--query-compute-apps=gpu_uuid,pid,used_gpu_memory"])
            guard try steadyMemoryCalls(watcher) == before else { continue }
            guard let row = gpus.first(where: { $0.first == target.gpuUUID }), row.count == 4 else {
                throw .toolNotUnderstood("nvidia-smi")
            }
            // nvidia-smi shows the used memory of the second memory call.
            let driver = before.second ?? before.first
            for (text, bytes) in zip(row.dropFirst(), [driver.total, driver.used, driver.free]) {
                if let shown = Self.mebibytes(text) { differences.append(shown - bytes) }
            }
            for row in processes where row.count == 3 && row[0] == target.gpuUUID {
                guard let pid = UInt32(row[1]) else { continue }
                guard let bytes = listed[pid] else {
                    listedByToolAlone.insert(pid)
                    continue
                }
                if let bytes, let shown = Self.mebibytes(row[2]) { differences.append(shown - bytes) }
            }
        }
        guard !differences.isEmpty else { throw .memoryChanged }
        return .tool(differences, alone: listedByToolAlone.count, withHolder: holder != nil)
    }

    /// An amount in MiB as bytes; nil if the text is no amount, or more than any device has.
    private static func mebibytes(_ text: String) -> Bytes? {
        UInt64(text).flatMap { $0 <= Bytes.plausible >> 20 ? Bytes(reported: $0 << 20) : nil }
    }

    /// The rows of nvidia-smi's CSV output, with amounts in MiB.
    private func nvidiaSMIRows(_ words: [String]) throws(NotTried) -> [[String]] {
        let text = try Tool.output(["nvidia-smi"] + words + ["--format=csv,noheader,nounits"], within: plan.timeout)
        return text.split(separator: "\n").map { line in
            line.split(separator: ",").map { String($0.drop { $0 == " " }) }
        }
    }

    func accounting() throws(NotTried) -> Finding {
        let target = try target()
        let watcher = try watcher()
        let mode = try watcher.ask("mode \(target.gpu)")[MeasuredSetting.accounting.rawValue]
        guard mode != "unknown" else { throw .nvml(call: "nvmlDeviceGetAccountingMode", code: 3) }
        guard mode == "off" else { return try measureAccounts() }
        guard plan.settings.contains(.accounting) else { throw .needsSetting(.accounting) }
        let setter = try setter()
        defer { setter.end() }
        try turnOn(.accounting, gpu: target.gpu, with: setter)
        let finding = try measureAccounts()
        try restore(.accounting, gpus: [target.gpu], byEnding: setter)
        return finding
    }

    private func measureAccounts() throws(NotTried) -> Finding {
        let target = try target()
        let watcher = try watcher()
        let holder = try holder(toAllocate: 64 << 20)
        try holder.ask("allocate \(64 << 20)")
        let listed = try targetMemory(watcher).bytes(of: holder.pid)
        let running = try watcher.ask("account \(target.gpu) \(holder.pid)").bytes("bytes")
        holder.end()
        // The driver completes the account of a process when its last file is closed, which can be a moment after its
        // end.
        var ended: Bytes?
        for _ in 0..<20 where ended == nil {
            usleep(50_000)
            ended = try watcher.ask("account \(target.gpu) \(holder.pid)").bytes("bytes")
        }
        return .accounting(listed: listed, running: running, ended: ended)
    }

    func mig() throws(NotTried) -> Finding {
        guard observe().snapshot.devices.contains(where: { $0.vendor == .nvidia && $0.isPartitioned }) else {
            throw .missing(.migGPU)
        }
        let target = try target { $0.parent != nil }
        let holder = try holder(on: target)
        defer { holder.end() }
        let devices = try watcher().observe(gpu: target.gpu)
        let instances = devices.filter { $0.parentIndex != nil }
        let listing = instances.filter { $0.compute.processes.contains { $0.pid == holder.pid } }
        let parent = devices.first { $0.parentIndex == nil }?.compute.processes ?? []
        return .mig(
            instances: instances.count, listing: listing.count, isOwn: listing.first?.uuid == target.uuid,
            parentListed: parent.count, withIDs: parent.filter { $0.gpuInstance != nil }.count, isRoot: geteuid() == 0)
    }

    func mps() throws(NotTried) -> Finding {
        let target = try target()
        let watcher = try watcher()
        func listed() throws(NotTried) -> [ListedProcess] {
            try watcher.observe(gpu: target.gpu).first { $0.uuid == target.uuid }?.mps.processes ?? []
        }
        // Do not disturb an MPS server that other processes use.
        guard try listed().isEmpty else { throw .missing(.othersMPS) }
        let holder = try holder(usesMPS: true)
        defer { holder.end() }
        let clients = try listed()
        // Without an MPS server the list stays empty, although our worker holds memory.
        guard !clients.isEmpty else { throw .missing(.mpsServer) }
        return .mps(client: clients.first { $0.pid == holder.pid }?.bytes.flatMap { Bytes(reported: $0) })
    }

    /// The driver's own memory limits of our cgroup and of its parent. They are only read, never set.
    func limits() throws(NotTried) -> Finding {
        let target = try target()
        let watcher = try watcher()
        func answer(_ level: String) throws(NotTried) -> (code: Int, hard: Bytes?)? {
            let answer = try watcher.ask("limits \(target.gpu) \(level)")
            return answer.number("code").map { ($0, answer.bytes("hard")) }
        }
        guard let leaf = try answer("leaf") else { throw .missing(.cgroup2) }
        return .limits(leaf: leaf, parent: try answer("parent"))
    }
}
