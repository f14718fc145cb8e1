import Ledger

// Steps about the kernel's drivers: their numbers beside those of the vendor's tool, and the dmem controller's charges.
// Nothing is allocated: what runs there is compared.

extension Measurement {
    func amdProcesses() throws(NotTried) -> Finding {
        try kernelProcesses(driver: ["amdgpu"], .amdGPU) { () throws(NotTried) in
            do throws(NotTried) {
                return try amdSMI()
            } catch .noTool {
                return try rocmSMI()
            }
        }
    }

    func intelProcesses() throws(NotTried) -> Finding {
        try kernelProcesses(driver: ["i915", "xe"], .intelGPU, xpuSMI)
    }

    /// What each process has on all GPUs of the vendor's together, by Plimsoll and by the tool.
    private func kernelProcesses(
        driver: Set<String>, _ missing: NotTried.Missing, _ tool: () throws(NotTried) -> VendorList
    ) throws(NotTried) -> Finding {
        guard let before = amounts(driver) else { throw .missing(missing) }
        let list = try tool()
        let after = amounts(driver) ?? [:]
        // Others may allocate meanwhile, begin and end: what moved is not compared.
        let differences = list.bytes.compactMap { pid, bytes -> Bytes? in
            guard let own = before[pid], after[pid] == own else { return nil }
            return bytes.subtracting(own)
        }
        let alone = list.bytes.count { $0.value > 0 && before[$0.key] == nil && after[$0.key] == nil }
        guard !differences.isEmpty || alone > 0 else { throw .missing(.listedByTool) }
        return .tool(
            differences, rounding: list.rounding, alone: alone, seesAll: observe().snapshot.unread == nil)
    }

    /// By PID; nil if there is no GPU with such a driver.
    private func amounts(_ drivers: Set<String>) -> [UInt32: Bytes]? {
        let snapshot = observe().snapshot
        let places = snapshot.devices.indices.filter { drivers.contains(snapshot.devices[$0].driver ?? "") }
        if places.isEmpty { return nil }
        return snapshot.processes.reduce(into: [:]) { amounts, process in
            guard places.contains(process.device), process.complete, let bytes = process.bytes else { return }
            amounts[process.pid, default: 0] = amounts[process.pid, default: 0].adding(bytes)
        }
    }

    /// Processes on the partitions of one Instinct, each by the number of its device file, beside amd-smi's.
    func partitions() throws(NotTried) -> Finding {
        let snapshot = observe().snapshot
        // The tool numbers partitions, and not the GPU that they are of.
        let amd = snapshot.devices.indices.filter {
            snapshot.devices[$0].driver == "amdgpu" && !snapshot.devices[$0].isPartitioned
        }
        let byCard = Dictionary(grouping: amd) { snapshot.devices[$0].pci?.prefix { $0 != "." } ?? "" }
        guard byCard.values.contains(where: { $0.count > 1 }) else { throw .missing(.partition) }
        let list = try amdSMI()
        let differences = list.byGPU.compactMap { key, bytes -> Bytes? in
            guard amd.indices.contains(key.gpu) else { return nil }
            let process = snapshot.processes.first { $0.pid == key.pid && $0.device == amd[key.gpu] }
            return process?.bytes.map { bytes.subtracting($0) }
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

    private func amdSMI() throws(NotTried) -> VendorList {
        try vendorList(["amd-smi", "process", "--json"], VendorList.init(amdSMI:))
    }

    private func rocmSMI() throws(NotTried) -> VendorList {
        try vendorList(["rocm-smi", "--showpids"], VendorList.init(rocmSMI:))
    }

    private func xpuSMI() throws(NotTried) -> VendorList {
        try vendorList(["xpu-smi", "ps", "-j"], VendorList.init(xpuSMI:))
    }

    private func vendorList(
        _ words: [String], _ parse: (String) -> VendorList?
    ) throws(NotTried) -> VendorList {
        guard let list = parse(try Tool.output(words, within: plan.timeout)) else { throw .toolNotUnderstood(words[0]) }
        return list
    }
}
