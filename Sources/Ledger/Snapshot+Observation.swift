extension Snapshot {
    /// Joins what the sources said into a ledger per device that adds up.
    package init(_ observation: Observation) {
        let book = Book(observation)
        self.init(
            time: observation.time, host: observation.host, devices: book.devices(), containers: book.containers(),
            processes: book.processes(), idleContainers: book.idleContainers(), sources: observation.sources)
    }
}

/// The observation with every claim placed: what each part of the snapshot is read from.
private struct Book {
    let observation: Observation
    /// By the place of a GPU: the places of its MIG instances.
    let instancesOf: [Int: [Int]]
    /// By the place of a MIG instance: that of its GPU.
    let parentOf: [Int: Int]
    /// By the place of an instance that shares its GPU instance: the one that carries memory and ledger.
    let carrierOf: [Int: Int]
    let entries: [Entry]
    let known: [String: (Runtime, EngineContainer)]

    struct Entry {
        var pid: UInt32
        var device: Int
        var claim: Claim
        var place: ProcessPlace
    }

    /// Why a process on this device has no bytes.
    private func untold(on device: Int) -> String {
        if observation.view.isWSL == true {
            return
                "on WSL2 Windows manages the GPU's memory (WDDM), and the driver does not tell what a process has of it"
        }
        return parentOf[device] != nil || instancesOf[device] != nil
            ? "the driver tells what a process has of a divided GPU (MIG) only to root or with the monitor capability"
            : "the driver does not tell this process's memory"
    }

    init(_ observation: Observation) {
        self.observation = observation
        let devices = observation.devices
        var instances: [Int: [Int]] = [:]
        var parents: [Int: Int] = [:]
        var carriers: [Int: Int] = [:]
        for (place, device) in devices.enumerated() {
            guard let parentIndex = device.parentIndex,
                let parent = devices.firstIndex(where: { $0.vendor == device.vendor && $0.index == parentIndex })
            else { continue }
            if let gpuInstance = device.gpuInstance {
                carriers[place] = instances[parent]?.first {
                    devices[$0].gpuInstance == gpuInstance && carriers[$0] == nil
                }
            }
            instances[parent, default: []].append(place)
            parents[place] = parent
        }
        instancesOf = instances
        parentOf = parents
        carrierOf = carriers

        let lookup = ProcessLookup(observation)
        entries = Claims(devices, instancesOf: instances).byDevice.enumerated().flatMap { device, claims in
            claims.map { pid, claim in
                Entry(
                    pid: pid, device: device, claim: claim, place: lookup.place(of: pid, listedBy: devices[device]))
            }
        }
        known = observation.engines.reduce(into: [:]) { known, engine in
            for container in engine.containers where known[container.id] == nil {
                known[container.id] = (engine.runtime, container)
            }
        }
    }

    // MARK: Devices

    func devices() -> [Device] {
        let byCarrier = Dictionary(grouping: entries) { carrierOf[$0.device] ?? $0.device }
        let memories = observation.devices.indices.map(memory)
        return observation.devices.enumerated().map { place, observed in
            Device(
                index: observed.index, uuid: observed.uuid, name: observed.name, vendor: observed.vendor,
                pci: observed.pci, parent: parentOf[place].flatMap { observation.devices[$0].uuid },
                isDivided: observed.isDivided ?? (instancesOf[place] != nil), memory: memories[place],
                utilizationPercent: observed.utilizationPercent.value,
                ledger: ledger(of: place, byCarrier[place] ?? [], memories))
        }
    }

    private func memory(of place: Int) -> Device.Memory {
        let observed = observation.devices[place]
        if let carrier = carrierOf[place] {
            let device = observation.devices[carrier]
            return Device.Memory(
                sharedWith: device.uuid ?? device.index, source: "nvml",
                unavailable: "shared with the other compute instances of its GPU instance")
        }
        switch observed.memory {
        case .unknown where observed.sharesHostMemory == true: return sharedMemory(of: place)
        case .unknown(let reason): return Device.Memory(unavailable: reason)
        case .known(let told):
            guard let total = Bytes(told: told.total), let used = Bytes(told: told.used),
                let free = Bytes(told: told.free)
            else { return Device.Memory(unavailable: "the driver told amounts that no device has") }
            return Device.Memory(
                total: total, used: used, reserved: told.tellsReserved ? total - free - used : nil, free: free,
                source: "nvml")
        }
    }

    /// Of a device that has none of its own: the host's, of which it uses what its processes do.
    private func sharedMemory(of place: Int) -> Device.Memory {
        var memory = Device.Memory(kind: .shared, source: "nvml")
        let told = entries.filter { $0.device == place }.compactMap(\.claim.bytes)
        if case .failed(let why) = observation.devices[place].compute {
            memory.unavailable = why
        } else if told.isEmpty, entries.contains(where: { $0.device == place }) {
            memory.unavailable = untold(on: place)
        } else {
            memory.used = Bytes.sum(told)
        }
        memory.total = observation.hostMemory.flatMap { Bytes(told: $0.total) }
        memory.free = observation.hostMemory.flatMap { Bytes(told: $0.available) }
        if memory.total == nil { memory.unavailable = "it shares the host's memory, which could not be read" }
        return memory
    }

    private func ledger(of place: Int, _ entries: [Entry], _ memories: [Device.Memory]) -> DeviceLedger {
        // An instance that shares another's memory has its word for the lists too.
        guard carrierOf[place] == nil else { return DeviceLedger(listsRead: observation.view.seesEveryProcess) }
        let sharing = observation.devices.indices.filter { $0 == place || carrierOf[$0] == place }
        let lists = sharing.map { observation.devices[$0] }
        for device in lists { if case .failed = device.compute { return DeviceLedger() } }

        func sum(_ holder: Holder) -> Bytes {
            Bytes.sum(entries.filter { $0.place.holder == holder }.compactMap(\.claim.bytes))
        }
        let carrying = (instancesOf[place] ?? []).filter { carrierOf[$0] == nil }.map { memories[$0].used }
        let instances = carrying.contains(nil) ? nil : Bytes.sum(carrying.compactMap(\.self))
        var ledger = DeviceLedger(
            containers: sum(.container), host: sum(.host), gone: sum(.gone), hidden: sum(.hidden), instances: instances)
        if let used = memories[place].used, let instances {
            let attributed = Bytes.sum(entries.compactMap(\.claim.bytes)).adding(instances)
            ledger.unattributed = used.subtracting(attributed)
        }
        let othersFailed = lists.contains { device in
            if case .failed = device.graphics { return true }
            if case .failed = device.mps { return true }
            return false
        }
        // From inside a container a driver leaves out what is not to be seen there.
        let areCut = lists.contains { [$0.compute, $0.graphics, $0.mps].contains(where: \.isFull) }
        ledger.leavesOutOthers =
            observation.view.inInitialNamespace == false
            && observation.view.meansOurProcesses(observation.devices[place].vendor)
        ledger.listsRead = !othersFailed && !areCut && observation.view.seesEveryProcess
        ledger.complete =
            instances != nil && !othersFailed && !areCut && entries.allSatisfy { $0.claim.bytes != nil }
        return ledger
    }

    // MARK: Containers

    func containers() -> [Container] {
        let byContainer = Dictionary(grouping: entries.filter { $0.place.container != nil }) { $0.place.container!.id }
        return byContainer.map { id, entries in
            var container = describe(id, runtime: entries[0].place.container!.runtime)
            container.parents = entries.map(\.place.parents).max { $0.count < $1.count } ?? []
            let byDevice = Dictionary(grouping: entries, by: \.device)
            container.usage = byDevice.sorted { $0.key < $1.key }.map { usage(on: $0.key, $0.value) }
            return container
        }.sorted { Self.order($0.bytes, $0.id, $1.bytes, $1.id) }
    }

    func idleContainers() -> [Container] {
        let holding = Set(entries.compactMap { $0.place.container?.id })
        let idle = known.values.filter { !holding.contains($0.1.id) }
        return idle.map { describe($0.1.id, runtime: $0.0) }.sorted { ($0.name ?? $0.id) < ($1.name ?? $1.id) }
    }

    private func usage(on device: Int, _ entries: [Entry]) -> Container.Usage {
        let bytes = entries.compactMap(\.claim.bytes)
        var complete = bytes.count == entries.count
        if case .failed = observation.devices[device].compute { complete = false }
        return Container.Usage(
            device: device, bytes: bytes.isEmpty ? nil : Bytes.sum(bytes), complete: complete,
            unavailable: bytes.isEmpty ? untold(on: device) : nil, source: "nvml", pids: entries.map(\.pid).sorted())
    }

    private func describe(_ id: String, runtime: Runtime) -> Container {
        let engine = known[id]
        let limit = observation.ramLimits[id]
        return Container(
            id: id, name: engine?.1.name, image: engine?.1.image, runtime: engine?.0 ?? runtime, known: engine != nil,
            parents: [], labels: engine?.1.labels ?? [:], ramLimit: limit?.value?.flatMap { Bytes(exactly: $0) },
            ramLimitUnavailable: limit == nil
                ? "its cgroup was not read" : limit?.reason, usage: [])
    }

    // MARK: Processes

    func processes() -> [GPUProcess] {
        entries.sorted {
            $0.device != $1.device
                ? $0.device < $1.device
                : Self.order($0.claim.bytes, $0.pid, $1.claim.bytes, $1.pid)
        }.map { entry in
            let process = entry.place.process
            return GPUProcess(
                pid: entry.pid, startTime: process.flatMap(startTime), namespacePIDs: process?.namespacePIDs ?? [],
                name: process.flatMap { $0.name.isEmpty ? nil : $0.name }, user: process?.user, device: entry.device,
                bytes: entry.claim.bytes,
                unavailable: entry.claim.bytes == nil ? untold(on: entry.device) : nil,
                types: ProcessType.allCases.filter(entry.claim.types.contains), holder: entry.place.holder,
                container: entry.place.container?.id)
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
    private static func order<ID: Comparable>(_ left: Bytes?, _ leftID: ID, _ right: Bytes?, _ rightID: ID) -> Bool {
        left == right ? leftID < rightID : (left ?? .min) > (right ?? .min)
    }
}
