import Ledger

/// The lines below the table of `plimsoll stats`: per device, the memory that is in use but not in the table, because no container is
/// known to hold it.
package struct StatsFooter {
    private let snapshot: Snapshot
    private let holders: [Holder]
    private static let unknownAmount = "an unknown amount"

    /// - Parameter names: as for `StatsRows.rows`. If there are any, memory that certainly belongs to no container is left out.
    package init(_ snapshot: Snapshot, named names: [String]) {
        self.snapshot = snapshot
        holders = names.isEmpty ? [.host, .gone, .hidden] : [.hidden]
    }

    /// GPUs with the same remainder share a line.
    package var lines: [String] {
        var groups: [(labels: [String], missing: String)] = []
        for (deviceIndex, device) in snapshot.devices.enumerated() {
            let missing = parts(of: device, at: deviceIndex).joined(separator: ", ")
            if missing.isEmpty { continue }
            if let group = groups.firstIndex(where: { $0.missing == missing }) {
                groups[group].labels.append(device.label)
            } else {
                groups.append(([device.label], missing))
            }
        }
        return groups.map { labels, missing in
            let gpus = labels.joined(separator: ", ")
            return labels.count == 1
                ? "GPU \(gpus), not in this table: \(missing)" : "GPUs \(gpus), not in this table: \(missing) on each"
        } + snapshot.devices.compactMap(\.contradiction)
    }

    /// Empty for a device that does not answer: it has a row of its own.
    private func parts(of device: Device, at deviceIndex: Int) -> [String] {
        guard device.answers, device.memory.sharedWith == nil else { return [] }
        guard device.ledger.containers != nil else {
            guard device.memory.used != 0 else { return [] }
            let amount = device.memory.used.map { size($0) } ?? Self.unknownAmount
            return ["\(amount) whose holders are unknown"]
        }
        let held = holders.compactMap { part(of: $0, on: device, at: deviceIndex) }
        guard let unattributed = device.ledger.unattributed, unattributed > 0 else { return held }
        return held + ["\(size(unattributed)) \(Mark.unattributed.text)"]
    }

    private func part(of holder: Holder, on device: Device, at deviceIndex: Int) -> String? {
        let processes = snapshot.processes.filter { $0.device == deviceIndex && $0.holder == holder }
        guard !processes.isEmpty else { return nil }
        let isWhole = processes.allSatisfy { $0.bytes != nil && $0.complete }
        let bytes = device.ledger.bytes(of: holder) ?? 0
        if isWhole, bytes == 0 { return nil }
        let amount = processes.contains { $0.bytes != nil } ? sum(bytes, complete: isWhole) : Self.unknownAmount
        return "\(amount) \(holder.cell.text)"
    }
}

extension DeviceLedger {
    fileprivate func bytes(of holder: Holder) -> Bytes? {
        switch holder {
        case .container: containers
        case .host: host
        case .gone: gone
        case .hidden: hidden
        }
    }
}
