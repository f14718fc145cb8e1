import FoundationEssentials

/// What gpusimd is told of its host, as far as it is changed here.
struct HostDescription: Codable {
    var driver: String
    var cuda: Int
    var devices: [Card]

    struct Card: Codable {
        var name: String
        var uuid: String
        var pci: String
        var totalMiB: UInt64
        var reservedMiB: UInt64
        var unattributedMiB: UInt64
        var contextMiB: UInt64
        var utilization: UInt32
        var processes: [Process]?
    }

    struct Process: Codable {
        var pid: UInt32
        var bytes: UInt64
    }

    init(path: String) throws {
        self = try JSONDecoder().decode(HostDescription.self, from: Data(contentsOf: URL(filePath: path)))
    }

    /// Each process on one card, in turn.
    func recording(_ pids: [UInt32], bytes: UInt64) -> HostDescription {
        var host = self
        for (index, pid) in pids.enumerated() {
            let card = index % host.devices.count
            host.devices[card].processes = (host.devices[card].processes ?? []) + [Process(pid: pid, bytes: bytes)]
        }
        return host
    }

    func write(to path: String) throws {
        try JSONEncoder().encode(self).write(to: URL(filePath: path))
    }
}
