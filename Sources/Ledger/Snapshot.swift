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
    /// That there are processes whose open files are not ours to read, and that may hold memory; nil if there are none.
    package var unread: Reason?
    package var sources: [SourceReport]
}

package struct Device: Sendable, Equatable {
    package var index: String
    /// What it is called among all of them: its index, behind the vendor's name where there are several vendors, each of whom
    /// counts from 0.
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
    /// Which processes on it can be told from here.
    package var processesSeen = ProcessesSeen.all

    package enum MemoryKind: String, Sendable { case dedicated, shared }

    package struct Memory: Sendable, Equatable {
        package var kind: MemoryKind = .dedicated
        package var total: Bytes?
        package var used: Bytes?
        package var reserved: Bytes?
        package var free: Bytes?
        /// Of a shared one: what processes have in the part that the firmware set aside, which `total` does not contain.
        package var carveout: Bytes?
        /// The device that carries the memory and ledger of the GPU instance that this one shares.
        package var sharedWith: String?
        package var source: String?
        /// `used` is what processes hold, because the driver does not tell what is in use.
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

    /// What names this device in usages and processes: its UUID, or its index where the driver did not tell one.
    package var reference: String { uuid ?? index }
}

/// `containers + host + gone + hidden + instances + unattributed = used`. All nil where the compute list is unknown.
package struct DeviceLedger: Sendable, Equatable {
    package var containers: Bytes?
    package var host: Bytes?
    package var gone: Bytes?
    package var hidden: Bytes?
    package var instances: Bytes?
    /// The remainder that no process accounts for; negative where memory is counted twice or moved meanwhile.
    package var unattributed: Bytes?
    package var complete = false
    /// Every list of the device was read, by somebody who sees every process: who is in none holds nothing there.
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
    /// The `id` of the container that we run in, if nothing tells which one that is.
    package static let ownWithoutID = ""
    /// It is the container that we run in.
    package var isOwn = false
    /// Of that container, if its id is not known: the id that its files have, which may be that of another.
    package var likelyID: String?
    /// Why its id is not known; nil if it is.
    package var idUnavailable: Reason? {
        id == Self.ownWithoutID ? .fact(likelyID == nil ? .ownIDUntold : .ownIDShared) : nil
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

    /// What is known of all its devices together; nil where nothing is.
    package var bytes: Bytes? {
        let known = usage.compactMap(\.bytes)
        return known.isEmpty ? nil : Bytes.sum(known)
    }

    package struct Usage: Sendable, Equatable {
        /// Place in the snapshot's devices.
        package var device: Int
        /// Sum of what is known; nil where nothing is.
        package var bytes: Bytes?
        package var complete: Bool
        package var unavailable: Reason?
        /// What it may have there; nil where it has no limit, or none that is known.
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
    /// Milliseconds since 1970; nil where the process could not be looked up.
    package var startTime: Int64?
    package var namespacePIDs: [UInt32]
    package var name: String?
    package var user: String?
    /// Place in the snapshot's devices.
    package var device: Int
    package var bytes: Bytes?
    /// `bytes` is all of it. False if some of its files tell nothing: then it is at least that.
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
    /// What was moved out of the device's memory for want of room, and is not in `bytes`; nil where it is nothing, or not told.
    package var evicted: Bytes?
    /// The PID of the process that its memory is counted with, because they share open files of the device.
    package var countedWith: UInt32?
}

extension Snapshot {
    /// What went wrong with a driver, the first of them; nil where none says so.
    package var driverError: Reason? { sources.first { $0.isDriver && !$0.ok }?.error }
}

extension [GPUProcess] {
    /// What they hold together; nil if that is not told of one of them.
    package var bytes: Bytes? { contains { $0.bytes == nil } ? nil : Bytes.sum(compactMap(\.bytes)) }
}

package enum ProcessType: String, Sendable, CaseIterable {
    case compute, graphics, mps
}
