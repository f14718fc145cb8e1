/// What is free on a device for a program that comes now, and who holds most of the rest.
package struct PlacementCandidate: Sendable, Equatable {
    /// Place in the snapshot's devices.
    package var device: Int
    /// The one whose memory that is: another where compute instances share a GPU instance.
    package var memoryOwner: Int
    /// nil if the driver does not tell, or its amounts contradict each other.
    package var free: Bytes?
    package var whyUnknown: Reason?
    package var largest: LargestHolder?

    package struct LargestHolder: Sendable, Equatable {
        package var holder: Holder
        package var bytes: Bytes

        package enum Holder: Sendable, Equatable {
            case container(Container)
            /// In no container.
            case process(GPUProcess)
        }

        /// Keeps those of equal size in one order.
        fileprivate var order: String {
            switch holder {
            case .container(let container): container.name ?? container.id
            case .process(let process): process.name ?? String(process.pid)
            }
        }
    }
}

extension Snapshot {
    /// The devices that a program can be put on. A GPU that is divided is not one of them, its instances are (NVIDIA, MIG
    /// User Guide, "CUDA Device Enumeration").
    ///
    /// - Parameter wanted: an index, or the beginning of a UUID; nil for every device.
    package func candidates(on wanted: String?) -> [PlacementCandidate] {
        let outside = Dictionary(grouping: processes.filter { $0.holder != .container }, by: \.device)
        return devices.indices.filter { deviceIndex in
            let device = devices[deviceIndex]
            if device.isPartitioned { return false }
            guard let wanted else { return true }
            return device.index == wanted || device.label == wanted || device.uuid?.hasPrefix(wanted) == true
        }.map { deviceIndex in
            let sharedWith = devices[deviceIndex].memory.sharedWith
            let memoryOwner = sharedWith.flatMap { name in devices.firstIndex { $0.reference == name } } ?? deviceIndex
            let memory = devices[memoryOwner].memory
            let isContradictory = memory.contradiction != nil
            return PlacementCandidate(
                device: deviceIndex, memoryOwner: memoryOwner, free: isContradictory ? nil : memory.free,
                whyUnknown: isContradictory ? .fact(.contradictoryAmounts) : memory.unavailable,
                largest: largest(on: memoryOwner, outside[memoryOwner] ?? []))
        }
    }

    /// - Parameter outside: the device's processes that are in no container.
    private func largest(on device: Int, _ outside: [GPUProcess]) -> PlacementCandidate.LargestHolder? {
        let inContainers = containers.compactMap { container in
            container.usage.first { $0.device == device }?.bytes.map { bytes in
                PlacementCandidate.LargestHolder(holder: .container(container), bytes: bytes)
            }
        }
        let others = outside.compactMap { process in
            process.bytes.map { PlacementCandidate.LargestHolder(holder: .process(process), bytes: $0) }
        }
        return (inContainers + others).max { ($0.bytes, $1.order) < ($1.bytes, $0.order) }
    }
}
