import ContainerRuntimes
import HostFS
import Ledger

/// The messages of child processes as bytes, for fuzzing.
package enum ChildMessages {
    /// What children say so that this observation is made: a frame of every kind.
    package static func frames(of observation: Observation) -> [[UInt8]] {
        let gpus = observation.devices.map { Inventory.GPU(key: "\($0.vendor.rawValue):\($0.index)", unread: $0) }
        let facts = CgroupFacts(
            limits: observation.cgroupLimits ?? [":/": .known(.unlimited)],
            owners: observation.cgroupOwners ?? [":/": 0])
        let charges = DeviceMemoryCharges(cgroups: observation.deviceMemory, trouble: .cgroupsAfter(16_384))
        let environment = RuntimeEnvironmentReader.unread(minors: [128], why: .notAsked)
        let pids = observation.processes.map(\.pid)
        var messages: [DriverMessage] = [
            .opened(
                sample: 1, DriverVersions(driver: "570.133.07", cuda: 12080), Inventory(gpus: gpus, withClients: true),
                hang: [DriverMessage.clientsKey]),
            .failed(sample: 1, why: .noLibrary(tried: ["libnvidia-ml.so.1: not found"]), isAbsent: true),
            .answer(1, .surroundings(.known(observation.view), observation.hostMemory)),
            .answer(2, .processes(observation.processes.map { .whole($0) } + [.same(pid: 1, startTick: 5)], facts)),
            .answer(3, .deviceMemory(charges, facts)),
            .answer(4, .ancestors([7: pids])), .answer(5, .commandLines([7: "python3 train.py"])),
            .answer(6, .runtimeEnvironment(environment)),
            .answer(
                7,
                .dockerContext(DockerContext(name: "lab", file: "/root/c", endpoint: .missing(folder: "/root/.docker")))
            ),
            .answer(7, .threads([5072: 5044])), .answer(8, .failed(.fact(.filesSilent))),
            .answer(9, .noEngine(EngineTrouble(message: "no such socket", isAbsence: true), seconds: 0.5)),
        ]
        messages += gpus.map { .gpu(sample: 1, $0.key, [$0.unread], waking: 2.5) }
        messages += observation.engines.map { .answer(10, .engine($0, seconds: 0.01)) }
        if let clients = observation.clients { messages.append(.clients(sample: 1, clients)) }
        return messages.map(\.frame)
    }

    /// What a stream of frames says, as far as it is understood.
    package struct Reading {
        package var observation: Observation
        /// Every message that was understood is the same when it is sent on.
        package var isSameAgain = true
    }

    package static func read(_ bytes: [UInt8]) -> Reading {
        var reading = Reading(observation: Observation(time: 0, host: "", view: ProcessView()))
        var buffer = FrameBuffer()
        buffer.append(bytes[...])
        while let message = try? buffer.next() {
            let frame = message.frame
            if DriverMessage(payload: frame.dropFirst(4))?.frame != frame { reading.isSameAgain = false }
            reading.note(message)
        }
        return reading
    }
}

extension ChildMessages.Reading {
    fileprivate mutating func note(_ message: DriverMessage) {
        switch message {
        case .opened(_, let versions, let inventory, _):
            observation.view.nvidiaDriver = versions.driver
            observation.devices += inventory.gpus.map { $0.unread.unreadable(why: .noAnswer(seconds: 10)) }
        case .gpu(_, _, let devices, _): observation.devices += devices
        case .clients(_, let clients): observation.clients = clients
        case .answer(_, .surroundings(let view, let memory)):
            observation.view = view.value ?? observation.view
            observation.hostMemory = memory
        case .answer(_, .processes(let reported, let facts)):
            note(facts)
            observation.processes += reported.whole
        case .answer(_, .engine(let engine, _)): observation.engines.append(engine)
        case .answer(_, .deviceMemory(let charges, let facts)):
            observation.deviceMemory = charges.cgroups
            note(facts)
        case .failed, .answer: break
        }
    }

    private mutating func note(_ facts: CgroupFacts) {
        observation.cgroupLimits = (observation.cgroupLimits ?? [:]).merging(facts.limits) { $1 }
        observation.cgroupOwners = (observation.cgroupOwners ?? [:]).merging(facts.owners) { $1 }
    }
}
