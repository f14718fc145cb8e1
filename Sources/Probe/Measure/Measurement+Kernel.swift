import Ledger

// Steps about kernel drivers: their numbers compared with those of the vendor's tool, and the charges of the dmem
// controller. The comparisons use the processes that run already, and allocate nothing.

extension Measurement {
    func amdProcesses() throws(NotTried) -> Finding {
        try compareWithTool(drivers: ["amdgpu"], missing: .amdGPU) { () throws(NotTried) in
            do throws(NotTried) {
                return try amdSMI()
            } catch .noTool {
                return try rocmSMI()
            }
        }
    }

    func intelProcesses() throws(NotTried) -> Finding {
        try compareWithTool(drivers: ["i915", "xe"], missing: .intelGPU, tool: xpuSMI)
    }

    /// Compares the bytes of each process on all GPUs of a vendor, as Plimsoll reads them, with those of the vendor's
    /// tool.
    ///
    /// - Parameters:
    ///   - drivers: names of the kernel drivers.
    ///   - missing: the reason if there is no GPU with such a driver.
    ///   - tool: runs the tool.
    private func compareWithTool(
        drivers: Set<String>, missing: NotTried.Prerequisite, tool: () throws(NotTried) -> VendorList
    ) throws(NotTried) -> Finding {
        guard let before = bytesByPID(drivers) else { throw .missing(missing) }
        let list = try tool()
        let after = bytesByPID(drivers) ?? [:]
        // Processes can start, end and allocate meanwhile. Compare only those whose bytes did not change.
        let differences = list.bytes.compactMap { pid, bytes -> Bytes? in
            guard let own = before[pid], after[pid] == own else { return nil }
            return bytes.subtracting(own)
        }
        let listedByToolAlone = list.bytes.count { $0.value > 0 && before[$0.key] == nil && after[$0.key] == nil }
        guard !differences.isEmpty || listedByToolAlone > 0 else { throw .missing(.listedByTool) }
        return .tool(
            differences, rounding: list.rounding, alone: listedByToolAlone, seesAll: observe().snapshot.unread == nil)
    }

    /// Bytes of each process on all GPUs of these drivers, by PID; nil if there is no such GPU.
    private func bytesByPID(_ drivers: Set<String>) -> [UInt32: Bytes]? {
        let snapshot = observe().snapshot
        let devices = snapshot.devices.indices.filter { drivers.contains(snapshot.devices[$0].driver ?? "") }
        if devices.isEmpty { return nil }
        return snapshot.processes.reduce(into: [:]) { amounts, process in
            guard devices.contains(process.device), process.complete, let bytes = process.bytes else { return }
            amounts[process.pid, default: 0] = amounts[process.pid, default: 0].adding(bytes)
        }
    }

    /// Compares the bytes of each process on the partitions of a partitioned Instinct with those of amd-smi. Plimsoll
    /// orders partitions by the number of their device file.
    func partitions() throws(NotTried) -> Finding {
        let snapshot = observe().snapshot
        // amd-smi numbers the partitions, but not the partitioned GPU itself.
        let partitions = snapshot.devices.indices.filter {
            snapshot.devices[$0].driver == "amdgpu" && !snapshot.devices[$0].isPartitioned
        }
        let byGPU = Dictionary(grouping: partitions) { snapshot.devices[$0].pci?.prefix { $0 != "." } ?? "" }
        guard byGPU.values.contains(where: { $0.count > 1 }) else { throw .missing(.partition) }
        let list = try amdSMI()
        let differences = list.byGPU.compactMap { key, bytes -> Bytes? in
            guard partitions.indices.contains(key.gpu) else { return nil }
            let process = snapshot.processes.first { $0.pid == key.pid && $0.device == partitions[key.gpu] }
            return process?.bytes.map { bytes.subtracting($0) }
        }
        guard !differences.isEmpty else { throw .missing(.listedByTool) }
        return .tool(differences, rounding: list.rounding)
    }

    /// Compares the rise of our own cgroup's charge with the bytes that the driver lists for the worker that causes it.
    func dmemCharge() throws(NotTried) -> Finding {
        guard observe().observation.deviceMemory != nil else { throw .missing(.dmem) }
        let target = try target()
        let watcher = try watcher()
        let request = "charge \(target.pci ?? "")"
        guard let before = try watcher.ask(request).bytes("bytes") else { throw .missing(.ownCharge) }
        let holder = try holder(toAllocate: 64 << 20)
        defer { holder.end() }
        try holder.ask("allocate \(64 << 20)")
        guard let after = try watcher.ask(request).bytes("bytes") else { throw .missing(.ownCharge) }
        return .dmemCharge(charged: after - before, listed: try targetMemory(watcher).bytes(of: holder.pid))
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
