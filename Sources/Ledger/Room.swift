/// What is free on a device for a program that comes now, and who holds most of the rest.
package struct Room: Sendable, Equatable {
    /// Place in the snapshot's devices.
    package var device: Int
    /// The one whose memory that is: another where compute instances share a GPU instance.
    package var carrier: Int
    /// nil if the driver does not tell, or its amounts contradict each other.
    package var free: Bytes?
    package var whyUnknown: Reason?
    package var largest: Occupant?

    package struct Occupant: Sendable, Equatable {
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
    package func rooms(on wanted: String?) -> [Room] {
        let outside = Dictionary(grouping: processes.filter { $0.holder != .container }, by: \.device)
        return devices.indices.filter { place in
            let device = devices[place]
            if device.isDivided { return false }
            guard let wanted else { return true }
            return device.index == wanted || device.label == wanted || device.uuid?.hasPrefix(wanted) == true
        }.map { place in
            let sharedWith = devices[place].memory.sharedWith
            let carrier = sharedWith.flatMap { name in devices.firstIndex { $0.reference == name } } ?? place
            let memory = devices[carrier].memory
            let isContradictory = memory.contradiction != nil
            return Room(
                device: place, carrier: carrier, free: isContradictory ? nil : memory.free,
                whyUnknown: isContradictory ? .fact(.contradictoryAmounts) : memory.unavailable,
                largest: largest(on: carrier, outside[carrier] ?? []))
        }
    }

    /// - Parameter outside: the device's processes that are in no container.
    private func largest(on device: Int, _ outside: [GPUProcess]) -> Room.Occupant? {
        let inContainers = containers.compactMap { container in
            container.usage.first { $0.device == device }?.bytes.map { bytes in
                Room.Occupant(holder: .container(container), bytes: bytes)
            }
        }
        let others = outside.compactMap { process in
            process.bytes.map { Room.Occupant(holder: .process(process), bytes: $0) }
        }
        return (inContainers + others).max { ($0.bytes, $1.order) < ($1.bytes, $0.order) }
    }
}
