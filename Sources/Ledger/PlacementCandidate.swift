/// A device on which a program could be started: its free memory, and the largest holder of the rest.
package struct PlacementCandidate: Sendable, Equatable {
    /// Index in the snapshot's devices.
    package var device: Int
    /// Index of the device that owns the memory: another device if compute instances share a GPU instance.
    package var memoryOwner: Int
    /// Free bytes; nil if the driver does not report them, or if its figures contradict each other.
    package var free: Bytes?
    package var whyUnknown: Reason?
    package var largest: LargestHolder?

    package struct LargestHolder: Sendable, Equatable {
        package var holder: Holder
        package var bytes: Bytes

        package enum Holder: Sendable, Equatable {
            case container(Container)
            /// A process in no container.
            case process(GPUProcess)
            /// Used memory that no listed process accounts for.
            case unattributed
        }

        /// Sorts holders of equal size, so that the choice is stable.
        fileprivate var order: String {
            switch holder {
            case .container(let container): container.name ?? container.id
            case .process(let process): process.name ?? String(process.pid)
            case .unattributed: ""
            }
        }
    }
}

extension PlacementCandidate {
    /// Whether this device has more free memory than another; of equal ones, the first precedes.
    package func precedes(_ other: PlacementCandidate) -> Bool {
        (free ?? -1, other.device) > (other.free ?? -1, device)
    }
}

extension Snapshot {
    /// Index of the device that owns a device's memory: another device if compute instances share a GPU instance.
    package func memoryOwner(of device: Int) -> Int {
        devices[device].memory.sharedWith.flatMap { name in devices.firstIndex { $0.reference == name } } ?? device
    }

    /// The devices on which a program can run. A partitioned GPU is not among them; its instances are (NVIDIA, MIG User Guide,
    /// "CUDA Device Enumeration").
    ///
    /// - Parameter wanted: an index, or the beginning of a UUID; nil for every device.
    package func candidates(on wanted: String?) -> [PlacementCandidate] {
        let outside = Dictionary(grouping: processes.filter { $0.holder != .container }, by: \.device)
        return devices.indices.filter { deviceIndex in
            let device = devices[deviceIndex]
            if device.isPartitioned { return false }
            guard let wanted else { return true }
            return device.isNamed(wanted)
        }.map { deviceIndex in
            let memoryOwner = memoryOwner(of: deviceIndex)
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
        let remainder = devices[device].ledger.unattributed.flatMap { bytes in
            bytes > 0 ? PlacementCandidate.LargestHolder(holder: .unattributed, bytes: bytes) : nil
        }
        return (inContainers + others + [remainder].compactMap(\.self)).max {
            ($0.bytes, $1.order) < ($1.bytes, $0.order)
        }
    }
}
