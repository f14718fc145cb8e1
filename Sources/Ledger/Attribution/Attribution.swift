extension Snapshot {
    /// Joins what the sources said into a ledger per device that adds up.
    package init(_ observation: Observation) {
        let book = Attribution(observation)
        self.init(
            time: observation.time, host: observation.host, devices: book.devices(), containers: book.containers(),
            processes: book.processes(), idleContainers: book.idleContainers(),
            unread: observation.clients?.value?.complaint, sources: observation.sources)
    }
}

/// The observation with every claim placed: what each part of the snapshot is read from.
struct Attribution {
    let observation: Observation
    /// Indices of a GPU's MIG instances, by the GPU's index.
    let instancesOf: [Int: [Int]]
    /// Index of an instance's GPU, by the instance's index.
    let parentOf: [Int: Int]
    /// Index of the instance that has memory and ledger, by the index of an instance that shares its GPU instance.
    let memoryOwnerOf: [Int: Int]
    /// Whether a device has no memory of its own and uses the host's, by device index.
    let sharing: [Bool]
    let entries: [Entry]
    /// The entries by device index.
    let entriesOn: [[Entry]]
    let charges: Charges
    let known: [String: (Runtime, EngineContainer)]
    let lookup: ProcessLookup
    /// By container id: its RAM limit, a value of nil for none.
    let ramLimits: [String: Reading<Limit<UInt64>>]

    struct Entry {
        var pid: UInt32
        var device: Int
        var claim: ProcessUsage
        var attribution: ProcessAttribution
    }

    /// Why a process on this device has no bytes.
    func unreported(on device: Int) -> Reason {
        if let driver = observation.devices[device].driver { return .unreportedByKernel(driver: driver) }
        if observation.view.isWSL == true { return .fact(.unreportedOnWSL) }
        return .fact(parentOf[device] != nil || instancesOf[device] != nil ? .unreportedOnMIG : .unreportedProcess)
    }

    init(_ observation: Observation) {
        self.observation = observation
        let devices = observation.devices
        var instances: [Int: [Int]] = [:]
        var parents: [Int: Int] = [:]
        var memoryOwners: [Int: Int] = [:]
        for (deviceIndex, device) in devices.enumerated() {
            guard let parentIndex = device.parentIndex,
                let parent = devices.firstIndex(where: { $0.vendor == device.vendor && $0.index == parentIndex })
            else { continue }
            if let gpuInstance = device.gpuInstance {
                memoryOwners[deviceIndex] = instances[parent]?.first {
                    devices[$0].gpuInstance == gpuInstance && memoryOwners[$0] == nil
                }
            }
            instances[parent, default: []].append(deviceIndex)
            parents[deviceIndex] = parent
        }
        instancesOf = instances
        parentOf = parents
        memoryOwnerOf = memoryOwners

        let sharing = devices.map { $0.isSharing(observation) }
        self.sharing = sharing
        let lookup = ProcessLookup(observation)
        self.lookup = lookup
        ramLimits = RAMLimits(observation, lookup).byContainer
        entriesOn = UsageTable(observation, instancesOf: instances, sharing: sharing).byDevice.enumerated().map {
            device, claims in
            claims.map { pid, claim in
                let attribution =
                    claim.startTick.map { lookup.attribution(of: pid, startedAt: $0) }
                    ?? lookup.attribution(of: pid, listedBy: devices[device])
                return Entry(pid: pid, device: device, claim: claim, attribution: attribution)
            }
        }
        entries = entriesOn.flatMap(\.self)
        charges = Charges(
            observation, lookup.claimed,
            on: devices.enumerated().compactMap { deviceIndex, device in
                guard let pci = device.pci, !sharing[deviceIndex], instances[deviceIndex] == nil,
                    parents[deviceIndex] == nil
                else {
                    return nil
                }
                return (deviceIndex, pci)
            })
        // If several engines know an id, root's engine is trusted: no other user can run a container for root.
        let rootsFirst = observation.engines.filter { $0.owner == 0 } + observation.engines.filter { $0.owner != 0 }
        known = rootsFirst.reduce(into: [:]) { known, engine in
            for container in engine.containers
            where !container.id.isEmpty && known[container.id] == nil
                && lookup.claimed.isNamed(container.id, by: engine)
            {
                known[container.id] = (engine.runtime, container)
            }
        }
    }

    // MARK: Devices

    func devices() -> [Device] {
        let byMemoryOwner = Dictionary(grouping: entries) { memoryOwnerOf[$0.device] ?? $0.device }
        let memories = observation.devices.indices.map(memory)
        let isAlone = Set(observation.devices.map(\.vendor)).count < 2
        return observation.devices.enumerated().map { deviceIndex, observed in
            let ledger = ledger(of: deviceIndex, byMemoryOwner[deviceIndex] ?? [], memories)
            return Device(
                index: observed.index,
                label: isAlone ? observed.index : "\(observed.vendor.rawValue):\(observed.index)", uuid: observed.uuid,
                name: observed.name, vendor: observed.vendor,
                pci: observed.pci, parent: parentOf[deviceIndex].flatMap { observation.devices[$0].uuid },
                isPartitioned: observed.isPartitioned ?? (instancesOf[deviceIndex] != nil),
                memory: memories[deviceIndex],
                utilizationPercent: observed.utilizationPercent.value,
                ledger: ledger, driver: observed.driver, renderMinors: (observed.minors ?? []).filter { $0 >= 128 },
                answers: memories[deviceIndex].used != nil || memories[deviceIndex].sharedWith != nil
                    || ledger.containers != nil
                    || observed.listsNobody(),
                processesSeen: lookup.seen(on: observed.vendor))
        }
    }

    private func ledger(of deviceIndex: Int, _ entries: [Entry], _ memories: [Device.Memory]) -> DeviceLedger {
        // An instance that shares another's memory has its word for the lists too.
        guard memoryOwnerOf[deviceIndex] == nil else {
            return DeviceLedger(listsRead: observation.view.seesEveryProcess)
        }
        let sharing = observation.devices.indices.filter { $0 == deviceIndex || memoryOwnerOf[$0] == deviceIndex }
        let lists = sharing.map { observation.devices[$0] }
        for device in sharing where failure(of: device) != nil { return DeviceLedger() }

        func sum(_ holder: Holder) -> Bytes {
            Bytes.sum(entries.filter { $0.attribution.holder == holder }.compactMap(\.claim.bytes))
        }
        let carrying = (instancesOf[deviceIndex] ?? []).filter { memoryOwnerOf[$0] == nil }.map { memories[$0].used }
        let instances = carrying.contains(nil) ? nil : Bytes.sum(carrying.compactMap(\.self))
        var ledger = DeviceLedger(
            containers: Bytes.sum(sharing.flatMap(containerBytes).compactMap(\.value)), host: sum(.host),
            gone: sum(.gone), hidden: sum(.hidden), instances: instances)
        // What the kernel charged to a container beyond its processes that are seen, others have there who are listed too.
        let excess = Bytes.sum(sharing.map(excess))
        let fromHidden = min(excess, ledger.hidden ?? 0)
        ledger.hidden = ledger.hidden.map { $0 - fromHidden }
        ledger.gone = ledger.gone.map { $0 - min(excess - fromHidden, $0) }
        if let used = memories[deviceIndex].used, let instances {
            let terms = [ledger.containers, ledger.host, ledger.gone, ledger.hidden].compactMap(\.self)
            ledger.unattributed = used.subtracting(Bytes.sum(terms).adding(instances))
        }
        let othersFailed = lists.contains { device in
            if case .failed = device.graphics { return true }
            if case .failed = device.mps { return true }
            return false
        }
        let isNVIDIAs = observation.devices[deviceIndex].vendor == .nvidia
        let areCut =
            isNVIDIAs && lists.contains { [$0.compute, $0.graphics, $0.mps].contains(where: \.isFull) }
        let unread = lists.contains { $0.minors != nil } && observation.clients?.value?.unreadable != 0
        let haveLeftOut = lists.contains { $0.leftOut ?? 0 > 0 }
        ledger.leavesOutOthers =
            observation.view.inInitialNamespace == false && observation.view.procIsOwn
            && (!isNVIDIAs || lookup.seen(on: .nvidia) != .none)
        let areWhole = !othersFailed && !areCut && !unread && !haveLeftOut
        ledger.listsRead = areWhole && observation.view.seesEveryProcess
        ledger.complete =
            instances != nil && areWhole
            && entries.allSatisfy { $0.claim.bytes != nil && !$0.claim.isPartial || isCharged($0) }
        return ledger
    }

    /// Why it is not known who holds memory on a device.
    func failure(of deviceIndex: Int) -> Reason? {
        let device = observation.devices[deviceIndex]
        if case .failed(let why) = device.compute { return why }
        if device.listsNobody() { return .fact(.listsNobody) }
        // AMD's compute driver has a list beside.
        if device.minors != nil, device.compute == .absent, let why = observation.clients?.reason { return why }
        return nil
    }

    /// By how much charges are above what is seen of the containers' processes.
    private func excess(on deviceIndex: Int) -> Bytes {
        let seen = seenBytes(on: deviceIndex)
        return Bytes.sum(
            charges.bytes.filter { $0.key.device == deviceIndex }.map { key, charged in
                max(0, charged.subtracting(seen[key.container] ?? 0))
            })
    }

    /// Whether the process's container already has a number from the dmem controller, which includes this process.
    private func isCharged(_ entry: Entry) -> Bool {
        guard let container = entry.attribution.container?.id else { return false }
        return charges.bytes[.init(container: container, device: entry.device)] != nil
    }

    // MARK: Processes

    func processes() -> [GPUProcess] {
        entries.sorted {
            $0.device != $1.device
                ? $0.device < $1.device
                : Self.order($0.claim.bytes, $0.pid, $1.claim.bytes, $1.pid)
        }.map { entry in
            let process = entry.attribution.process
            return GPUProcess(
                pid: entry.pid, startTime: process.flatMap(startTime), namespacePIDs: process?.namespacePIDs ?? [],
                name: process.flatMap { $0.name.isEmpty ? nil : $0.name }, user: process?.user, device: entry.device,
                bytes: entry.claim.bytes, complete: entry.claim.bytes != nil && !entry.claim.isPartial,
                unavailable: entry.claim.bytes == nil ? unreported(on: entry.device) : nil,
                types: ProcessType.allCases.filter(entry.claim.types.contains), holder: entry.attribution.holder,
                container: entry.attribution.container?.id, unrecognizedCgroup: entry.attribution.unrecognized,
                namespaceContainer: entry.attribution.movedFrom,
                evicted: entry.claim.evicted.flatMap { $0 > 0 ? $0 : nil }, countedWith: entry.claim.countedWith)
        }
    }

    private func startTime(of process: ObservedProcess) -> Int64? {
        // No process starts in the tick of the boot: 0 is one whose stat could not be read.
        guard let boot = observation.view.bootTime, observation.view.ticksPerSecond > 0, process.startTick != 0 else {
            return nil
        }
        let (boots, overflow) = boot.multipliedReportingOverflow(by: 1000)
        let (ticks, tooMany) = process.startTick.multipliedReportingOverflow(by: 1000)
        return overflow || tooMany ? nil : boots.adding(ticks / observation.view.ticksPerSecond)
    }

    /// Largest first, unknown last, then by identity.
    static func order<ID: Comparable>(_ left: Bytes?, _ leftID: ID, _ right: Bytes?, _ rightID: ID) -> Bool {
        left == right ? leftID < rightID : (left ?? .min) > (right ?? .min)
    }
}
