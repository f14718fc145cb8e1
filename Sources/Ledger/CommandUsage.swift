/// What the processes of a command held of each device, sample by sample.
package struct CommandUsage: Sendable {
    package struct ProcessKey: Sendable, Hashable {
        package var pid: UInt32
        package var startTick: Int64
    }

    package struct Remaining: Sendable, Equatable {
        package var processes: Int
        /// nil if the driver does not report it.
        package var bytes: Bytes?
    }

    package private(set) var devices: [OnDevice] = []
    /// Seconds that the command ran.
    package private(set) var seconds = 0.0
    /// What still runs of it now that it has ended.
    package private(set) var remaining: Remaining?
    /// Why some reading failed, the last one.
    package private(set) var lastError: Reason?
    package private(set) var failedReadings = 0

    /// Whose memory is the command's.
    package var scope: CommandScope {
        get { descent.scope }
        set { descent.scope = newValue }
    }
    private var descent: CommandDescent
    /// What counts beside the descendants.
    package internal(set) var target: CommandTarget?
    /// Of the last reading.
    private(set) var members = CommandMembers()
    private var ours: [UInt32: ProcessKey] { members.ours }
    /// Of these, the target's.
    private(set) var targeted: [UInt32: ProcessKey] = [:]
    /// What was there before the command began and counts all the same: a container's other processes.
    private var earlier: Set<ProcessKey> = []

    /// The parents of processes, nearest first, up to a given one, as /proc lists them now: empty for a process that no
    /// longer exists, and missing for a process whose parents could not be read.
    package typealias Ancestors = ([UInt32], _ upTo: UInt32) -> [UInt32: [UInt32]]

    package init(_ scope: CommandScope) {
        descent = CommandDescent(scope)
    }

    /// Of what a target names, without a command.
    package init(_ target: CommandTarget) {
        self.init(.none)
        self.target = target
    }

    /// The same so far, where something else counts too.
    func counting(_ target: CommandTarget) -> CommandUsage {
        var usage = self
        usage.target = target
        for deviceIndex in usage.devices.indices { usage.devices[deviceIndex].forgetForeignProc() }
        return usage
    }

    /// Every device was measured at every reading.
    package var isComplete: Bool {
        failedReadings == 0 && !devices.isEmpty && devices.allSatisfy { $0.series.readings > 0 }
    }

    /// What was to be seen before the command began.
    package mutating func begin(_ observation: Observation) {
        begin(Snapshot(observation), observation)
    }

    mutating func begin(_ snapshot: Snapshot, _ observation: Observation) {
        note(snapshot, isBefore: true)
        descent.find(in: snapshot, observation) { _, _ in [:] }
        descent.forgetForeign()
        members = descent.members
        if target != nil { count(members, snapshot, observation) }
        earlier = scope.ownPID == nil ? [] : Set(ours.values)
        for reported in reported(by: snapshot) {
            if !reported.own.isEmpty { devices[reported.deviceIndex].heldBefore = reported.own.bytes }
            meet(reported)
        }
    }

    private mutating func note(_ snapshot: Snapshot, isBefore: Bool = false) {
        lastError = snapshot.sources.first { !$0.isEngine && !$0.ok }?.error ?? lastError
        for device in snapshot.devices where device.memory.sharedWith == nil {
            if let deviceIndex = index(of: device) {
                devices[deviceIndex].fill(from: device)
            } else {
                devices.append(OnDevice(device, usedBefore: isBefore ? device.memory.used : nil))
            }
        }
    }

    /// A device that could not be read has no UUID, and is known by its index then.
    private func index(of device: Device) -> Int? {
        devices.firstIndex { known in
            if let uuid = known.uuid, let other = device.uuid { return uuid == other }
            return known.label == device.label
        }
    }

    /// What a reading contains about a known device.
    private struct DeviceReading {
        var deviceIndex: Int
        var device: Device
        /// The command's processes there.
        var own: [GPUProcess]
        var others: [GPUProcess]
    }

    /// Compute instances that share the memory of a GPU instance are one device here, the one that carries it.
    private func reported(by snapshot: Snapshot) -> [DeviceReading] {
        snapshot.devices.enumerated().compactMap { number, device in
            guard device.memory.sharedWith == nil, let deviceIndex = index(of: device) else { return nil }
            let there = snapshot.processes.filter { process in
                process.device == number
                    || snapshot.devices[process.device].memory.sharedWith == device.reference
            }
            return DeviceReading(
                deviceIndex: deviceIndex, device: device, own: there.filter { ours[$0.pid] != nil },
                others: there.filter { ours[$0.pid] == nil })
        }
    }

    private mutating func meet(_ reported: DeviceReading) {
        devices[reported.deviceIndex].meet(reported.own.compactMap { ours[$0.pid] }, others: reported.others.map(\.pid))
    }

    /// - Parameters:
    ///   - time: seconds since the command began.
    package mutating func add(_ observation: Observation, at time: Double, ancestors: Ancestors) {
        add(Snapshot(observation), observation, at: time, ancestors: ancestors)
    }

    mutating func add(_ snapshot: Snapshot, _ observation: Observation, at time: Double, ancestors: Ancestors) {
        descent.refresh(at: time)
        descent.find(in: snapshot, observation, ancestors)
        add(snapshot, observation, at: time, of: descent.members)
    }

    /// - Parameter own: the command's own processes, which the caller keeps track of.
    mutating func add(_ snapshot: Snapshot, _ observation: Observation, at time: Double, of own: CommandMembers) {
        note(snapshot)
        count(own, snapshot, observation)
        var missing = Set(devices.indices)
        var isWhole = !snapshot.devices.isEmpty
        for reported in reported(by: snapshot) {
            let deviceIndex = reported.deviceIndex
            missing.remove(deviceIndex)
            let isListed = reported.device.ledger.containers != nil
            if !isListed { isWhole = false }
            meet(reported)
            let whyUnmeasured = whyUnmeasured(reported, observation)
            devices[deviceIndex].note(whyUnmeasured)
            if whyUnmeasured == .foreignPIDOnce { isWhole = false }
            if reported.own.contains(where: { $0.bytes != nil && !$0.complete }) { isWhole = false }
            let isDecided = !reported.others.contains { members.undecided.contains($0.pid) }
            if !isDecided { isWhole = false }
            devices[deviceIndex].held.add(
                isListed && isDecided && whyUnmeasured == nil ? reported.own.bytes : nil, at: time)
            devices[deviceIndex].change.add(devices[deviceIndex].difference(reported.device.memory.used), at: time)
        }
        // A device of which nothing was heard does not keep what it had.
        for deviceIndex in missing {
            devices[deviceIndex].held.add(nil, at: time)
            devices[deviceIndex].change.add(nil, at: time)
        }
        if !isWhole { failedReadings += 1 }
    }

    /// What the target's processes hold together at this reading, which was counted; nil if that is not known.
    func targetBytes(_ snapshot: Snapshot) -> Bytes? {
        guard !snapshot.devices.isEmpty, snapshot.devices.allSatisfy({ $0.ledger.containers != nil }),
            devices.allSatisfy({ $0.whyUnmeasured == nil })
        else { return nil }
        return snapshot.processes.filter { targeted[$0.pid] != nil }.bytes
    }

    private mutating func count(_ own: CommandMembers, _ snapshot: Snapshot, _ observation: Observation) {
        targeted = target?.members(snapshot, observation, earlier: targeted) ?? [:]
        members = own.adding(targeted)
    }

    /// Why the processes' memory on a device is unknown, now and in later readings.
    private func whyUnmeasured(_ reported: DeviceReading, _ observation: Observation) -> WhyUnmeasured? {
        if target == nil, !observation.view.procIsOwn { return .foreignProc }
        if reported.device.processesSeen == .none {
            return observation.view.meansOurProcesses(reported.device.vendor) ? .foreignPIDOnce : .foreignPIDs
        }
        if let target, !target.isSeen(on: reported.device, from: observation.view) { return .othersHidden }
        if reported.own.contains(where: { $0.bytes == nil }) { return .notReported }
        return nil
    }

    /// Why the memory of processes on a device is unknown.
    package enum WhyUnmeasured: Sendable, Equatable {
        /// The /proc that is read is another PID namespace's.
        case foreignProc
        /// The driver's process numbers are those of another PID namespace.
        case foreignPIDs
        /// A listed PID does not exist here: it is of another namespace, or of a process that ended during the reading.
        case foreignPIDOnce
        /// The driver does not report what a process holds.
        case notReported
        /// From here only our own processes can be seen, and what counts is another container's.
        case othersHidden
    }

    /// Ends the measurement, when the command has ended.
    ///
    /// - Parameters:
    ///   - observation: made after the end; nil if the driver no longer answered.
    ///   - time: the end, in seconds since the command began.
    ///   - pid: the command's own.
    /// - Returns: the contents of the observation, by device.
    @discardableResult
    package mutating func end(
        _ observation: Observation?, at time: Double, began: Int64, pid: UInt32, ancestors: Ancestors
    ) -> Snapshot? {
        let snapshot = observation.map { Snapshot($0) }
        if let snapshot, let observation { descent.find(in: snapshot, observation, ancestors) }
        end(snapshot, observation, at: time, began: began, pid: pid, of: descent.members)
        return snapshot
    }

    /// - Parameters:
    ///   - pid: nil if there is no command.
    ///   - own: the command's own processes.
    mutating func end(
        _ snapshot: Snapshot?, _ observation: Observation?, at time: Double, began: Int64, pid: UInt32?,
        of own: CommandMembers
    ) {
        seconds = time
        for deviceIndex in devices.indices {
            devices[deviceIndex].held.hold(until: time)
            devices[deviceIndex].change.hold(until: time)
        }
        guard let snapshot, let observation else { return }
        count(own, snapshot, observation)
        // What the driver still lists of one that has ended does not run.
        let left = snapshot.processes.filter { process in
            process.holder != .gone && ours[process.pid].map { !earlier.contains($0) } == true
        }
        if !left.isEmpty {
            remaining = Remaining(processes: Set(left.map(\.pid)).count, bytes: left.bytes)
        }
        for device in observation.devices {
            guard let deviceIndex = devices.firstIndex(where: { $0.uuid != nil && $0.uuid == device.uuid }) else {
                continue
            }
            // Without a common PID namespace, the PIDs are those of other processes.
            guard devices[deviceIndex].whyUnmeasured == nil else { continue }
            // Both times are from the same clock; allow a second, in case the clock was set. If a PID has several
            // accounts, the last one counts.
            let recent = (device.accounts ?? []).filter { $0.startTime / 1000 + 1000 >= UInt64(max(0, began)) }
            devices[deviceIndex].account(recent, of: pid)
        }
    }
}
