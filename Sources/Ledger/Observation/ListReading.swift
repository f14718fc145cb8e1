/// One of a driver's process lists: read, not there on this device or driver (so: empty), or failed.
package enum ListReading: Sendable, Equatable {
    case read([ListedProcess])
    case absent
    case failed(Reason)

    package var processes: [ListedProcess] {
        if case .read(let processes) = self { processes } else { [] }
    }

    /// The most processes that NVIDIA's driver lists in one query (NV2080_CTRL_GPU_GET_PIDS_MAX_COUNT, ctrl2080gpu.h).
    package static let capacity = 950

    /// There may be more than it could hold.
    package var isFull: Bool { processes.count >= Self.capacity }
}

extension ListReading: Codable {
    private enum Key: String, CodingKey { case processes, failed }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        if let reason = try container.decodeIfPresent(Reason.self, forKey: .failed) {
            self = .failed(reason)
        } else if let processes = try container.decodeIfPresent([ListedProcess].self, forKey: .processes) {
            self = .read(processes)
        } else {
            self = .absent
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .read(let processes): try container.encode(processes, forKey: .processes)
        case .failed(let reason): try container.encode(reason, forKey: .failed)
        case .absent: break
        }
    }
}

/// A line of a driver's list.
package struct ListedProcess: Codable, Sendable, Equatable {
    package var pid: UInt32
    /// nil if the driver does not report it (NVML_VALUE_NOT_AVAILABLE).
    package var bytes: UInt64?
    package var gpuInstance: UInt32?
    package var computeInstance: UInt32?
    /// True if the process uses at least `bytes`, because some of its contexts report nothing; else nil.
    package var isPartial: Bool?

    package init(
        pid: UInt32, bytes: UInt64?, gpuInstance: UInt32? = nil, computeInstance: UInt32? = nil, isPartial: Bool? = nil
    ) {
        self.pid = pid
        self.bytes = bytes
        self.gpuInstance = gpuInstance
        self.computeInstance = computeInstance
        self.isPartial = isPartial
    }
}
