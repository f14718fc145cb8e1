extension CommandUsage {
    package struct OnDevice: Sendable {
        package private(set) var index: String
        package private(set) var label: String
        package private(set) var uuid: String?
        package private(set) var name: String?
        package private(set) var total: Bytes?
        /// Of the command's processes together.
        package internal(set) var held = MemorySeries()
        /// By how much the device's used memory differs from what it was before the command began, whoever changed it.
        package internal(set) var change = MemorySeries()
        /// Those of the command that were seen there.
        package private(set) var processes: Set<ProcessKey> = []
        /// What processes that count had there before the command began; nil where there was none, or nothing is told.
        package internal(set) var heldBefore: Bytes?
        /// Why what processes hold cannot be told here; nil where it can.
        package var unseen: Unseen? { lasting ?? (held.readings == 0 ? passing : nil) }
        private var lasting: Unseen?
        private var passing: Unseen?

        /// PIDs of others that were seen there.
        private var strangers: Set<UInt32> = []
        /// What the driver's own accounts say: the largest amount of each process, by PID.
        private var accounted: [UInt32: Bytes] = [:]
        /// The same of processes that came and went between readings: they may be the command's.
        private var unmet: [UInt32: Bytes] = [:]
        private let usedBefore: Bytes?

        init(_ device: Device, usedBefore: Bytes?) {
            index = device.index
            label = device.label
            self.usedBefore = usedBefore
            fill(from: device)
        }

        mutating func fill(from device: Device) {
            uuid = uuid ?? device.uuid
            name = name ?? device.name
            total = total ?? device.memory.total
        }

        mutating func note(_ unseen: Unseen?) {
            if unseen == .foreignNumbersOnce { passing = unseen } else { lasting = unseen ?? lasting }
        }

        /// What containers hold can be told where a command's own processes cannot.
        mutating func forgetForeignProc() {
            if lasting == .foreignProc { lasting = nil }
        }

        mutating func meet(_ own: [ProcessKey], others: [UInt32]) {
            processes.formUnion(own)
            strangers.formUnion(others)
        }

        func difference(_ used: Bytes?) -> Bytes? {
            guard let used, let usedBefore else { return nil }
            return used.subtracting(usedBefore)
        }

        mutating func account(_ accounts: [ProcessAccount], of command: UInt32?) {
            let known = Set(processes.map(\.pid)).union(command.map { [$0] } ?? [])
            for account in accounts {
                guard let bytes = Bytes(told: account.peakBytes) else { continue }
                if known.contains(account.pid) {
                    accounted[account.pid] = bytes
                } else if !strangers.contains(account.pid) {
                    unmet[account.pid] = bytes
                }
            }
        }
    }
}

/// How what a command held of a device was measured.
package enum PeakSource: String, Sendable {
    case sampled
    /// The driver's own record of the one process, exact.
    case accounting
    /// The sum of the records of several processes, which need not have had their peaks at one time.
    case accountingAtMost = "accounting, at most"
}

extension CommandUsage.OnDevice {
    package enum Measure: String, Sendable { case process, device }

    /// By its processes where they can be seen, else by the device's used memory; nil where neither was read.
    package var measure: Measure? {
        if unseen == nil, held.readings > 0 || !accounted.isEmpty { return .process }
        return change.readings > 0 ? .device : nil
    }

    package var series: MemorySeries {
        switch measure {
        case .process: held
        case .device: change
        case nil: MemorySeries()
        }
    }

    /// The accounts are whole where they tell of every process that was seen.
    private var isAccounted: Bool {
        measure == .process && !accounted.isEmpty && processes.allSatisfy { accounted[$0.pid] != nil }
    }

    package var peakSource: PeakSource? {
        guard measure != nil else { return nil }
        guard isAccounted else { return .sampled }
        return accounted.count == 1 && unmet.isEmpty ? .accounting : .accountingAtMost
    }

    package var peak: Bytes? {
        isAccounted ? Bytes.sum(accounted.values).adding(Bytes.sum(unmet.values)) : series.peak?.bytes
    }

    /// Seen there, or told of by the driver.
    package var processCount: Int { Set(processes.map(\.pid)).union(accounted.keys).count }

    /// Whose accounts the driver has, which no reading met, and which may be the command's.
    package var unmetProcesses: Int { unmet.count }
    package var unmetBytes: Bytes { Bytes.sum(unmet.values) }
}
