extension CommandUsage {
    package struct OnDevice: Sendable {
        package private(set) var index: String
        package private(set) var label: String
        package private(set) var uuid: String?
        package private(set) var name: String?
        package private(set) var total: Bytes?
        /// Of the command's processes together.
        package internal(set) var held = MemorySeries()
        /// The difference of the device's used memory to its value before the command began, by any process.
        package internal(set) var change = MemorySeries()
        /// Those of the command that were seen there.
        package private(set) var processes: Set<ProcessKey> = []
        /// What the counted processes held before the command began; nil if there was no such process, or if it is
        /// unknown.
        package internal(set) var heldBefore: Bytes?
        /// Why the processes' memory is unknown here; nil if it is known.
        package var whyUnmeasured: WhyUnmeasured? { lasting ?? (held.readings == 0 ? passing : nil) }
        private var lasting: WhyUnmeasured?
        private var passing: WhyUnmeasured?

        /// PIDs of other processes that were seen on the device.
        private var strangers: Set<UInt32> = []
        /// What the driver's own accounts say: the largest amount of each process, by PID.
        private var accounted: [UInt32: Bytes] = [:]
        /// The same of processes that came and went between readings: they may be the command's.
        private var unsampled: [UInt32: Bytes] = [:]
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

        mutating func note(_ whyUnmeasured: WhyUnmeasured?) {
            if whyUnmeasured == .foreignPIDOnce { passing = whyUnmeasured } else { lasting = whyUnmeasured ?? lasting }
        }

        /// A container's memory can be known although a command's own processes are not.
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
                guard let bytes = Bytes(reported: account.peakBytes) else { continue }
                if known.contains(account.pid) {
                    accounted[account.pid] = bytes
                } else if !strangers.contains(account.pid) {
                    unsampled[account.pid] = bytes
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

    /// By processes if they are visible, else by the device's used memory; nil if neither was read.
    package var measure: Measure? {
        if whyUnmeasured == nil, held.readings > 0 || !accounted.isEmpty { return .process }
        return change.readings > 0 ? .device : nil
    }

    package var series: MemorySeries {
        switch measure {
        case .process: held
        case .device: change
        case nil: MemorySeries()
        }
    }

    /// The accounts are complete if they include every process that was seen.
    private var isAccounted: Bool {
        measure == .process && !accounted.isEmpty && processes.allSatisfy { accounted[$0.pid] != nil }
    }

    package var peakSource: PeakSource? {
        guard measure != nil else { return nil }
        guard isAccounted else { return .sampled }
        return accounted.count == 1 && unsampled.isEmpty ? .accounting : .accountingAtMost
    }

    package var peak: Bytes? {
        isAccounted ? Bytes.sum(accounted.values).adding(Bytes.sum(unsampled.values)) : series.peak?.bytes
    }

    /// The number of processes that a reading saw, or that the driver has an account of.
    package var processCount: Int { Set(processes.map(\.pid)).union(accounted.keys).count }

    /// Whose accounts the driver has, which no reading met, and which may be the command's.
    package var unsampledProcesses: Int { unsampled.count }
    package var unsampledBytes: Bytes { Bytes.sum(unsampled.values) }
}
