import Testing

@testable import Ledger

private let gibibyte: UInt64 = 1 << 30

struct ContradictionTests {
    private func memory(_ told: ObservedMemory) -> Device.Memory {
        let device = ObservedDevice(
            index: "0", memory: .known(told), utilizationPercent: .known(0), compute: .read([]))
        return Snapshot(Observation(time: 0, host: "", view: ProcessView(), devices: [device])).devices[0].memory
    }

    /// In GiB: total, used, free, and what the driver calls reserved.
    static let contradictory: [[UInt64?]] = [
        [40, 0, 0, 0], [40, 39, 50, 1], [40, 89, 0, 0], [40, 10, 20, 1], [40, 10, 29, 41], [40, 0, 0, nil],
        [40, 30, 30, 0], [40, 10, 20, 20],
    ]

    @Test("Amounts that cannot all be true are marked, with the driver's own figures", arguments: contradictory)
    func marked(_ told: [UInt64?]) throws {
        let amounts = told.map { $0.map { $0 * gibibyte } }
        let memory = memory(
            ObservedMemory(
                total: amounts[0]!, used: amounts[1], free: amounts[2], reserved: amounts[3],
                reportsReserved: amounts[3] != nil))
        let contradiction = try #require(memory.contradiction)
        #expect(
            [contradiction.total, contradiction.used, contradiction.free].map { UInt64($0) }
                == amounts[..<3].map { $0! })
        #expect(contradiction.reserved.map { UInt64($0) } == amounts[3])
        // The column still adds up.
        #expect(contradiction.used + contradiction.free + contradiction.rest == contradiction.total)
        #expect(memory.reserved == nil || memory.reserved == contradiction.rest)
    }

    /// In MiB.
    @Test(
        "Amounts that fit are not marked, nor is what the driver's rounding explains",
        arguments: [
            [24564, 19776, 4398, 390], [24564, 19776, 4398, 391], [24564, 19776, 4398, 330], [24564, 20166, 4398, nil],
            [24564, 0, 24174, 390], [0, 0, 0, 0],
        ] as [[UInt64?]])
    func unmarked(_ told: [UInt64?]) {
        let amounts = told.map { $0.map { $0 << 20 } }
        let memory = memory(
            ObservedMemory(
                total: amounts[0]!, used: amounts[1], free: amounts[2], reserved: amounts[3],
                reportsReserved: amounts[3] != nil))
        #expect(memory.contradiction == nil)
    }

    @Test("A recording of version 0.1.0, which has no reserve of the driver's, is not marked for that")
    func oldRecordings() {
        let memory = memory(ObservedMemory(total: 40 * gibibyte, used: 10 * gibibyte, free: 20 * gibibyte))
        #expect(memory.contradiction == nil)
        #expect(memory.reserved == 10 << 30)
    }

    @Test("A reserve that is no amount, beside a rest below zero, is marked as any other")
    func sentinel() {
        let told = ObservedMemory(total: 100 * gibibyte, used: 60 * gibibyte, free: 50 * gibibyte, reserved: .max)
        #expect(memory(told).contradiction != nil)
    }

    @Test("A reserve of all ones is none that the driver tells")
    func noReserve() {
        let told = ObservedMemory(total: 100 * gibibyte, used: 60 * gibibyte, free: 30 * gibibyte, reserved: .max)
        #expect(memory(told).contradiction == nil)
        #expect(memory(told).reserved == 10 << 30)
    }

    @Test("What is free on such a device is unknown, so nothing is said to fit there or not")
    func fits() {
        let device = ObservedDevice(
            index: "0",
            memory: .known(ObservedMemory(total: 40 * gibibyte, used: 0, free: 0, reserved: 0)),
            utilizationPercent: .known(0), compute: .read([]))
        let snapshot = Snapshot(Observation(time: 0, host: "", view: ProcessView(), devices: [device]))
        guard case .unknown(.free(let rooms)) = snapshot.fit(1, on: nil) else {
            Issue.record("\(snapshot.fit(1, on: nil))")
            return
        }
        #expect(rooms[0].whyUnknown == .fact(.contradictoryAmounts))
        #expect(snapshot.loads(above: 0.9).map(\.verdict) == [.unknown])
    }
}
