import Ledger

/// What the table of `plimsoll stats` leaves out, device by device: memory that no container is known to hold.
package struct StatsFooter {
    private let snapshot: Snapshot
    private let holders: [Holder]
    private static let unknownAmount = "an unknown amount"

    /// - Parameter names: as for `StatsRows.rows`. If there are some, memory that is known to be no container's is not told.
    package init(_ snapshot: Snapshot, named names: [String]) {
        self.snapshot = snapshot
        holders = names.isEmpty ? [.host, .gone, .hidden] : [.hidden]
    }

    package var lines: [String] {
        snapshot.devices.enumerated().flatMap { place, device in
            let missing = parts(of: device, at: place).joined(separator: ", ")
            let line = "GPU \(device.label): not in this table: \(missing)"
            return (missing.isEmpty ? [] : [line]) + (device.contradiction.map { [$0] } ?? [])
        }
    }

    /// None of a device that has a row of its own because it does not answer.
    private func parts(of device: Device, at place: Int) -> [String] {
        guard device.answers, device.memory.sharedWith == nil else { return [] }
        guard device.ledger.containers != nil else {
            guard device.memory.used != 0 else { return [] }
            let amount = device.memory.used.map { size($0) } ?? Self.unknownAmount
            return ["\(amount), whose holders are unknown"]
        }
        let held = holders.compactMap { part(of: $0, on: device, at: place) }
        guard let unattributed = device.ledger.unattributed, unattributed > 0 else { return held }
        return held + ["\(size(unattributed)) (unattributed)"]
    }

    private func part(of holder: Holder, on device: Device, at place: Int) -> String? {
        let processes = snapshot.processes.filter { $0.device == place && $0.holder == holder }
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
