import FoundationEssentials
import Ledger

// Steps about the kernel's drivers: their numbers beside those of the vendor's tool, and the dmem controller's charges. Nothing is
// allocated: what runs there is compared.

extension Measurement {
    func amdProcesses() throws(NotTried) -> Finding {
        try kernelProcesses(driver: ["amdgpu"], .amdGPU) { (timeout) throws(NotTried) in
            do throws(NotTried) {
                return try amdSMI(timeout)
            } catch .noTool {
                return try rocmSMI(timeout)
            }
        }
    }

    func intelProcesses() throws(NotTried) -> Finding {
        try kernelProcesses(driver: ["i915", "xe"], .intelGPU, xpuSMI)
    }

    /// What each process has on all GPUs of the vendor's together, by Plimsoll and by the tool.
    private func kernelProcesses(
        driver: Set<String>, _ missing: NotTried.Missing, _ tool: (Double) throws(NotTried) -> VendorList
    ) throws(NotTried) -> Finding {
        let before = amounts(driver)
        guard let before else { throw .missing(missing) }
        let list = try tool(plan.timeout)
        let after = amounts(driver) ?? [:]
        // Others may allocate meanwhile: what moved is not compared.
        let pairs = list.bytes.compactMap { pid, bytes -> Bytes? in
            guard let own = before[pid], after[pid] == own else { return nil }
            return bytes - own
        }
        guard !pairs.isEmpty else { throw .missing(.listedByTool) }
        return .tool(pairs, rounding: list.rounding)
    }

    /// By PID; nil if there is no GPU with such a driver.
    private func amounts(_ drivers: Set<String>) -> [UInt32: Bytes]? {
        let snapshot = observe().snapshot
        let places = snapshot.devices.indices.filter { drivers.contains(snapshot.devices[$0].driver ?? "") }
        if places.isEmpty { return nil }
        return snapshot.processes.reduce(into: [:]) { amounts, process in
            guard places.contains(process.device), process.complete, let bytes = process.bytes else { return }
            amounts[process.pid, default: 0] += bytes
        }
    }

    /// Processes on the partitions of one Instinct, each by the number of its device file, beside amd-smi's.
    func partitions() throws(NotTried) -> Finding {
        let snapshot = observe().snapshot
        let amd = snapshot.devices.indices.filter { snapshot.devices[$0].driver == "amdgpu" }
        let byCard = Dictionary(grouping: amd) { snapshot.devices[$0].pci?.prefix { $0 != "." } ?? "" }
        guard byCard.values.contains(where: { $0.count > 1 }) else { throw .missing(.partition) }
        let list = try amdSMI(plan.timeout)
        let differences = list.byGPU.compactMap { key, bytes -> Bytes? in
            guard amd.indices.contains(key.gpu) else { return nil }
            let process = snapshot.processes.first { $0.pid == key.pid && $0.device == amd[key.gpu] }
            return process?.bytes.map { bytes - $0 }
        }
        guard !differences.isEmpty else { throw .missing(.listedByTool) }
        return .tool(differences, rounding: list.rounding)
    }

    /// What a holder of ours adds to our cgroup's charge, beside what the driver lists of it.
    func dmemCharge() throws(NotTried) -> Finding {
        guard observe().observation.deviceMemory != nil else { throw .missing(.dmem) }
        let target = try target()
        let watcher = try watcher()
        let question = "charge \(target.pci ?? "")"
        guard let before = try watcher.ask(question).bytes("bytes") else { throw .missing(.ownCharge) }
        let holder = try holder(toAllocate: 64 << 20)
        defer { holder.end() }
        try holder.ask("allocate \(64 << 20)")
        guard let with = try watcher.ask(question).bytes("bytes") else { throw .missing(.ownCharge) }
        return .dmemCharge(charged: with - before, listed: try card(watcher).bytes(of: holder.pid))
    }

    // MARK: Tools

    private func amdSMI(_ seconds: Double) throws(NotTried) -> VendorList {
        try vendorList(["amd-smi", "process", "--json"], within: seconds, VendorList.init(amdSMI:))
    }

    private func rocmSMI(_ seconds: Double) throws(NotTried) -> VendorList {
        try vendorList(["rocm-smi", "--showpids"], within: seconds, VendorList.init(rocmSMI:))
    }

    private func xpuSMI(_ seconds: Double) throws(NotTried) -> VendorList {
        try vendorList(["xpu-smi", "ps", "-j"], within: seconds, VendorList.init(xpuSMI:))
    }

    private func vendorList(
        _ words: [String], within seconds: Double, _ parse: (String) -> VendorList?
    ) throws(NotTried) -> VendorList {
        guard let list = parse(try Tool.output(words, within: seconds)) else { throw .toolNotUnderstood(words[0]) }
        return list
    }
}

/// What a vendor's tool lists of processes.
struct VendorList: Equatable {
    struct Key: Hashable {
        var gpu: Int
        var pid: UInt32
    }

    /// By the tool's number of the GPU; empty if it does not tell.
    var byGPU: [Key: Bytes] = [:]
    /// On all GPUs together.
    var bytes: [UInt32: Bytes] = [:]
    /// By how much a right amount can differ.
    var rounding: Bytes

    private mutating func add(_ amount: Bytes, pid: UInt32, gpu: Int?) {
        bytes[pid, default: 0] += amount
        if let gpu { byGPU[Key(gpu: gpu, pid: pid), default: 0] += amount }
    }

    /// `amd-smi process --json` of ROCm 6 and 7: an array of GPUs.
    init?(amdSMI text: String) {
        struct GPU: Decodable {
            var gpu: Int
            var process_list: [Item]
        }
        struct Item: Decodable {
            /// "No running processes detected" is a text here.
            var process_info: Info?

            private enum Key: String, CodingKey { case process_info }

            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: Key.self)
                process_info = try? container.decode(Info.self, forKey: .process_info)
            }
        }
        struct Info: Decodable {
            var pid: UInt32
            var memory_usage: Usage
        }
        struct Usage: Decodable { var vram_mem: Amount }
        struct Amount: Decodable {
            var value: Double
            var unit: String
        }
        guard let gpus = try? JSONDecoder().decode([GPU].self, from: Data(text.utf8)) else { return nil }
        rounding = 0
        for gpu in gpus {
            for case let info? in gpu.process_list.map(\.process_info) {
                let amount = info.memory_usage.vram_mem
                let units: [String: Double] = ["B": 1, "KB": 0x1p10, "MB": 0x1p20, "GB": 0x1p30]
                guard let unit = units[amount.unit] else { continue }
                if unit > 1 { rounding = max(rounding, Bytes(unit)) }
                add(Bytes(clamping: amount.value * unit), pid: info.pid, gpu: gpu.gpu)
            }
        }
    }

    /// `rocm-smi --showpids`: a table whose columns are PID, PROCESS NAME, GPU(s), VRAM USED in bytes, and more.
    init?(rocmSMI text: String) {
        guard text.contains("VRAM USED") || text.contains("No KFD PIDs") else { return nil }
        rounding = 0
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
                .flatMap { $0.split(separator: "\t") }
            // A process's name may hold blanks; the last four columns are numbers.
            guard words.count >= 6, let pid = UInt32(words[0]), let bytes = Bytes(words[words.count - 3]) else {
                continue
            }
            add(bytes, pid: pid, gpu: nil)
        }
    }

    /// `xpu-smi ps -j`: amounts in units of 1000 bytes (xpumanager, cli: memSize / 1000).
    init?(xpuSMI text: String) {
        struct Answer: Decodable { var device_util_by_proc_list: [Process] }
        struct Process: Decodable {
            var process_id: UInt32
            var device_id: Int
            var mem_size: Double
        }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(text.utf8)) else { return nil }
        rounding = 1000
        for process in answer.device_util_by_proc_list {
            add(Bytes(clamping: process.mem_size * 1000), pid: process.process_id, gpu: process.device_id)
        }
    }
}
