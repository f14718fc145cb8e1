/// The ledger of a moment: every device's memory, split among who holds it, so that each device's column adds up.
package struct Snapshot: Sendable, Equatable {
    /// Milliseconds since 1970, UTC.
    package var time: Int64
    package var host: String
    package var devices: [Device]
    /// Those that hold memory, largest first.
    package var containers: [Container]
    /// One per process and device.
    package var processes: [GPUProcess]
    /// Containers that an engine runs and that hold nothing.
    package var idleContainers: [Container]
    /// Why memory may be missing: the open files of some processes are not readable for us. nil if there are none.
    package var unread: Reason?
    package var sources: [SourceReport]
}

package struct Device: Sendable, Equatable {
    package var index: String
    /// The device's name among all devices: its index, after the vendor's name if there are several vendors, each of
    /// which counts from 0.
    package var label: String
    package var uuid: String?
    package var name: String?
    package var vendor: Vendor
    package var pci: String?
    /// The GPU's UUID, for a MIG instance.
    package var parent: String?
    /// MIG is on: programs run in its instances alone.
    package var isPartitioned = false
    package var memory: Memory
    package var utilizationPercent: Int?
    package var ledger: DeviceLedger
    /// The kernel's driver; nil for NVIDIA's.
    package var driver: String?
    /// Minor numbers of its device files for programs, /dev/dri/renderD128; empty for NVIDIA's.
    package var renderMinors: [UInt32] = []
    /// The driver answered about its memory or its processes. False for a GPU that is lost.
    package var answers = true
    /// Which of its processes are visible from here.
    package var processesSeen = ProcessesSeen.all

    package enum MemoryKind: String, Sendable { case dedicated, shared }

    package struct Memory: Sendable, Equatable {
        package var kind: MemoryKind = .dedicated
        package var total: Bytes?
        package var used: Bytes?
        package var reserved: Bytes?
        package var free: Bytes?
        /// On an integrated GPU: what processes use of the carve-out, which `total` does not contain.
        package var carveout: Bytes?
        /// The device that carries the memory and ledger of the GPU instance that this one shares.
        package var sharedWith: String?
        package var source: String?
        /// `used` is the sum of the processes, because the driver does not report used memory.
        package var isSum = false
        /// The driver's own figures, if they contradict each other; nil if they do not.
        package var contradiction: Contradiction?
        package var unavailable: Reason?
    }

    /// Amounts of a device that cannot all be true: one above the total, or parts that do not add up to it.
    package struct Contradiction: Sendable, Equatable {
        package var total: Bytes
        package var used: Bytes
        package var free: Bytes
        /// nil if the driver reports none.
        package var reserved: Bytes?

        /// What of the total is neither free nor used.
        package var rest: Bytes { total.subtracting(free).subtracting(used) }
    }

    /// The identifier of this device in usages and processes: its UUID, or its index if the driver did not report a UUID.
    package var reference: String { uuid ?? index }
}

/// `containers + host + gone + hidden + instances + unattributed = used`. All are nil if the compute list is unknown.
package struct DeviceLedger: Sendable, Equatable {
    package var containers: Bytes?
    package var host: Bytes?
    package var gone: Bytes?
    package var hidden: Bytes?
    package var instances: Bytes?
    /// Used memory that no listed process accounts for; negative if memory is counted twice or changed during the
    /// reading.
    package var unattributed: Bytes?
    package var complete = false
    /// Every list of the device was read by a user who sees every process: a process that is in no list holds nothing
    /// there.
    package var listsRead = false
    /// We are in a container, and the driver's lists leave out who is not in it.
    package var leavesOutOthers = false
}

package struct Container: Sendable, Equatable {
    package var id: String
    package var name: String?
    package var image: String?
    package var runtime: Runtime
    /// An engine that answered runs it.
    package var known: Bool
    /// The `id` of our own container if its id is unknown.
    package static let ownWithoutID = ""
    /// It is the container that we run in.
    package var isOwn = false
    /// Of that container, if its id is not known: the id that its files have, which may be that of another.
    package var likelyID: String?
    /// Why its id is not known; nil if it is.
    package var idUnavailable: Reason? {
        id == Self.ownWithoutID ? .fact(likelyID == nil ? .ownIDUnknown : .ownIDShared) : nil
    }
    /// False if it is undecided whether what it holds is its own: a cgroup claims to be this container, and nothing confirms it.
    package var verified = true
    /// Ids of the containers around it, outermost first.
    package var parents: [String]
    /// What these are called: a name, or a short id.
    package var parentNames: [String] = []
    package var labels: [String: String]
    package var ramLimit: Bytes?
    package var ramLimitUnavailable: Reason?
    /// By device order.
    package var usage: [Usage]

    package var composeProject: String? { labels["com.docker.compose.project"] }
    package var composeService: String? { labels["com.docker.compose.service"] }

    /// The sum over all devices of what is known; nil if nothing is known.
    package var bytes: Bytes? {
        let known = usage.compactMap(\.bytes)
        return known.isEmpty ? nil : Bytes.sum(known)
    }

    package struct Usage: Sendable, Equatable {
        /// Index in the snapshot's devices.
        package var device: Int
        /// Sum of what is known; nil if nothing is known.
        package var bytes: Bytes?
        package var complete: Bool
        package var unavailable: Reason?
        /// The container's limit on the device; nil if there is none, or none that is known.
        package var limit: Bytes?
        package var source: String
        package var pids: [UInt32]
    }
}

package enum Holder: String, Sendable {
    case container, host, gone, hidden
}

/// A process on a device.
package struct GPUProcess: Sendable, Equatable {
    package var pid: UInt32
    /// Milliseconds since 1970; nil if the process could not be looked up.
    package var startTime: Int64?
    package var namespacePIDs: [UInt32]
    package var name: String?
    package var user: String?
    /// Index in the snapshot's devices.
    package var device: Int
    package var bytes: Bytes?
    /// `bytes` is the whole amount. False if some open files report nothing: then it is a lower bound.
    package var complete = true
    package var unavailable: Reason?
    package var types: [ProcessType]
    package var holder: Holder
    /// Id of the container, for the holder `container`.
    package var container: String?
    /// For the holder `host`: the scope or folder of its cgroup path that is of no known kind.
    package var unrecognizedCgroup: String?
    /// For the holder `host`: id of the container whose PID namespace it is in. Its cgroup was changed.
    package var namespaceContainer: String?
    /// Bytes that were evicted from the device's memory, and are not in `bytes`; nil if none, or not reported.
    package var evicted: Bytes?
    /// The PID of the process that its memory is counted with, because they share open files of the device.
    package var countedWith: UInt32?
}

extension Snapshot {
    /// The first driver's error; nil if no driver has one.
    package var driverError: Reason? { sources.first { $0.isDriver && !$0.ok }?.error }
}

extension [GPUProcess] {
    /// The sum of the processes; nil if one of them is unknown.
    package var bytes: Bytes? { contains { $0.bytes == nil } ? nil : Bytes.sum(compactMap(\.bytes)) }
}

package enum ProcessType: String, Sendable, CaseIterable {
    case compute, graphics, mps
}
