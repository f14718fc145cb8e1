/// What the processes of a command held of each device, sample by sample.
package struct CommandUsage: Sendable {
    package struct OnDevice: Sendable {
        package var index: String
        package var uuid: String?
        package var name: String?
        package var total: Bytes?
        /// Of the command's processes together.
        package var held = MemorySeries()
        /// By how much the device's used memory differs from what it was before the command began, whoever changed it.
        package var change = MemorySeries()
        /// Those of the command that were seen there.
        package var processes: Set<ProcessKey> = []
        /// Why what processes hold cannot be told here; nil where it can.
        package var unseen: String?
        /// What the driver's own accounts say: the largest amount of each process, by PID.
        package var accounted: [UInt32: Bytes] = [:]

        fileprivate let usedBefore: Bytes?
    }

    package struct ProcessKey: Sendable, Hashable {
        package var pid: UInt32
        package var startTick: Int64
    }

    package private(set) var devices: [OnDevice] = []
    /// Seconds that the command ran.
    package private(set) var seconds = 0.0
    /// What still runs of it now that it has ended.
    package private(set) var remaining: Remaining?
    /// Why some reading failed, the last one.
    package private(set) var trouble: String?
    package private(set) var failedReadings = 0

    package struct Remaining: Sendable, Equatable {
        package var processes: Int
        /// nil where the driver does not tell.
        package var bytes: Bytes?
    }

    private let scope: CommandScope
    private var ours: [UInt32: ProcessKey] = [:]

    package init(_ scope: CommandScope) {
        self.scope = scope
    }

    /// What was to be seen before the command began.
    package mutating func begin(_ observation: Observation) {
        note(Snapshot(observation), isBefore: true)
    }

    private mutating func note(_ snapshot: Snapshot, isBefore: Bool) {
        trouble = snapshot.sources.first { !$0.isEngine && !$0.ok }?.error ?? trouble
        for device in snapshot.devices where place(of: device) == nil {
            devices.append(
                OnDevice(
                    index: device.index, uuid: device.uuid, name: device.name, total: device.memory.total,
                    usedBefore: isBefore ? device.memory.used : nil))
        }
    }

    private func place(of device: Device) -> Int? {
        devices.firstIndex { $0.uuid.map { $0 == device.uuid } ?? ($0.index == device.index) }
    }

    /// - Parameters:
    ///   - time: seconds since the command began.
    ///   - parent: of a process, as /proc tells it now.
    package mutating func add(_ observation: Observation, at time: Double, parent: (UInt32) -> UInt32?) {
        let snapshot = Snapshot(observation)
        if snapshot.devices.isEmpty { failedReadings += 1 }
        note(snapshot, isBefore: false)
        find(in: snapshot, observation, parent)
        for (number, device) in snapshot.devices.enumerated() {
            guard let place = place(of: device) else { continue }
            let own = snapshot.processes.filter { $0.device == number && ours[$0.pid] != nil }
            devices[place].processes.formUnion(own.compactMap { ours[$0.pid] })
            devices[place].unseen = unseen(device, own, observation) ?? devices[place].unseen
            let amounts = own.map(\.bytes)
            let known = device.ledger.containers != nil && !amounts.contains(nil)
            devices[place].held.add(known ? Bytes.sum(amounts.compactMap(\.self)) : nil, at: time)
            let change = device.memory.used.flatMap { used in
                devices[place].usedBefore.map { used.subtracting($0) }
            }
            devices[place].change.add(change, at: time)
            if device.ledger.containers == nil { failedReadings += 1 }
        }
        seconds = max(seconds, time)
    }

    /// Which processes are the command's. One that was and is still listed is, also where /proc has forgotten it already.
    private mutating func find(in snapshot: Snapshot, _ observation: Observation, _ parent: (UInt32) -> UInt32?) {
        // Numbers of another namespace may be those of processes here all the same.
        guard observation.view.seen != .none, observation.view.procIsOwn else { return }
        let listed = Set(snapshot.processes.map(\.pid))
        var found: [UInt32: ProcessKey] = [:]
        let seen = Dictionary(observation.processes.map { ($0.pid, $0) }, uniquingKeysWith: { first, _ in first })
        for pid in listed {
            guard let process = seen[pid] else {
                found[pid] = ours[pid]
                continue
            }
            let key = ProcessKey(pid: pid, startTick: process.startTick)
            if ours[pid] == key || scope.holds(process, in: observation.view, parent: parent) { found[pid] = key }
        }
        ours = found
    }

    private func unseen(_ device: Device, _ own: [GPUProcess], _ observation: Observation) -> String? {
        if !observation.view.procIsOwn { return "the /proc that is read is another PID namespace's" }
        if observation.view.seen == .none { return "the driver's process numbers mean nothing here" }
        if device.ledger.containers == nil { return "the driver does not list the processes there" }
        if own.contains(where: { $0.bytes == nil }) { return "the driver does not tell what a process holds" }
        return nil
    }

    /// The command has ended.
    ///
    /// - Parameters:
    ///   - observation: made after that; nil where the driver did not answer any more.
    ///   - time: when it ended, in seconds since it began.
    package mutating func end(
        _ observation: Observation?, at time: Double, began: Int64, parent: (UInt32) -> UInt32?
    ) {
        seconds = time
        for place in devices.indices {
            devices[place].held.hold(until: time)
            devices[place].change.hold(until: time)
        }
        guard let observation else { return }
        let snapshot = Snapshot(observation)
        find(in: snapshot, observation, parent)
        let left = snapshot.processes.filter { ours[$0.pid] != nil }
        if !left.isEmpty {
            let amounts = left.map(\.bytes)
            remaining = Remaining(
                processes: Set(left.map(\.pid)).count,
                bytes: amounts.contains(nil) ? nil : Bytes.sum(amounts.compactMap(\.self)))
        }
        for device in observation.devices {
            guard let place = devices.firstIndex(where: { $0.uuid != nil && $0.uuid == device.uuid }) else { continue }
            // Without a PID namespace in common the numbers are those of others.
            guard devices[place].unseen == nil else { continue }
            // The driver looks among the dead first: an earlier process of the same PID may be meant (gpu_acct.c).
            for account in device.accounts ?? [] where account.startTime >= began * 1000 - 1_000_000 {
                devices[place].accounted[account.pid] = Bytes(told: account.peakBytes)
            }
        }
    }

    /// Every process of the command that was seen on a device.
    package var pids: Set<UInt32> { Set(devices.flatMap { $0.processes.map(\.pid) }) }
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

    package var series: MemorySeries { measure == .device ? change : held }

    /// The accounts are whole where they tell of every process that was seen.
    private var isAccounted: Bool {
        measure == .process && !accounted.isEmpty && processes.allSatisfy { accounted[$0.pid] != nil }
    }

    package var peakSource: PeakSource? {
        guard measure != nil else { return nil }
        guard isAccounted else { return .sampled }
        return accounted.count == 1 ? .accounting : .accountingAtMost
    }

    package var peak: Bytes? { isAccounted ? Bytes.sum(accounted.values) : series.peak?.bytes }

    /// Seen there, or told of by the driver.
    package var processCount: Int { Set(processes.map(\.pid)).union(accounted.keys).count }
}
