/// Whether an amount of memory is free on a device.
package enum FitVerdict: Sendable, Equatable {
    /// The one with the most free memory first.
    case fits([PlacementCandidate])
    case doesNotFit(WhyNoFit)
    case unknown(WhyNoFit)

    package enum WhyNoFit: Sendable, Equatable {
        /// There is no device at all; nil if the driver says nothing else.
        case noDevice(Reason?)
        /// None of that index or UUID, or, without one, none that a program can be put on.
        case noSuchDevice(String?)
        /// What is free on each, the one with the most free memory first.
        case free([PlacementCandidate])
    }
}

extension Snapshot {
    /// - Parameter wanted: an index, or the beginning of a UUID; nil for every device.
    package func fit(_ bytes: Bytes, on wanted: String?) -> FitVerdict {
        guard !devices.isEmpty else { return .unknown(.noDevice(driverError)) }
        let candidates = candidates(on: wanted)
        if candidates.isEmpty { return .doesNotFit(.noSuchDevice(wanted)) }
        let ordered = candidates.sorted { $0.precedes($1) }
        let fitting = ordered.filter { ($0.free ?? 0) >= bytes }
        if !fitting.isEmpty { return .fits(fitting) }
        return candidates.contains { $0.free == nil } ? .unknown(.free(ordered)) : .doesNotFit(.free(ordered))
    }

    /// Why waiting for this amount is of no use.
    package enum WhyNotWait: Sendable, Equatable {
        case noSuchDevice(String?)
        /// The largest of the devices has less memory in total.
        case tooLarge(largest: Bytes, devices: Int)
    }

    /// nil if waiting may help.
    package func whyNotWait(for bytes: Bytes, on wanted: String?) -> WhyNotWait? {
        let candidates = candidates(on: wanted)
        // Instances come and go.
        if devices.isEmpty || devices.contains(where: \.isPartitioned) { return nil }
        if candidates.isEmpty { return .noSuchDevice(wanted) }
        let memories = candidates.map { devices[$0.memoryOwner].memory }
        let totals = memories.compactMap { $0.contradiction == nil ? $0.total : nil }
        guard totals.count == candidates.count, let most = totals.max(), most < bytes else { return nil }
        return .tooLarge(largest: most, devices: candidates.count)
    }

    /// Whether more than a share of a device's memory is in use.
    package enum LoadVerdict: Sendable, Equatable {
        case below
        case above
        case unknown
    }

    /// The verdict on each device with memory of its own, by device index. Of instances that share a GPU instance, one
    /// owns the memory.
    ///
    /// - Parameter share: 0 to 1.
    package func loads(above share: Double) -> [(device: Int, verdict: LoadVerdict)] {
        devices.indices.filter { devices[$0].memory.sharedWith == nil }.map { deviceIndex in
            let memory = devices[deviceIndex].memory
            guard let used = memory.used, let total = memory.total, total > 0, memory.contradiction == nil else {
                return (deviceIndex, .unknown)
            }
            return (deviceIndex, Double(used) / Double(total) > share ? .above : .below)
        }
    }
}
