/// What the driver's lists say of one process on one device, merged: a process counts once, and the largest value counts,
/// because the lists of compute, graphics and MPS repeat the same sum.
struct Claim {
    var bytes: Bytes?
    var types: Set<ProcessType> = []

    mutating func merge(_ other: Claim) {
        bytes = [bytes, other.bytes].compactMap(\.self).max()
        types.formUnion(other.types)
    }
}

/// Every (process, device) that the drivers list, once: by the place of the device, by PID.
struct Claims {
    private(set) var byDevice: [[UInt32: Claim]]

    init(_ devices: [ObservedDevice], instancesOf: [Int: [Int]]) {
        byDevice = devices.map { _ in [:] }
        var siblings: [Int: [Int]] = [:]
        for instances in instancesOf.values { for instance in instances { siblings[instance] = instances } }
        for (place, device) in devices.enumerated() where instancesOf[place] == nil {
            for (type, process) in Self.listed(by: device) {
                // Compute instances of one GPU instance may list each other's processes; the ids say whose each is.
                let named = Self.named(by: process, among: siblings[place] ?? [], devices)
                claim(
                    process, type,
                    on: named ?? first(of: siblings[place] ?? [], listing: process, beside: device, devices) ?? place)
            }
        }
        for (gpu, instances) in instancesOf {
            for (type, process) in Self.listed(by: devices[gpu]) {
                claim(process, type, on: Self.home(of: process, on: gpu, instances, devices, byDevice))
            }
        }
    }

    private mutating func claim(_ process: ListedProcess, _ type: ProcessType, on place: Int?) {
        guard let place else { return }
        let claim = Claim(bytes: process.bytes.flatMap { Bytes(told: $0) }, types: [type])
        byDevice[place][process.pid, default: Claim()].merge(claim)
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

    /// Where a process belongs that a divided GPU lists: under its instance by the ids that the driver gives to those with
    /// the right to see them; without ids, under the instance that lists it too; else under the GPU. nil where several
    /// instances list it: then it stands there already, and the GPU's line is their sum.
    private static func home(
        of process: ListedProcess, on gpu: Int, _ instances: [Int], _ devices: [ObservedDevice],
        _ known: [[UInt32: Claim]]
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
