/// What the dmem controller says of containers and devices, container by container: the kernel's charge of a cgroup has those
/// of the cgroups in it, so what belongs to containers inside a container is taken off it.
struct Charges {
    struct Key: Hashable {
        var container: String
        /// Index in the observation's devices.
        var device: Int
    }

    /// More than 0.
    private(set) var bytes: [Key: Bytes] = [:]
    private(set) var limits: [Key: Bytes] = [:]
    /// By id: the container itself, the ids of those around it, and whether that is not undecided.
    private(set) var containers: [String: (container: CgroupContainer, parents: [String], isVerified: Bool)] = [:]

    /// - Parameter places: devices whose own memory the controller can count, with their PCI addresses. Of a partitioned
    ///   GPU, the controller counts the whole; of an integrated GPU, only the carve-out.
    init(_ observation: Observation, _ claimed: ClaimedContainers, on places: [(index: Int, pci: String)]) {
        let whole = observation.chargedInAll
        let pods = Self.pods(observation, claimed)
        for (cgroup, membership) in observation.chargedMemberships {
            let believed = claimed.believed(membership)
            // A cgroup that claims falsely to be a container's is no more than a folder: its charge stays in that of the
            // container around it, and without one no container has it.
            guard let container = believed.innermost, container.path == cgroup.path, !pods.contains(cgroup.path)
            else { continue }
            let parents = believed.parents
            let isVerified = believed.isVerified && containers[container.id]?.isVerified ?? true
            containers[container.id] = (container, parents, isVerified)
            for (device, pci) in places {
                let key = Key(container: container.id, device: device)
                // A device with several regions is limited only if every region has a limit.
                let regions = whole?.current.regions(at: pci).count ?? 1
                if cgroup.limits.regions(at: pci).count >= regions,
                    let limit = cgroup.limits.ofDevice(at: pci)
                {
                    limits[key] = limit
                }
                guard let charged = cgroup.current.ofDevice(at: pci), charged > 0 else { continue }
                bytes[key, default: 0] = (bytes[key] ?? 0).adding(charged)
                if let around = parents.last {
                    let outer = Key(container: around, device: device)
                    bytes[outer] = (bytes[outer] ?? 0).subtracting(charged)
                }
            }
        }
        bytes = bytes.filter { $0.value > 0 }
    }
}

extension Charges {
    /// The folders of Podman's pods with cgroupfs: named by an id alone, like a container's, but with containers of Podman's in
    /// them, and known to no engine of root's as a container.
    private static func pods(_ observation: Observation, _ claimed: ClaimedContainers) -> Set<String> {
        var ids: [String: String] = [:]
        for path in (observation.deviceMemory ?? []).map(\.path) {
            let components = path.split(separator: "/")
            guard let container = components.last, container.hasPrefix("libpod-"),
                let name = components.dropLast().last, isHex(name, 64...64)
            else { continue }
            let folder = String(path.dropLast(container.count + 1))
            // The container's path, read from the outside in, says whether the folder itself is a container's.
            if !ContainerPath.containers(of: path[...]).contains(where: { $0.path == folder }) {
                ids[folder] = String(name)
            }
        }
        return Set(ids.filter { !claimed.rootsContainers.contains($0.value) }.keys)
    }
}

extension CgroupMembership {
    /// Whether a path is that of a container itself, and not of something in it or around it; or of a scope that is not known,
    /// which a later rule may take for one.
    package static func canBeContainer(_ path: String) -> Bool {
        let meaning = ContainerPath.meaning(of: path[...])
        return meaning.containers.last?.path == path || meaning.unrecognized == path
    }
}
