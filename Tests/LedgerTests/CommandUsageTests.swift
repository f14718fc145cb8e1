import Testing

@testable import Ledger

/// What `run` makes of readings: which processes are the command's, and what is told where a number is missing.
struct CommandUsageTests {
    private static let own: UInt32 = 10
    private static let began: Int64 = 1_800_000_000_000

    /// PID, start tick and bytes of what a driver lists on one card.
    private func observation(
        _ listed: [(pid: UInt32, start: Int64, bytes: UInt64?)], used: UInt64 = 0, view: ProcessView = ProcessView(),
        accounts: [ProcessAccount]? = nil
    ) -> Observation {
        var card = ObservedDevice(
            index: "0", uuid: "GPU-0", memory: .known(ObservedMemory(total: 10_000, used: used, free: 0)),
            utilizationPercent: .known(1),
            compute: .read(listed.map { ListedProcess(pid: $0.pid, bytes: $0.bytes) }), askedAtTick: 1000)
        card.accounts = accounts
        let processes = listed.map {
            ObservedProcess(pid: $0.pid, startTick: $0.start, cgroup: .known("0::/"), namespacePIDs: [$0.pid])
        }
        return Observation(time: 0, host: "h", view: view, devices: [card], processes: processes)
    }

    /// 20 to 29 are the command's, by a process that the driver does not know.
    private func ancestors(of pids: [UInt32], upTo last: UInt32) -> [UInt32: [UInt32]] {
        pids.reduce(into: [:]) { $0[$1] = 20...29 ~= $1 ? [15, Self.own] : [1] }
    }

    private func usage(of readings: [Observation], ending last: Observation? = nil) -> CommandUsage {
        var usage = CommandUsage(CommandScope(ownPID: Self.own, cgroup: nil))
        usage.begin(observation([(90, 1, 500)], used: 500))
        for (place, reading) in readings.enumerated() {
            usage.add(reading, at: Double(place), ancestors: ancestors(of:upTo:))
        }
        usage.end(last, at: Double(readings.count), began: Self.began, pid: 15, ancestors: ancestors(of:upTo:))
        return usage
    }

    @Test("The command's are its descendants, through whatever lies between; nobody else's memory is counted")
    func descendants() {
        let device = usage(of: [observation([(20, 5, 100), (21, 6, 50), (90, 1, 500)])]).devices[0]
        #expect(device.peak == 150)
        #expect(device.processCount == 2)
        #expect(device.measure == .process)
    }

    @Test("A PID that somebody else gets afterwards brings nothing with it")
    func reusedPID() {
        var usage = CommandUsage(CommandScope(ownPID: Self.own, cgroup: nil))
        usage.begin(observation([]))
        usage.add(observation([(20, 5, 100)]), at: 0, ancestors: ancestors(of:upTo:))
        usage.add(observation([(20, 99, 7000)]), at: 1) { _, _ in [:] }
        usage.end(observation([(20, 99, 7000)]), at: 2, began: Self.began, pid: 15) { _, _ in [:] }
        #expect(usage.devices[0].peak == 100)
        #expect(usage.remaining == nil)
    }

    @Test("One that was orphaned and is listed still is the command's as long as it is the same process")
    func orphaned() {
        var usage = CommandUsage(CommandScope(ownPID: Self.own, cgroup: nil))
        usage.add(observation([(20, 5, 100)]), at: 0, ancestors: ancestors(of:upTo:))
        usage.add(observation([(20, 5, 300)]), at: 1) { _, _ in [:] }
        #expect(usage.devices[0].peak == 300)
    }

    @Test("An account from before the command began is an earlier process's of that PID")
    func earlierAccount() {
        let before = UInt64(Self.began) * 1000 - 60_000_000
        let after = UInt64(Self.began) * 1000 + 1_000_000
        let reading = observation([(20, 5, 100)])
        let others = [ProcessAccount(pid: 20, peakBytes: 9000, startTime: before)]
        let device = usage(of: [reading], ending: observation([], accounts: others)).devices[0]
        #expect(device.peak == 100)
        #expect(device.peakSource == .sampled)
        let own = [ProcessAccount(pid: 20, peakBytes: 400, startTime: after)]
        let told = usage(of: [reading], ending: observation([], accounts: own)).devices[0]
        #expect(told.peak == 400)
        #expect(told.peakSource == .accounting)
    }

    @Test("Accounts that leave out a process which was seen are no peak")
    func accountsWithGaps() {
        let reading = observation([(20, 5, 100), (21, 6, 100)])
        let account = ProcessAccount(pid: 20, peakBytes: 150, startTime: UInt64(Self.began) * 1000)
        let device = usage(of: [reading], ending: observation([], accounts: [account])).devices[0]
        #expect(device.peak == 200)
        #expect(device.peakSource == .sampled)
    }

    @Test("An account that no reading met may be the command's: then nothing is exact, and the sum is an upper bound")
    func unmetAccount() {
        let now = UInt64(Self.began) * 1000 + 1_000_000
        let reading = observation([(20, 5, 100), (90, 1, 500)])
        let accounts = [(20, 400), (77, 6000), (90, 500)].map {
            ProcessAccount(pid: $0.0, peakBytes: $0.1, startTime: now)
        }
        let device = usage(of: [reading], ending: observation([], accounts: accounts)).devices[0]
        #expect(device.peakSource == .accountingAtMost)
        #expect(device.peak == 6400, "that of 90 is somebody else's")
        #expect(device.unsampledProcesses == 1)
        let alone = usage(of: [observation([])], ending: observation([], accounts: accounts)).devices[0]
        #expect(alone.peak == 0)
        #expect(alone.peakSource == .sampled)
        #expect(alone.unsampledProcesses == 2, "20 and 77")
    }

    @Test("The command's own account counts, whether a reading met it or not")
    func ownAccount() {
        let account = ProcessAccount(pid: 15, peakBytes: 700, startTime: UInt64(Self.began) * 1000)
        let device = usage(of: [observation([])], ending: observation([], accounts: [account])).devices[0]
        #expect(device.peak == 700)
        #expect(device.peakSource == .accounting)
        #expect(device.processCount == 1)
    }

    @Test("While a device does not answer, nothing is known of it: what it held before is not carried on")
    func silence() {
        var usage = CommandUsage(CommandScope(ownPID: Self.own, cgroup: nil))
        usage.begin(observation([]))
        usage.add(observation([(20, 5, 1000)]), at: 0, ancestors: ancestors(of:upTo:))
        usage.add(Observation(time: 0, host: "h", view: ProcessView()), at: 1, ancestors: ancestors(of:upTo:))
        usage.add(observation([]), at: 9, ancestors: ancestors(of:upTo:))
        usage.end(observation([]), at: 10, began: Self.began, pid: 15, ancestors: ancestors(of:upTo:))
        #expect(usage.devices[0].series.mean == 500, "a second of 1000 and one of 0")
        #expect(!usage.isComplete)
    }

    @Test("A device that could not be read once is the same device as before and after")
    func unreadableOnce() {
        var unreadable = observation([])
        unreadable.devices = [
            ObservedDevice(
                index: "0", memory: .unknown(.noAnswer(seconds: 1)),
                utilizationPercent: .unknown(.noAnswer(seconds: 1)),
                compute: .failed(.noAnswer(seconds: 1)))
        ]
        for order in [[unreadable, observation([(20, 5, 1000)])], [observation([(20, 5, 1000)]), unreadable]] {
            let usage = usage(of: order)
            #expect(usage.devices.count == 1)
            #expect(usage.devices[0].uuid == "GPU-0")
            #expect(usage.devices[0].measure == .process)
            #expect(usage.devices[0].peak == 1000)
            #expect(!usage.isComplete)
        }
    }

    @Test("Where nothing was measured there is no number, and it is not complete")
    func nothingMeasured() {
        let view = ProcessView(inInitialNamespace: false, nvidiaDriver: "525.60.13")
        var usage = CommandUsage(CommandScope(ownPID: Self.own, cgroup: nil))
        // Without a reading of the time before there is nothing to compare with.
        usage.add(observation([(20, 5, 4000)], used: 900, view: view), at: 0, ancestors: ancestors(of:upTo:))
        usage.end(nil, at: 1, began: Self.began, pid: 15) { _, _ in [:] }
        #expect(usage.devices[0].measure == nil)
        #expect(usage.devices[0].peak == nil)
        #expect(usage.devices[0].series.mean == nil)
        #expect(!usage.isComplete)
        #expect(!CommandUsage(CommandScope(ownPID: Self.own, cgroup: nil)).isComplete)
    }

    @Test("In a container what was there before counts, is told apart, and is not called left behind")
    func containersOthers() {
        var usage = CommandUsage(CommandScope(ownPID: Self.own, cgroup: "0::/"))
        let before = observation([(90, 1, 500)])
        usage.begin(before)
        usage.add(observation([(90, 1, 500), (20, 5, 100)]), at: 0, ancestors: ancestors(of:upTo:))
        usage.end(before, at: 1, began: Self.began, pid: 15, ancestors: ancestors(of:upTo:))
        #expect(usage.devices[0].peak == 600)
        #expect(usage.devices[0].heldBefore == 500)
        #expect(usage.remaining == nil)
    }

    @Test("What a process holds and is not told is not 0: the device's own number takes its place, and why is said")
    func unreported() {
        let device = usage(of: [observation([(20, 5, nil)], used: 800)]).devices[0]
        #expect(device.measure == .device)
        #expect(device.peak == 300, "500 were used before")
        #expect(device.whyUnmeasured == .notReported)
    }

    @Test("Where PIDs are another namespace's, a number that is ours by chance is not taken for ours")
    func foreignPIDs() {
        let view = ProcessView(inInitialNamespace: false, nvidiaDriver: "525.60.13")
        let device = usage(of: [observation([(20, 5, 4000)], used: 900, view: view)]).devices[0]
        #expect(device.measure == .device)
        #expect(device.peak == 400)
        #expect(device.processCount == 0)
    }

    @Test("What the driver still lists of a process that has ended does not run any more")
    func listedAfterItsEnd() {
        var after = observation([(20, 5, 100)])
        after.processes = []
        #expect(usage(of: [observation([(20, 5, 100)])], ending: after).remaining == nil)
    }

    @Test("What is still held when the command has ended is told")
    func leftBehind() {
        let reading = observation([(20, 5, 100)])
        #expect(usage(of: [reading], ending: reading).remaining == CommandUsage.Remaining(processes: 1, bytes: 100))
    }
}
