/// What is said of one process on one device, merged: a process counts once, and the largest value counts, because the lists
/// of compute, graphics and MPS repeat the same sum, and so do KFD's list and the DRM clients.
struct ProcessUsage {
    /// Who said how much.
    enum Source: String {
        case nvml, kfd, fdinfo
    }

    var bytes: Bytes?
    /// Whether some clients report nothing, so that the process uses at least `bytes`.
    var isPartial = false
    var types: Set<ProcessType> = []
    var source: Source
    /// The process's start time, if its own files reported the memory; nil if a driver's list named its PID.
    var startTick: Int64?
    /// Bytes that belong in the device's memory and were evicted from it; nil if not reported.
    var evicted: Bytes?
    /// On an integrated GPU: bytes that lie in the carve-out.
    var carveout: Bytes = 0
    /// All its clients are counted with this process, whose files they share.
    var countedWith: UInt32?

    init(
        bytes: Bytes? = nil, types: Set<ProcessType> = [], source: Source = .nvml, startTick: Int64? = nil
    ) {
        self.bytes = bytes
        self.types = types
        self.source = source
        self.startTick = startTick
    }

    func merged(_ other: ProcessUsage) -> ProcessUsage {
        var claim = self
        claim.merge(other)
        return claim
    }

    private mutating func merge(_ other: ProcessUsage) {
        if let others = other.bytes, others > bytes ?? -1 {
            bytes = others
            source = other.source
            isPartial = other.isPartial
        }
        types.formUnion(other.types)
        startTick = startTick ?? other.startTick
        evicted = evicted ?? other.evicted
        carveout = max(carveout, other.carveout)
        countedWith = (bytes ?? 0) == 0 ? countedWith ?? other.countedWith : nil
    }
}

/// The memory of every (process, device) that the drivers list, each once: by device index, then by PID.
struct UsageTable {
    private(set) var byDevice: [[UInt32: ProcessUsage]]
    private let vendors: [Vendor]

    init(_ observation: Observation, instancesOf: [Int: [Int]], sharing: [Bool]) {
        let devices = observation.devices.map { $0.leavingOutStrangers(seenFrom: observation.view) }
        byDevice = devices.map { _ in [:] }
        vendors = devices.map(\.vendor)
        var siblings: [Int: [Int]] = [:]
        for instances in instancesOf.values { for instance in instances { siblings[instance] = instances } }
        for (deviceIndex, device) in devices.enumerated() where instancesOf[deviceIndex] == nil {
            for (type, process) in Self.listed(by: device) {
                // Compute instances of one GPU instance may list each other's processes; the ids say whose each is.
                let named = Self.named(by: process, among: siblings[deviceIndex] ?? [], devices)
                claim(
                    process, type,
                    on: named ?? first(of: siblings[deviceIndex] ?? [], listing: process, beside: device, devices)
                        ?? deviceIndex)
            }
        }
        for (gpu, instances) in instancesOf {
            for (type, process) in Self.listed(by: devices[gpu]) {
                claim(process, type, on: Self.home(of: process, on: gpu, instances, devices, byDevice))
            }
        }
        let clients = ClientUsage(observation, sharing: sharing).byDevice
        // Partitioned GPUs come last: a client with only a PCI address belongs to a partition, if the partition lists the
        // process.
        for deviceIndex in clients.indices.sorted(by: { (instancesOf[$0]?.count ?? 0) < (instancesOf[$1]?.count ?? 0) })
        {
            for (pid, claim) in clients[deviceIndex] {
                let listing = (instancesOf[deviceIndex] ?? []).filter { byDevice[$0][pid] != nil }
                if listing.count < 2 { add(claim, of: pid, on: listing.first ?? deviceIndex, devices) }
            }
        }
        for deviceIndex in byDevice.indices {
            // A client that has not run yet is a program's that draws, unless it computes elsewhere.
            byDevice[deviceIndex] = byDevice[deviceIndex].mapValues { claim in
                var claim = claim
                if claim.types.isEmpty { claim.types = [.graphics] }
                return claim
            }
        }
    }

    /// A process that started after the list was asked for is not the one that the list meant.
    private mutating func add(_ claim: ProcessUsage, of pid: UInt32, on deviceIndex: Int, _ devices: [ObservedDevice]) {
        let asked = devices[deviceIndex].askedAtTick ?? .max
        let listed = (claim.startTick ?? 0) > asked ? nil : byDevice[deviceIndex][pid]
        byDevice[deviceIndex][pid] = listed.map { $0.merged(claim) } ?? claim
    }

    private mutating func claim(_ process: ListedProcess, _ type: ProcessType, on deviceIndex: Int?) {
        guard let deviceIndex else { return }
        var claim = ProcessUsage(
            bytes: process.bytes.flatMap { Bytes(reported: $0) }, types: [type],
            source: vendors[deviceIndex] == .nvidia ? .nvml : .kfd)
        claim.isPartial = process.isPartial == true
        byDevice[deviceIndex][process.pid] = byDevice[deviceIndex][process.pid].map { $0.merged(claim) } ?? claim
    }

    /// The compute instance that lists the process already, of those in the same GPU instance: without ids it counts there.
    private func first(
        of siblings: [Int], listing process: ListedProcess, beside device: ObservedDevice, _ devices: [ObservedDevice]
    ) -> Int? {
        guard let gpuInstance = device.gpuInstance else { return nil }
        return siblings.first { devices[$0].gpuInstance == gpuInstance && byDevice[$0][process.pid] != nil }
    }

    private static func listed(by device: ObservedDevice) -> [(ProcessType, ListedProcess)] {
        device.compute.processes.map { (.compute, $0) } + device.graphics.processes.map { (.graphics, $0) }
            + device.mps.processes.map { (.mps, $0) }
    }

    /// The device that a process on a partitioned GPU is listed under: its instance, by the ids that the driver reports
    /// to callers with the right to see them; without ids, the instance that lists it too; else the GPU. nil if several
    /// instances list it: then the instances have the memory, and the GPU's entry is their sum.
    private static func home(
        of process: ListedProcess, on gpu: Int, _ instances: [Int], _ devices: [ObservedDevice],
        _ known: [[UInt32: ProcessUsage]]
    ) -> Int? {
        if let named = named(by: process, among: instances, devices) { return named }
        let listing = instances.filter { known[$0][process.pid] != nil }
        return listing.count > 1 ? nil : listing.first ?? gpu
    }

    private static func named(
        by process: ListedProcess, among instances: [Int], _ devices: [ObservedDevice]
    ) -> Int? {
        guard let gpuInstance = process.gpuInstance else { return nil }
        return instances.first {
            devices[$0].gpuInstance == gpuInstance && devices[$0].computeInstance == process.computeInstance
        }
    }
}

extension ObservedDevice {
    /// KFD always lists PIDs of the initial namespace. If these are not the PIDs of the /proc that was read, its entries
    /// cannot be matched with the same processes' own clients, so they are left out.
    fileprivate func leavingOutStrangers(seenFrom view: ProcessView) -> ObservedDevice {
        guard vendor == .amd, !view.meansOurProcesses(.amd) else { return self }
        var device = self
        device.compute = .absent
        return device
    }
}
