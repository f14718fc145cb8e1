/// What DRM clients say of each process on each device. A client that several processes share, by fork or because its
/// descriptor was passed on, counts with one of them.
struct ClientUsage {
    private(set) var byDevice: [[UInt32: ProcessUsage]]

    private struct Key: Hashable {
        var device: Int
        var client: UInt64
    }

    /// - Parameter sharing: whether a device has no memory of its own, by device index.
    init(_ observation: Observation, sharing: [Bool]) {
        let devices = observation.devices
        byDevice = devices.map { _ in [:] }
        guard let clients = observation.clients?.value?.clients else { return }
        var holders: [Key: [DRMClient]] = [:]
        for client in clients {
            guard let device = Self.device(of: client, devices) else { continue }
            holders[Key(device: device, client: client.id), default: []].append(client)
        }
        let names = Dictionary(observation.processes.map { ($0.pid, $0.name) }, uniquingKeysWith: { first, _ in first })
        // In one order, because sums of sources do not depend on it and a process's start does.
        for (key, clients) in holders.sorted(by: { ($0.key.device, $0.key.client) < ($1.key.device, $1.key.client) }) {
            let ordered = clients.sorted { Self.order($0, names) < Self.order($1, names) }
            let owner = ordered[0]
            let own = ProcessUsage(owner, isShared: sharing[key.device])
            add(own, of: owner.pid, on: key.device)
            for other in ordered.dropFirst() where other.pid != owner.pid {
                // What is unknown of the one is unknown of the other.
                var claim = ProcessUsage(bytes: own.bytes == nil ? nil : 0, source: .fdinfo, startTick: other.startTick)
                claim.isPartial = own.isPartial
                claim.countedWith = owner.pid
                claim.use(other)
                add(claim, of: other.pid, on: key.device)
            }
        }
    }

    /// The device of a client: by its device file or, if that is unknown or another host's, by its PCI address. A
    /// partition of a GPU has the address of the whole GPU.
    static func device(of client: DRMClient, _ devices: [ObservedDevice]) -> Int? {
        let byFile = client.minor.flatMap { minor in
            devices.firstIndex { device in
                device.minors?.contains(minor) == true && (client.pci == nil || device.pci == client.pci)
            }
        }
        guard byFile == nil, let pci = client.pci else { return byFile }
        return devices.firstIndex { $0.minors != nil && $0.parentIndex == nil && $0.pci == pci }
    }

    /// Who opened it: the one who started first, as a parent does before its child. But these open devices for the sessions of
    /// others and keep a descriptor themselves (systemd, sd-login TakeDevice; seatd).
    private static func order(_ client: DRMClient, _ names: [UInt32: String]) -> (Int, Int64, UInt32) {
        let opensForOthers = DRMClient.openers.contains(names[client.pid] ?? "")
        return (opensForOthers ? 1 : 0, client.startTick, client.pid)
    }

    private mutating func add(_ claim: ProcessUsage, of pid: UInt32, on device: Int) {
        byDevice[device][pid] = byDevice[device][pid].map { $0.adding(claim) } ?? claim
    }
}

extension ProcessUsage {
    /// - Parameter isShared: the device has no memory of its own, so what a client has of the host's is what it uses.
    fileprivate init(_ client: DRMClient, isShared: Bool) {
        let counted = client.regions.filter { $0.isDevices || isShared && ($0.isHosts || $0.isStolen) }
        let amounts = counted.map { $0.bytes.flatMap { Bytes(reported: $0) } }
        let known = amounts.compactMap(\.self)
        self.init(bytes: known.isEmpty ? nil : Bytes.sum(known), source: .fdinfo, startTick: client.startTick)
        isPartial = known.count < amounts.count
        if isShared {
            carveout = Bytes.sum(
                client.regions.filter { $0.isDevices || $0.isStolen }.compactMap {
                    $0.bytes.flatMap { Bytes(reported: $0) }
                })
        } else {
            evicted = client.evicted.flatMap { Bytes(reported: $0) }
        }
        use(client)
    }

    fileprivate mutating func use(_ client: DRMClient) {
        if client.hasComputed { types.insert(.compute) }
        if client.hasDrawn { types.insert(.graphics) }
    }

    /// With another client of the same process.
    fileprivate func adding(_ other: ProcessUsage) -> ProcessUsage {
        var sum = self
        // What is counted with another adds nothing to what is its own.
        sum.countedWith = countedWith == nil || other.countedWith == nil ? nil : countedWith
        sum.isPartial = isPartial || other.isPartial || (bytes == nil) != (other.bytes == nil)
        sum.bytes = bytes.map { $0.adding(other.bytes ?? 0) } ?? other.bytes
        sum.evicted = [evicted, other.evicted].compactMap(\.self).reduce(nil) { ($0 ?? 0).adding($1) }
        sum.carveout = carveout.adding(other.carveout)
        sum.types.formUnion(other.types)
        return sum
    }
}
