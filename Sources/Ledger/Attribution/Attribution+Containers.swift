extension Attribution {
    func containers() -> [Container] {
        let held = Dictionary(grouping: entries.filter { $0.attribution.container != nil }) {
            $0.attribution.container!.id
        }
        let charged = Set(charges.bytes.keys.map(\.container))
        return Set(held.keys).union(charged).map { id in
            let entries = held[id] ?? []
            let charged = charges.containers[id]
            var container = describe(
                id, runtime: entries.first?.attribution.container?.runtime ?? charged?.container.runtime ?? .unknown)
            container.isOwn = entries.contains { $0.attribution.container?.isOwn == true }
            if id == Container.ownWithoutID { container.likelyID = observation.view.own?.id }
            container.verified = entries.allSatisfy(\.attribution.isVerified) && charged?.isVerified ?? true
            container.parents =
                (entries.map(\.attribution.parents) + [charged?.parents ?? []]).max { $0.count < $1.count } ?? []
            container.parentNames = container.parents.map { name(of: $0) ?? shortID($0) }
            let byDevice = Dictionary(grouping: entries, by: \.device)
            container.usage = observation.devices.indices.compactMap { device in
                let isCharged = charges.bytes[.init(container: id, device: device)] != nil
                guard isCharged || byDevice[device] != nil else { return nil }
                return usage(of: id, on: device, byDevice[device] ?? [])
            }
            return container
        }.sorted { Self.order($0.bytes, $0.id, $1.bytes, $1.id) }
    }

    func idleContainers() -> [Container] {
        let holding = Set(entries.compactMap { $0.attribution.container?.id }).union(
            charges.bytes.keys.map(\.container))
        let idle = known.values.filter { !holding.contains($0.1.id) }
        return idle.map { describe($0.1.id, runtime: $0.0) }.sorted { ($0.name ?? $0.id) < ($1.name ?? $1.id) }
    }

    /// What the processes of each container hold on a device together, by its id.
    func seenBytes(on device: Int) -> [String: Bytes] {
        var bytes: [String: Bytes] = [:]
        for entry in entriesOn[device] {
            guard let id = entry.attribution.container?.id else { continue }
            bytes[id] = (bytes[id] ?? 0).adding(entry.claim.bytes ?? 0)
        }
        return bytes
    }

    /// Bytes that each container uses on a device, by container id, as `usage` reports them.
    func containerBytes(on device: Int) -> [String: Bytes] {
        var bytes = seenBytes(on: device)
        for (key, charged) in charges.bytes where key.device == device { bytes[key.container] = charged }
        return bytes
    }

    /// A charge of 0 beside memory that the driver sees is of a driver that does not charge.
    private func usage(of container: String, on device: Int, _ entries: [Entry]) -> Container.Usage {
        let key = Charges.Key(container: container, device: device)
        let pids = entries.map(\.pid).sorted()
        if let charged = charges.bytes[key] {
            return Container.Usage(
                device: device, bytes: charged, complete: true, limit: charges.limits[key], source: "dmem", pids: pids)
        }
        let bytes = entries.compactMap(\.claim.bytes)
        var complete = bytes.count == entries.count && !entries.contains(where: \.claim.isPartial)
        if failure(of: device) != nil { complete = false }
        return Container.Usage(
            device: device, bytes: bytes.isEmpty ? nil : Bytes.sum(bytes), complete: complete,
            unavailable: bytes.isEmpty ? unreported(on: device) : nil, limit: charges.limits[key],
            source: sources(of: entries, on: device), pids: pids)
    }

    private func name(of container: String) -> String? {
        known[container]?.1.name ?? lookup.claimed.names[container]
    }

    private func describe(_ id: String, runtime: Runtime) -> Container {
        let engine = known[id]
        let limit = ramLimits[id]
        return Container(
            id: id, name: name(of: id), image: engine?.1.image, runtime: engine?.0 ?? runtime, known: engine != nil,
            parents: [], labels: engine?.1.labels ?? [:], ramLimit: limit?.value?.amount.flatMap { Bytes(exactly: $0) },
            ramLimitUnavailable: limit == nil ? .fact(.cgroupNotRead) : limit?.reason, usage: [])
    }
}
