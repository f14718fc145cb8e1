extension Attribution {
    func memory(of deviceIndex: Int) -> Device.Memory {
        let observed = observation.devices[deviceIndex]
        if let memoryOwner = memoryOwnerOf[deviceIndex] {
            let device = observation.devices[memoryOwner]
            return Device.Memory(
                sharedWith: device.uuid ?? device.index, source: "nvml",
                unavailable: .fact(.sharedInstance))
        }
        switch observed.memory {
        case .unknown where sharing[deviceIndex]: return sharedMemory(of: deviceIndex)
        case .known where sharing[deviceIndex] && observed.driver != nil: return sharedMemory(of: deviceIndex)
        case .unknown(let reason): return charged(deviceIndex) ?? processesAlone(of: deviceIndex, reason)
        case .known(let reported): return own(reported, of: deviceIndex)
        }
    }

    private func own(_ reported: ObservedMemory, of deviceIndex: Int) -> Device.Memory {
        guard let total = Bytes(reported: reported.total) else { return Self.implausible }
        var memory = Device.Memory(total: total, source: reported.source ?? "nvml")
        if let used = reported.used {
            guard let used = Bytes(reported: used) else { return Self.implausible }
            memory.used = used
            if let free = reported.free {
                guard let free = Bytes(reported: free) else { return Self.implausible }
                memory.free = free
                memory.contradiction = contradiction(of: deviceIndex, total: total, used: used, free: free, reported)
                memory.reserved = reported.reportsReserved ? total - free - used : nil
            }
            return memory
        }
        if let charged = charged(deviceIndex) { return charged }
        memory.used = processesBytes(on: deviceIndex)
        memory.isSum = memory.used != nil
        memory.unavailable = reported.whyNoUse
        return memory
    }

    private static let implausible = Device.Memory(unavailable: .fact(.implausibleAmounts))

    /// `used`, `free` and `reserved` come from one call and add up to `total`, apart from rounding. Before R510 `used` includes
    /// what is reserved (nvml.h, nvmlMemory_t). For a MIG instance no source says that they add up.
    private func contradiction(
        of deviceIndex: Int, total: Bytes, used: Bytes, free: Bytes, _ reported: ObservedMemory
    ) -> Device.Contradiction? {
        guard reported.source == nil else { return nil }
        let reserved = reported.reserved.flatMap { $0 == .max ? nil : Bytes(reported: $0) ?? .max }
        let rest = total - free - used
        let expected = parentOf[deviceIndex] != nil ? nil : reported.reportsReserved ? reserved : 0
        let isAbove = used > total || free > total || reserved.map { $0 > total } ?? false
        let isApart = expected.map { rest.subtracting($0).magnitude > ObservedMemory.rounding.magnitude } ?? (rest < 0)
        guard isAbove || isApart else { return nil }
        return Device.Contradiction(total: total, used: used, free: free, reserved: reserved)
    }

    /// Memory of the whole device from the dmem controller; nil if the controller does not know the device.
    private func charged(_ deviceIndex: Int) -> Device.Memory? {
        guard let whole = observation.chargedInAll, let pci = observation.devices[deviceIndex].pci,
            parentOf[deviceIndex] == nil,
            let total = whole.capacity?.ofDevice(at: pci), let used = whole.current.ofDevice(at: pci)
        else { return nil }
        return Device.Memory(total: total, used: used, free: used <= total ? total - used : nil, source: "dmem")
    }

    /// Memory of a device whose driver reports only its processes.
    private func processesAlone(of deviceIndex: Int, _ reason: Reason) -> Device.Memory {
        guard observation.devices[deviceIndex].driver != nil, let used = processesBytes(on: deviceIndex) else {
            return Device.Memory(unavailable: reason)
        }
        return Device.Memory(
            used: used, source: sources(of: entriesOn[deviceIndex], on: deviceIndex), isSum: true,
            unavailable: reason)
    }

    /// Of a device that has none of its own: the host's, of which it uses what its processes do.
    private func sharedMemory(of deviceIndex: Int) -> Device.Memory {
        let own = entriesOn[deviceIndex]
        var memory = Device.Memory(kind: .shared, source: sources(of: own, on: deviceIndex))
        if let why = failure(of: deviceIndex) {
            memory.unavailable = why
        } else if own.allSatisfy({ $0.claim.bytes == nil }), !own.isEmpty {
            memory.unavailable = unreported(on: deviceIndex)
        } else {
            memory.used = Bytes.sum(own.compactMap(\.claim.bytes))
            let carveout = Bytes.sum(own.map(\.claim.carveout))
            memory.carveout = carveout > 0 ? carveout : nil
        }
        memory.total = observation.hostMemory.flatMap { Bytes(reported: $0.total) }
        memory.free = observation.hostMemory.flatMap { Bytes(reported: $0.available) }
        if memory.total == nil { memory.unavailable = .fact(.hostMemoryUnreadable) }
        return memory
    }

    /// The sum of the device's processes, for a driver that does not report used memory; nil if the process lists could
    /// not be read.
    private func processesBytes(on deviceIndex: Int) -> Bytes? {
        if failure(of: deviceIndex) != nil { return nil }
        let amounts = entriesOn[deviceIndex].map(\.claim.bytes)
        let known = amounts.compactMap(\.self)
        return known.isEmpty && !amounts.isEmpty ? nil : Bytes.sum(known)
    }

    /// The sources of these processes' memory.
    func sources(of entries: [Entry], on deviceIndex: Int) -> String {
        let names = Set(entries.filter { $0.claim.bytes != nil }.map(\.claim.source.rawValue))
        if names.isEmpty { return observation.devices[deviceIndex].driver == nil ? "nvml" : "fdinfo" }
        return names.sorted().joined(separator: "+")
    }
}

extension ObservedDevice {
    /// Whether the device has no memory of its own.
    ///
    /// An Intel GPU that was not queried is judged by its clients and its PCI address: integrated ones are device 2 of
    /// the first bus (nvtop, extract_gpuinfo_intel.c), and so are their virtual functions, 00:02.1 to .7
    /// (i915-sriov-dkms, issues 54 and 271).
    func isSharing(_ observation: Observation) -> Bool {
        if let sharesHostMemory { return sharesHostMemory }
        guard vendor == .intel, driver != nil, let pci else { return false }
        if observation.chargedInAll?.capacity?.regions(at: pci).isEmpty == false { return false }
        let hasOwn = observation.clients?.value?.clients.contains { client in
            client.pci == pci && client.regions.contains { $0.isDevices && !$0.isStolen }
        }
        return hasOwn != true && pci.hasPrefix("0000:00:02.")
    }

    /// Its lists are empty whatever runs on it, so that they prove nothing: NVIDIA's driver of Jetson Orin and older boards
    /// (linux-tegra-5.10, issue 17; jetson-containers, issue 1403). Its name says so, or it reports neither memory of its own nor
    /// utilization; the driver of other GPUs without memory of their own lists processes (DGX Spark, Jetson Thor).
    func listsNobody() -> Bool {
        guard vendor == .nvidia, driver == nil, [compute, graphics, mps].allSatisfy(\.processes.isEmpty) else {
            return false
        }
        if case .failed = compute { return false }
        if name?.contains("(nvgpu)") == true { return true }
        return sharesHostMemory == true && memory.value == nil && utilizationPercent.value == nil
    }
}
