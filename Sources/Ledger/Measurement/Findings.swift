// What each step's readings mean: whether they are what the documentation and the code assume. Values in, a finding out.

private let mebibyte: Bytes = 1 << 20

/// What one of NVIDIA's two memory calls answered, in bytes.
package struct MemoryCall: Sendable, Equatable {
    package var total: Bytes
    package var used: Bytes
    package var free: Bytes
    /// nil for the first call, which has none.
    package var reserved: Bytes?

    package init(total: Bytes, used: Bytes, free: Bytes, reserved: Bytes? = nil) {
        self.total = total
        self.used = used
        self.free = free
        self.reserved = reserved
    }
}

/// What a list function wrote.
package struct ListRecords: Sendable, Equatable {
    package var function: String
    package var count: Int
    package var bytesWritten: Int
    package var assumed: Int

    package init(function: String, count: Int, bytesWritten: Int, assumed: Int) {
        self.function = function
        self.count = count
        self.bytesWritten = bytesWritten
        self.assumed = assumed
    }
}

/// Which PIDs the driver lists in a PID namespace.
package struct ListedPIDs: Sendable, Equatable {
    /// The process inside, by its own number there.
    package var listsOwn: Bool
    /// A process outside, by the number that it has there.
    package var listsOutside: Bool

    package init(listsOwn: Bool, listsOutside: Bool) {
        self.listsOwn = listsOwn
        self.listsOutside = listsOutside
    }
}

extension Finding {
    /// Whether every known record length is the assumed one. nil if no list has a record.
    package static func recordSize(_ lists: [ListRecords]) -> Finding? {
        let reported = lists.filter { $0.count > 0 }
        if reported.isEmpty { return nil }
        let agrees = reported.allSatisfy { $0.bytesWritten == $0.count * $0.assumed }
        return Finding(
            agrees: agrees,
            [
                MeasuredValue(
                    .recordSizes,
                    .records(
                        reported.map { list in
                            // What does not fit any length is shown as it is.
                            let length =
                                list.bytesWritten % list.count == 0 ? list.bytesWritten / list.count : list.bytesWritten
                            return MeasuredValue.Record(function: list.function, bytes: length)
                        }))
            ])
    }

    /// The parts of each call add up to the byte, and the first call counts the reserve as used.
    ///
    /// - Parameter readings: each of the second call too, if the driver has it.
    package static func memoryCalls(_ readings: [(first: MemoryCall, second: MemoryCall?)]) -> Finding {
        let agrees = readings.allSatisfy { first, second in
            guard first.total == first.used.adding(first.free) else { return false }
            guard let second, let reserved = second.reserved else { return true }
            return second.total == second.used.adding(second.free).adding(reserved) && first.total == second.total
                && first.used == second.used.adding(reserved)
        }
        let seen = readings.last.map { first, second in
            [MeasuredValue.bytes(.total, first.total), .bytes(.usedFirstCall, first.used)]
                + (second.map { [.bytes(.usedSecondCall, $0.used), .bytes(.reserved, $0.reserved ?? 0)] } ?? [])
        }
        return Finding(agrees: agrees, (seen ?? []) + [.count(.readings, readings.count)])
    }

    /// The reserve is what total, used and free leave, and an allocation does not move it.
    package static func reserved(before: MemoryCall, with after: MemoryCall) -> Finding? {
        guard let first = before.reserved, let second = after.reserved else { return nil }
        func remainder(_ call: MemoryCall) -> Bytes { call.total - call.used - call.free }
        return Finding(
            agrees: first == second && first == remainder(before) && second == remainder(after),
            [
                .bytes(.atRest, first), .bytes(.withAnAllocation, second),
                .bytes(.totalLessUsedAndFree, remainder(after)),
            ])
    }

    /// Plimsoll's amounts of a device are the driver's, its terms add up to what is used, and a process has what the driver lists.
    package static func ledger(_ device: Device, driver: MemoryCall, process: Bytes?, listed: Bytes?) -> Finding {
        let memory = device.memory
        let terms = [
            device.ledger.containers, device.ledger.host, device.ledger.gone, device.ledger.hidden,
            device.ledger.instances, device.ledger.unattributed,
        ]
        let sum = terms.contains { $0 == nil } ? nil : Bytes.sum(terms.compactMap { $0 })
        let isDriver = memory.used == driver.used && memory.free == driver.free && memory.total == driver.total
        var seen = [MeasuredValue.bytes(.usedDriver, driver.used)]
        if let used = memory.used { seen.append(.bytes(.usedPlimsoll, used)) }
        if let sum { seen.append(.bytes(.sumOfTheLedger, sum)) }
        if let listed { seen.append(.bytes(.processDriver, listed)) }
        if let process { seen.append(.bytes(.processPlimsoll, process)) }
        if listed == nil { seen.append(.flag(.aProcessOfOursCompared, false)) }
        return Finding(agrees: isDriver && sum == memory.used && process == listed, seen)
    }

    /// Whether every amount of the tool is the driver's, as exactly as the tool prints it, and the tool lists no further
    /// process.
    ///
    /// - Parameters:
    ///   - differences: of the compared amounts, in bytes.
    ///   - alone: the number of processes that only the tool lists.
    ///   - seesAll: whether Plimsoll sees every process here.
    ///   - withHolder: whether a process of ours allocated at the same time; nil if none does in this step.
    package static func tool(
        _ differences: [Bytes], rounding: Bytes = mebibyte, alone: Int = 0, seesAll: Bool = true,
        withHolder: Bool? = nil
    ) -> Finding {
        let most = differences.map(\.magnitude).max().map { Bytes(clamping: $0) } ?? 0
        return Finding(
            agrees: most <= rounding && (alone == 0 || !seesAll),
            [
                .count(.amountsCompared, differences.count), .bytes(.largestDifference, most),
                .count(.processesThatTheToolAloneLists, alone),
            ] + (withHolder.map { [.flag(.withAChangingAllocation, $0)] } ?? []))
    }

    /// The range of published figures: 93 MiB (K80) to 555 MiB (RTX PRO 6000): ollama37, issue 73; llama.cpp, pull
    /// request 23604.
    package static func context(_ process: Bytes, rise: Bytes?) -> Finding {
        var seen = [MeasuredValue.bytes(.process, process)]
        if let rise { seen.append(.bytes(.usedMemoryOfTheGPURoseBy, rise)) }
        return Finding(agrees: (93 * mebibyte...555 * mebibyte).contains(process), seen)
    }

    /// An allocation takes a whole number of pieces of 2 MiB.
    package static func rounding(_ charges: [MeasuredValue.Charge]) -> Finding {
        let piece = 2 * mebibyte
        let agrees = charges.allSatisfy { $0.charged == ($0.asked + piece - 1) / piece * piece }
        return Finding(agrees: agrees, [MeasuredValue(.charged, .charges(charges))])
    }

    /// It is quick, is no holder, and takes a few MiB at most (3.25 on an H100 with driver 580.159.04).
    package static func check(seconds: Double, rise: Bytes, isListed: Bool) -> Finding {
        Finding(
            agrees: seconds < 2 && rise <= 16 * mebibyte && !isListed,
            [
                .seconds(.initializedIn, seconds), .bytes(.usedMemoryOfTheGPURoseBy, rise),
                .flag(.listed, isListed),
            ])
    }

    /// The memory of a process that was killed is free, and the process off the list, within a second.
    package static func killedHolder(unlisted: Double?, free: Double?, held: Bytes) -> Finding {
        var seen = [MeasuredValue.bytes(.held, held)]
        if let unlisted { seen.append(.seconds(.notListedAfter, unlisted)) }
        if let free { seen.append(.seconds(.freeAfter, free)) }
        return Finding(agrees: [unlisted, free].allSatisfy { $0.map { $0 <= 1 } ?? false }, seen)
    }

    /// A block that two processes share takes the GPU's memory once; the driver may list it of both.
    package static func ipc(size: Bytes, importer: Bytes, exporter: Bytes, rise: Bytes) -> Finding {
        Finding(
            agrees: rise < size / 2 && exporter > -size / 2,
            [
                .bytes(.shared, size), .bytes(.exportersRoseBy, exporter),
                .bytes(.importersRoseBy, importer), .bytes(.usedMemoryOfTheGPURoseBy, rise),
                .flag(.countedTwice, importer >= size),
            ])
    }

    /// Managed memory on the GPU is used, and on no process's account.
    package static func managed(size: Bytes, process: Bytes, rise: Bytes) -> Finding {
        Finding(
            agrees: process < size / 2 && rise >= size,
            [
                .bytes(.touched, size), .bytes(.processRoseBy, process),
                .bytes(.usedMemoryOfTheGPURoseBy, rise),
            ])
    }

    /// A driver from 535.113 on lists only the namespace's own PIDs; an earlier one lists the host's PIDs everywhere.
    package static func ownNamespace(_ reported: ListedPIDs, driver: String?) -> Finding? {
        guard let driver, let translates = translatesPIDs(driver) else { return nil }
        let assumed = ListedPIDs(listsOwn: translates, listsOutside: !translates)
        return Finding(agrees: reported == assumed, reported.seen)
    }

    /// With the host's PIDs everybody is listed.
    package static func hostNamespace(_ reported: ListedPIDs) -> Finding {
        Finding(agrees: reported.listsOwn && reported.listsOutside, reported.seen)
    }

    /// A container that is given one GPU sees that one, as number 0.
    package static func containerDevices(count: Int, isTheOne: Bool) -> Finding {
        Finding(agrees: count == 1 && isTheOne, [.count(.gpus, count), .flag(.theOneThatWasGiven, isTheOne)])
    }

    /// The account has what the list has, the context included, and stays after the process has ended.
    package static func accounting(listed: Bytes, running: Bytes?, ended: Bytes?) -> Finding {
        var seen = [MeasuredValue.bytes(.listed, listed)]
        if let running { seen.append(.bytes(.peakWhileItRan, running)) }
        if let ended { seen.append(.bytes(.peakAfterItsEnd, ended)) }
        return Finding(agrees: running == listed && ended == listed, seen)
    }

    /// Under a second if a program or persistence mode keeps the GPU awake, else some seconds.
    package static func firstCall(_ calls: [(seconds: Double, isAwake: Bool)]) -> Finding {
        Finding(
            agrees: calls.allSatisfy { $0.isAwake ? $0.seconds < 1 : $0.seconds < 10 },
            calls.map { .seconds($0.isAwake ? .withTheGPUAwake : .withoutPersistenceModeUnused, $0.seconds) })
    }

    /// Reading power states leaves GPUs asleep. Asking for their memory wakes NVIDIA's, through NVML, and no other's.
    ///
    /// - Parameters:
    ///   - asleep: the vendors of the GPUs that were asleep.
    ///   - afterReading: how many of them still were after their power states were read.
    ///   - woken: the vendors of those that were awake after Plimsoll asked.
    package static func waking(asleep: [Vendor], afterReading: Int, woken: [Vendor], seconds: Double) -> Finding {
        let nvidia = asleep.count { $0 == .nvidia }
        return Finding(
            agrees: afterReading == asleep.count && woken.allSatisfy { $0 == .nvidia } && woken.count == nvidia,
            [
                .count(.gpusAsleep, asleep.count), .count(.afterTheirPowerStatesWereRead, afterReading),
                .count(.wokenByPlimsoll, woken.count),
                .count(.nvidiaGPUsAmongThem, woken.count { $0 == .nvidia }),
                .seconds(.askedFor, seconds),
            ])
    }

    /// A process on a MIG instance is in that instance's list, and in no other instance's.
    package static func mig(
        instances: Int, listing: Int, isOwn: Bool, parentListed: Int, withIDs: Int, isRoot: Bool
    ) -> Finding {
        Finding(
            agrees: listing == 1 && isOwn && (!isRoot || parentListed == withIDs),
            [
                .count(.instances, instances), .count(.instancesThatListTheProcess, listing),
                .count(.processesThatTheGPULists, parentListed),
                .count(.ofTheseWithAnInstancesIds, withIDs), .flag(.root, isRoot),
            ])
    }

    /// A client is listed itself, with its own memory.
    package static func mps(client: Bytes?) -> Finding {
        Finding(
            agrees: (client ?? 0) > 0,
            [.flag(.clientIsListed, client != nil)] + (client.map { [.bytes(.client, $0)] } ?? []))
    }

    /// PyTorch reserves a multiple of 2 MiB, the driver lists that and a context, and `run` reports what the driver lists.
    ///
    /// - Parameter peak: of the report; nil if it has none.
    package static func pytorch(tensor: Bytes, reserved: Bytes, listed: Bytes, peak: Bytes?) -> Finding {
        Finding(
            agrees: reserved >= tensor && reserved % (2 * mebibyte) == 0 && listed > reserved && peak == listed,
            [
                .bytes(.tensor, tensor), .bytes(.reservedByPyTorch, reserved), .bytes(.listed, listed),
            ] + (peak.map { [.bytes(.peakOfRun, $0)] } ?? []))
    }

    /// Within the differences between loops, the cost of `run` is not measurable: their means differ by up to half on an
    /// H200 with driver 580.159.04, and a reading of `run` delays one allocation by at most a millisecond.
    ///
    /// - Parameters: seconds of an allocation in each loop.
    package static func runCost(alone: [Double], watched: [Double]) -> Finding {
        func median(_ times: [Double]) -> Double { times.sorted()[times.count / 2] }
        let ratio = median(watched) / max(median(alone), 1e-9)
        let slowest = alone.max() ?? 0
        return Finding(
            agrees: ratio < 1.1 || median(watched) <= slowest,
            [
                .seconds(.anAllocationAlone, median(alone)), .seconds(.inTheSlowestLoopAlone, slowest),
                .seconds(.underRun, median(watched)), MeasuredValue(.ratio, .ratio(ratio)),
            ])
    }

    /// What is charged to a cgroup rises by what the driver lists of its process.
    package static func dmemCharge(charged: Bytes, listed: Bytes) -> Finding {
        Finding(agrees: charged == listed, [.bytes(.chargeRoseBy, charged), .bytes(.process, listed)])
    }

    /// The limits can be read, or there are none: SUCCESS, NOT_SUPPORTED or NOT_FOUND (open-gpu-kernel-modules, memacct.c).
    ///
    /// - Parameters: an nvmlReturn_t of each; the limit if there is one.
    package static func limits(leaf: (code: Int, hard: Bytes?), parent: (code: Int, hard: Bytes?)?) -> Finding {
        let codes = [leaf.code] + (parent.map { [$0.code] } ?? [])
        func limit(_ name: MeasuredValue.Name, _ answer: (code: Int, hard: Bytes?)?) -> [MeasuredValue] {
            guard let answer, answer.code == 0, let hard = answer.hard else { return [] }
            return [.bytes(name, hard)]
        }
        return Finding(
            agrees: codes.allSatisfy { [0, 3, 6].contains($0) },
            [.count(.answerForOurCgroup, leaf.code)] + limit(.limitOfOurCgroup, leaf)
                + (parent.map { [.count(.answerForTheCgroupAroundIt, $0.code)] } ?? [])
                + limit(.limitOfTheCgroupAroundIt, parent))
    }

    /// A driver that hangs costs its deadline and no more than a second.
    package static func hangingDriver(deadline: Double, took: Double) -> Finding {
        Finding(
            agrees: took <= deadline + 1, [.seconds(.deadline, deadline), .seconds(.givenUpAfter, took)])
    }
}

extension ListedPIDs {
    fileprivate var seen: [MeasuredValue] {
        [.flag(.listsTheProcessInsideByItsPIDThere, listsOwn), .flag(.listsAProcessOutside, listsOutside)]
    }
}

/// Whether NVIDIA's driver of this version lists PIDs of the caller's namespace: since 535.113.01
/// (open-gpu-kernel-modules, os_find_ns_pid). nil if the text is not a version.
package func translatesPIDs(_ driver: String) -> Bool? {
    let numbers = driver.split(separator: ".").compactMap { Int($0) }
    return numbers.count < 2 ? nil : (numbers[0], numbers[1]) >= (535, 113)
}
