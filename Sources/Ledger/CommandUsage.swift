/// What the processes of a command held of each device, sample by sample.
package struct CommandUsage: Sendable {
    package struct ProcessKey: Sendable, Hashable {
        package var pid: UInt32
        package var startTick: Int64
    }

    package struct Remaining: Sendable, Equatable {
        package var processes: Int
        /// nil where the driver does not tell.
        package var bytes: Bytes?
    }

    package private(set) var devices: [OnDevice] = []
    /// Seconds that the command ran.
    package private(set) var seconds = 0.0
    /// What still runs of it now that it has ended.
    package private(set) var remaining: Remaining?
    /// Why some reading failed, the last one.
    package private(set) var trouble: Reason?
    package private(set) var failedReadings = 0

    /// Whose memory is the command's.
    package var scope: CommandScope
    private var ours: [UInt32: ProcessKey] = [:]
    /// Those that are not the command's. Who is no descendant of ours never becomes one, but looking that up reads the files of
    /// a process's forebears one after the other, while they come and go: after a while it is looked up again.
    private var foreign: Set<ProcessKey> = []
    /// Of the last reading: those whose parents could not be read, and who may be the command's.
    private var undecided: Set<UInt32> = []
    private var foreignSince = 0.0
    private static let freshness = 2.0
    /// What was there before the command began and counts all the same: a container's other processes.
    private var earlier: Set<ProcessKey> = []

    /// The parents of processes as /proc tells them now, nearest first, as far up as a given one: empty for one that is no more, and
    /// none for one of which they could not be read.
    package typealias Ancestors = ([UInt32], _ upTo: UInt32) -> [UInt32: [UInt32]]

    package init(_ scope: CommandScope) {
        self.scope = scope
    }

    /// Every device was measured at every reading.
    package var isComplete: Bool {
        failedReadings == 0 && !devices.isEmpty && devices.allSatisfy { $0.series.readings > 0 }
    }

    /// What was to be seen before the command began.
    package mutating func begin(_ observation: Observation) {
        let snapshot = Snapshot(observation)
        note(snapshot, isBefore: true)
        find(in: snapshot, observation) { _, _ in [:] }
        foreign = []
        earlier = Set(ours.values)
        for told in told(by: snapshot) {
            if !told.own.isEmpty { devices[told.place].heldBefore = told.own.bytes }
            meet(told)
        }
    }

    private mutating func note(_ snapshot: Snapshot, isBefore: Bool = false) {
        trouble = snapshot.sources.first { !$0.isEngine && !$0.ok }?.error ?? trouble
        for device in snapshot.devices where device.memory.sharedWith == nil {
            if let place = place(of: device) {
                devices[place].fill(from: device)
            } else {
                devices.append(OnDevice(device, usedBefore: isBefore ? device.memory.used : nil))
            }
        }
    }

    /// A device that could not be read has no UUID, and is known by its index then.
    private func place(of device: Device) -> Int? {
        devices.firstIndex { known in
            if let uuid = known.uuid, let other = device.uuid { return uuid == other }
            return known.label == device.label
        }
    }

    /// What a reading tells of a device that is known.
    private struct Told {
        var place: Int
        var device: Device
        /// The command's processes there.
        var own: [GPUProcess]
        var others: [GPUProcess]
    }

    /// Compute instances that share the memory of a GPU instance are one device here, the one that carries it.
    private func told(by snapshot: Snapshot) -> [Told] {
        snapshot.devices.enumerated().compactMap { number, device in
            guard device.memory.sharedWith == nil, let place = place(of: device) else { return nil }
            let there = snapshot.processes.filter { process in
                process.device == number
                    || snapshot.devices[process.device].memory.sharedWith == device.reference
            }
            return Told(
                place: place, device: device, own: there.filter { ours[$0.pid] != nil },
                others: there.filter { ours[$0.pid] == nil })
        }
    }

    private mutating func meet(_ told: Told) {
        devices[told.place].meet(told.own.compactMap { ours[$0.pid] }, others: told.others.map(\.pid))
    }

    /// - Parameters:
    ///   - time: seconds since the command began.
    package mutating func add(_ observation: Observation, at time: Double, ancestors: Ancestors) {
        let snapshot = Snapshot(observation)
        note(snapshot)
        if time - foreignSince > Self.freshness {
            foreign = []
            foreignSince = time
        }
        find(in: snapshot, observation, ancestors)
        var missing = Set(devices.indices)
        var isWhole = !snapshot.devices.isEmpty
        for told in told(by: snapshot) {
            let place = told.place
            missing.remove(place)
            let isListed = told.device.ledger.containers != nil
            if !isListed { isWhole = false }
            meet(told)
            let unseen = unseen(told, observation)
            devices[place].note(unseen)
            if unseen == .foreignNumbersOnce { isWhole = false }
            if told.own.contains(where: { $0.bytes != nil && !$0.complete }) { isWhole = false }
            let isDecided = undecided.isEmpty || !told.others.contains { undecided.contains($0.pid) }
            if !isDecided { isWhole = false }
            devices[place].held.add(isListed && isDecided && unseen == nil ? told.own.bytes : nil, at: time)
            devices[place].change.add(devices[place].difference(told.device.memory.used), at: time)
        }
        // A device of which nothing was heard does not keep what it had.
        for place in missing {
            devices[place].held.add(nil, at: time)
            devices[place].change.add(nil, at: time)
        }
        if !isWhole { failedReadings += 1 }
    }

    /// Which processes are the command's. One that was and is still listed is, also where /proc has forgotten it already.
    private mutating func find(in snapshot: Snapshot, _ observation: Observation, _ ancestors: Ancestors) {
        // Numbers of another namespace may be those of processes here all the same.
        guard observation.view.procIsOwn else { return }
        let meant = snapshot.processes.filter { snapshot.devices[$0.device].processesSeen != .none }
        let listed = Set(meant.map(\.pid))
        var found: [UInt32: ProcessKey] = [:]
        var unknown: [ProcessKey] = []
        let seen = Dictionary(observation.processes.map { ($0.pid, $0) }, uniquingKeysWith: { first, _ in first })
        for pid in listed {
            guard let process = seen[pid] else {
                found[pid] = ours[pid]
                continue
            }
            let key = ProcessKey(pid: pid, startTick: process.startTick)
            if ours[pid] == key {
                found[pid] = key
            } else if !foreign.contains(key) {
                if scope.isInContainer(process, observation.view) { found[pid] = key } else { unknown.append(key) }
            }
        }
        let chains = unknown.isEmpty ? [:] : ancestors(unknown.map(\.pid), scope.ownPID)
        undecided = []
        for key in unknown {
            guard let chain = chains[key.pid] else {
                undecided.insert(key.pid)
                continue
            }
            if chain.contains(scope.ownPID) {
                found[key.pid] = key
            } else if scope.isContainer, seen[key.pid]?.cgroup.value == nil {
                // It may be another process of our container.
                undecided.insert(key.pid)
            } else {
                foreign.insert(key)
            }
        }
        ours = found
    }

    /// Why what processes hold cannot be told here, and will not be.
    private func unseen(_ told: Told, _ observation: Observation) -> Unseen? {
        if !observation.view.procIsOwn { return .foreignProc }
        if told.device.processesSeen == .none {
            return observation.view.meansOurProcesses(told.device.vendor) ? .foreignNumbersOnce : .foreignNumbers
        }
        if told.own.contains(where: { $0.bytes == nil }) { return .notTold }
        return nil
    }

    /// Why what processes hold on a device cannot be told.
    package enum Unseen: Sendable, Equatable {
        /// The /proc that is read is another PID namespace's.
        case foreignProc
        /// The driver's process numbers are those of another PID namespace.
        case foreignNumbers
        /// A number is nobody's here: of another namespace, or of a process that ended while it was read.
        case foreignNumbersOnce
        /// The driver does not report what a process holds.
        case notTold
    }

    /// The command has ended.
    ///
    /// - Parameters:
    ///   - observation: made after that; nil where the driver did not answer any more.
    ///   - time: when it ended, in seconds since it began.
    ///   - pid: the command's own.
    package mutating func end(
        _ observation: Observation?, at time: Double, began: Int64, pid: UInt32, ancestors: Ancestors
    ) {
        seconds = time
        for place in devices.indices {
            devices[place].held.hold(until: time)
            devices[place].change.hold(until: time)
        }
        guard let observation else { return }
        let snapshot = Snapshot(observation)
        find(in: snapshot, observation, ancestors)
        // What the driver still lists of one that has ended does not run.
        let left = snapshot.processes.filter { process in
            process.holder != .gone && ours[process.pid].map { !earlier.contains($0) } == true
        }
        if !left.isEmpty {
            remaining = Remaining(processes: Set(left.map(\.pid)).count, bytes: left.bytes)
        }
        for device in observation.devices {
            guard let place = devices.firstIndex(where: { $0.uuid != nil && $0.uuid == device.uuid }) else { continue }
            // Without a PID namespace in common the numbers are those of others.
            guard devices[place].unseen == nil else { continue }
            // The clock is the same; a second for its being set meanwhile. Of one PID the last process that ended is told.
            let recent = (device.accounts ?? []).filter { $0.startTime / 1000 + 1000 >= UInt64(max(0, began)) }
            devices[place].account(recent, of: pid)
        }
    }
}

extension CommandUsage {
    package struct OnDevice: Sendable {
        package private(set) var index: String
        package private(set) var label: String
        package private(set) var uuid: String?
        package private(set) var name: String?
        package private(set) var total: Bytes?
        /// Of the command's processes together.
        package fileprivate(set) var held = MemorySeries()
        /// By how much the device's used memory differs from what it was before the command began, whoever changed it.
        package fileprivate(set) var change = MemorySeries()
        /// Those of the command that were seen there.
        package private(set) var processes: Set<ProcessKey> = []
        /// What processes that count had there before the command began; nil where there was none, or nothing is told.
        package fileprivate(set) var heldBefore: Bytes?
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

        fileprivate init(_ device: Device, usedBefore: Bytes?) {
            index = device.index
            label = device.label
            self.usedBefore = usedBefore
            fill(from: device)
        }

        fileprivate mutating func fill(from device: Device) {
            uuid = uuid ?? device.uuid
            name = name ?? device.name
            total = total ?? device.memory.total
        }

        fileprivate mutating func note(_ unseen: Unseen?) {
            if unseen == .foreignNumbersOnce { passing = unseen } else { lasting = unseen ?? lasting }
        }

        fileprivate mutating func meet(_ own: [ProcessKey], others: [UInt32]) {
            processes.formUnion(own)
            strangers.formUnion(others)
        }

        fileprivate func difference(_ used: Bytes?) -> Bytes? {
            guard let used, let usedBefore else { return nil }
            return used.subtracting(usedBefore)
        }

        fileprivate mutating func account(_ accounts: [ProcessAccount], of command: UInt32) {
            let known = Set(processes.map(\.pid)).union([command])
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
