/// Why an allocation is not to be done, as far as it has come: others who hold memory there must not be the ones to die of it.
package enum AllocationRefusal: Sendable, Equatable {
    /// All that is free was asked for.
    case leavesNothing
    /// So little would be left to others; at most 0 for nothing.
    case leavesLittle(Bytes)
}

/// What speaks against an allocation on a device.
package struct AllocationRisk: Sendable {
    private let total: Bytes?
    private let othersHold: Bool

    package init(_ candidate: PlacementCandidate, _ snapshot: Snapshot) {
        let memoryOwner = snapshot.devices[candidate.memoryOwner]
        total = memoryOwner.memory.total
        let isListed = snapshot.processes.contains { [candidate.device, candidate.memoryOwner].contains($0.device) }
        // If a driver does not list other processes, used memory that belongs to no visible process may be theirs. The
        // driver's own allocations are below this amount; an older driver also counts reserved memory as used, which is
        // more.
        let own = memoryOwner.memory.reserved == nil ? (memoryOwner.memory.total ?? .max) / 20 : 256 << 20
        let mayBeThere = !memoryOwner.ledger.listsRead && (memoryOwner.memory.used ?? .max) > own
        // Memory that is shared with the host is what every process of the host lives on.
        othersHold = isListed || mayBeThere || memoryOwner.memory.kind == .shared
    }

    /// - Parameters:
    ///   - bytes: what the driver takes for it; nil if all that is free is wanted.
    ///   - pieces: in how many allocations.
    ///   - free: at present; nil if it is not known.
    package func refusal(of bytes: Bytes?, in pieces: Int, free: Bytes?) -> AllocationRefusal? {
        guard othersHold, let total else { return nil }
        guard let bytes else { return .leavesNothing }
        guard let free else { return nil }
        let left = free.subtracting(bytes)
        guard left < total / 20 else { return nil }
        // One block that does not fit is the driver's to refuse, and takes nothing from anybody. Several are taken one by one.
        guard left >= 0 || pieces > 1 else { return nil }
        return .leavesLittle(left)
    }
}
