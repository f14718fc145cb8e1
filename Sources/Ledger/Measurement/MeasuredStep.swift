/// A question that only a machine with a GPU can answer: a step of `measure`, and a row of docs/measured.md. In the order in which
/// they are tried: what a first call to the driver changes comes first.
package enum MeasuredStep: String, CaseIterable, Sendable {
    case waking
    case firstCall = "first-call"
    case recordSize = "record-size"
    case memoryCalls = "memory-calls"
    case reserved
    case ledger
    case nvidiaSMI = "nvidia-smi"
    case check
    case context
    case rounding
    case killedHolder = "killed-holder"
    case ipc
    case managed
    case pidNamespace = "pid-namespace"
    case container
    case containerHostPIDs = "container-host-pids"
    case containerDevices = "container-devices"
    case accounting
    case mig
    case mps
    case pytorch
    case runCost = "run-cost"
    case amdProcesses = "amd-processes"
    case partitions
    case intelProcesses = "intel-processes"
    case dmemCharge = "dmem-charge"
    case limits
    case hangingDriver = "hanging-driver"
}

/// A setting of a GPU that `measure` changes only if the user asks for it, and restores.
package enum MeasuredSetting: String, CaseIterable, Sendable {
    case accounting, persistence
}

/// What a step found: an amount, a time, or a word of ours. No text of the machine's own, so that a report is safe to send.
package struct MeasuredValue: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        case bytes(Bytes)
        case seconds(Double)
        case count(Int)
        case ratio(Double)
        case flag(Bool)
        /// Bytes that were asked for, and those that were charged for them.
        case charges([Charge])
        case records([Record])
    }

    /// How long the records are that a list function writes, in bytes.
    package struct Record: Sendable, Equatable {
        package var function: String
        package var bytes: Int

        package init(function: String, bytes: Int) {
            self.function = function
            self.bytes = bytes
        }
    }

    package enum Name: Sendable, CaseIterable {
        case inTheSlowestLoopAlone
        case aProcessOfOursCompared, afterTheirPowerStatesWereRead, amountsCompared, anAllocationAlone
        case answerForOurCgroup, answerForTheCgroupAroundIt, askedFor, atRest
        case chargeRoseBy, charged, client, clientIsListed
        case countedTwice, deadline, exportersRoseBy, freeAfter
        case givenUpAfter, gpus, gpusAsleep, held
        case importersRoseBy, initializedIn, instances, instancesThatListTheProcess
        case largestDifference, limitOfOurCgroup, limitOfTheCgroupAroundIt, listed
        case listsAProcessOutside, listsTheProcessInsideByItsPIDThere, notListedAfter, nvidiaGPUsAmongThem
        case ofTheseWithAnInstancesIds, peakAfterItsEnd, peakOfRun, peakWhileItRan
        case process, processDriver, processPlimsoll, processRoseBy
        case processesThatTheGPULists, processesThatTheToolAloneLists, ratio, readings
        case recordSizes, reserved, reservedByPyTorch, root
        case shared, sumOfTheLedger, tensor, theOneThatWasGiven
        case total, totalLessUsedAndFree, touched, underRun
        case usedDriver, usedFirstCall, usedMemoryOfTheGPURoseBy, usedPlimsoll
        case usedSecondCall, withAChangingAllocation, withAnAllocation, withTheGPUAwake
        case withoutPersistenceModeUnused, wokenByPlimsoll
    }

    package struct Charge: Sendable, Equatable {
        package var asked: Bytes
        package var charged: Bytes

        package init(asked: Bytes, charged: Bytes) {
            self.asked = asked
            self.charged = charged
        }
    }

    package var name: Name
    package var value: Value

    package init(_ name: Name, _ value: Value) {
        self.name = name
        self.value = value
    }

    package static func bytes(_ name: Name, _ value: Bytes) -> MeasuredValue { MeasuredValue(name, .bytes(value)) }
    package static func seconds(_ name: Name, _ value: Double) -> MeasuredValue { MeasuredValue(name, .seconds(value)) }
    package static func count(_ name: Name, _ value: Int) -> MeasuredValue { MeasuredValue(name, .count(value)) }
    package static func flag(_ name: Name, _ value: Bool) -> MeasuredValue { MeasuredValue(name, .flag(value)) }
}

/// What a step saw, and whether it is what the documentation and the code assume.
package struct Finding: Sendable, Equatable {
    package var agrees: Bool
    package var seen: [MeasuredValue]

    package init(agrees: Bool, _ seen: [MeasuredValue]) {
        self.agrees = agrees
        self.seen = seen
    }
}

/// Why a step could not be tried.
package enum NotTried: Error, Sendable, Equatable {
    package enum Prerequisite: String, Sendable, CaseIterable {
        case nvidiaDriver, chosenGPU, sharedGPU, othersMPS, cuda, cudaDevice, suspendedGPU, listedProcess, migGPU,
            mpsServer, amdGPU, intelGPU
        case partition, listedByTool, dmem, ownCharge, cgroup2, torch, secondGPU, hang, memoryTotals, perProcessMemory
    }

    package enum Right: String, Sendable, CaseIterable {
        case root, namespaces, engine
    }

    case missing(Prerequisite)
    /// A function of the driver's library that this driver lacks.
    case noFunction(String)
    /// An nvmlReturn_t.
    case nvml(call: String, code: Int32)
    /// A CUresult.
    case cuda(call: String, code: Int32)
    case noTool(String)
    case toolFailed(String, code: Int32)
    case toolNotUnderstood(String)
    case forbidden(Right)
    /// It changes this setting, and the user did not ask for it.
    case needsSetting(MeasuredSetting)
    case noAnswer(seconds: Double)
    /// The process that uses the GPU ended; by this signal if one is known.
    case ended(signal: Int32?)
    case notStarted(errno: Int32)
    case notEnoughMemory(needed: Bytes, free: Bytes)
    /// A tool that took longer.
    case toolSilent(String, seconds: Double)
    /// Other processes changed the GPU's memory during the step.
    case memoryChanged
    case outOfTime
}

/// A step, and how it went.
package struct MeasuredResult: Sendable, Equatable {
    package enum Outcome: Sendable, Equatable {
        case tried(Finding)
        case notTried(NotTried)
    }

    package var step: MeasuredStep
    package var outcome: Outcome
    package var seconds: Double

    package init(_ step: MeasuredStep, _ outcome: Outcome, seconds: Double) {
        self.step = step
        self.outcome = outcome
        self.seconds = seconds
    }
}

/// The report of `measure`: what the machine is, and what each step found. It names no host, user or container.
package struct MeasureReport: Sendable, Equatable {
    package struct GPU: Sendable, Equatable {
        package var label: String
        package var name: String?
        /// The first eight digits, which identify a GPU on its host.
        package var shortUUID: String?
        package var total: Bytes?
        package var vendor: Vendor

        package init(_ device: Device) {
            label = device.label
            name = device.name
            shortUUID = device.uuid.map { String($0.prefix(12)) }
            total = device.memory.total
            vendor = device.vendor
        }
    }

    package var plimsoll: String
    /// Milliseconds since 1970, UTC.
    package var time: Int64
    package var kernel: String?
    package var nvidiaDriver: String?
    package var cudaVersion: UInt32?
    package var gpus: [GPU] = []
    /// Settings that were changed, and those of them that could not be restored.
    package var changed: [MeasuredSetting] = []
    package var unrestored: [MeasuredSetting] = []
    package var results: [MeasuredResult] = []
    /// Every step that was asked for has a result.
    package var isComplete = false

    package init(plimsoll: String, time: Int64) {
        self.plimsoll = plimsoll
        self.time = time
    }

    package enum Verdict: Sendable { case agrees, differs, nothingTried }

    package var verdict: Verdict {
        let findings = results.compactMap { if case .tried(let finding) = $0.outcome { finding } else { nil } }
        if findings.isEmpty { return .nothingTried }
        return findings.allSatisfy(\.agrees) ? .agrees : .differs
    }
}
