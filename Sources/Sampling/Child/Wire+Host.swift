import ContainerRuntimes
import HostFS
import Ledger

// Questions about the host's files and their answers, field by field: add a new field both to the writer and to the
// reader.

extension WireWriter {
    mutating func question(_ question: HostQuestion) {
        switch question {
        case .surroundings: number(UInt8(0))
        case .deviceMemory: number(UInt8(1))
        case .processes(let pids, let sample, let forgets, let whole):
            number(UInt8(2))
            list(pids) { $0.number($1) }
            number(sample)
            flag(forgets)
            flag(whole)
        case .insidePIDs(let pids):
            number(UInt8(3))
            list(pids) { $0.number($1) }
        case .threads(let threads):
            number(UInt8(9))
            list(threads) { $0.number($1) }
        case .ancestors(let pids, let last):
            number(UInt8(4))
            list(pids) { $0.number($1) }
            number(last)
        case .commandLines(let keys):
            number(UInt8(5))
            list(keys) { writer, key in
                writer.number(key.pid)
                writer.number(key.startTick)
            }
        case .runtimeEnvironment(let minors):
            number(UInt8(6))
            list(minors) { $0.number($1) }
        case .dockerContext(let environment):
            number(UInt8(7))
            list(environment.sorted { $0.key < $1.key }) { writer, variable in
                writer.text(variable.key)
                writer.text(variable.value)
            }
        case .engine(let socket, let seconds):
            number(UInt8(8))
            text(socket)
            number(seconds.bitPattern)
        }
    }

    mutating func answer(_ answer: HostAnswer) {
        switch answer {
        case .failed(let why):
            number(UInt8(0))
            reason(why)
        case .silent: number(UInt8(10))
        case .surroundings(let view, let memory):
            number(UInt8(1))
            reading(view) { $0.view($1) }
            optional(memory) { writer, memory in
                writer.number(memory.total)
                writer.number(memory.available)
            }
        case .deviceMemory(let charges, let facts):
            number(UInt8(2))
            optional(charges.cgroups) { writer, cgroups in writer.list(cgroups) { $0.charged($1) } }
            optional(charges.trouble) { $0.reason($1) }
            self.facts(facts)
        case .processes(let processes, let facts):
            number(UInt8(3))
            list(processes) { $0.reported($1) }
            self.facts(facts)
        case .threads(let processes):
            number(UInt8(11))
            list(processes.sorted { $0.key < $1.key }) { writer, thread in
                writer.number(thread.key)
                writer.number(thread.value)
            }
        case .ancestors(let chains):
            number(UInt8(4))
            list(chains.sorted { $0.key < $1.key }) { writer, chain in
                writer.number(chain.key)
                writer.list(chain.value) { $0.number($1) }
            }
        case .commandLines(let lines):
            number(UInt8(5))
            list(lines.sorted { $0.key < $1.key }) { writer, line in
                writer.number(line.key)
                writer.text(line.value)
            }
        case .runtimeEnvironment(let environment):
            number(UInt8(6))
            runtimeEnvironment(environment)
        case .dockerContext(let context):
            number(UInt8(7))
            self.context(context)
        case .engine(let engine, let seconds):
            number(UInt8(8))
            self.engine(engine)
            number(seconds.bitPattern)
        case .noEngine(let trouble, let seconds):
            number(UInt8(9))
            text(trouble.message)
            flag(trouble.isAbsence)
            flag(trouble.isForbidden)
            number(seconds.bitPattern)
        }
    }

    private mutating func view(_ view: ProcessView) {
        for isTrue in [view.inInitialNamespace, view.inUserNamespace] { optional(isTrue) { $0.flag($1) } }
        for isTrue in [view.procIsOwn, view.hidesProcesses, view.inCgroupNamespace] { flag(isTrue) }
        optional(view.ownMounts) { writer, mounts in
            writer.list(mounts) { writer, mount in
                writer.text(mount.root)
                writer.text(mount.point)
            }
        }
        optional(view.ownEngine) { $0.text($1) }
        number(view.ticksPerSecond)
        optional(view.bootTime) { $0.number($1) }
        optional(view.isWSL) { $0.flag($1) }
        optional(view.kernel) { $0.text($1) }
    }

    private mutating func amounts(_ amounts: [String: UInt64]) {
        list(amounts.sorted { $0.key < $1.key }) { writer, amount in
            writer.text(amount.key)
            writer.number(amount.value)
        }
    }

    private mutating func charged(_ cgroup: ChargedCgroup) {
        text(cgroup.path)
        amounts(cgroup.current)
        amounts(cgroup.limits)
        optional(cgroup.capacity) { $0.amounts($1) }
    }

    private mutating func facts(_ facts: CgroupFacts) {
        list(facts.limits.sorted { $0.key < $1.key }) { writer, limit in
            writer.text(limit.key)
            writer.reading(limit.value) { writer, limit in writer.optional(limit.amount) { $0.number($1) } }
        }
        list(facts.owners.sorted { $0.key < $1.key }) { writer, owner in
            writer.text(owner.key)
            writer.number(owner.value)
        }
    }

    private mutating func reported(_ reported: SentProcess) {
        switch reported {
        case .whole(let process):
            flag(true)
            self.process(process)
        case .same(let pid, let startTick):
            flag(false)
            number(pid)
            number(startTick)
        }
    }

    private mutating func process(_ process: ObservedProcess) {
        number(process.pid)
        number(process.startTick)
        flag(process.isDead)
        reading(process.cgroup) { $0.text($1) }
        list(process.namespacePIDs) { $0.number($1) }
        text(process.name)
        for field in [process.user, process.namespaceCgroup] { optional(field) { $0.text($1) } }
        optional(process.pidNamespace) { $0.number($1) }
    }

    private mutating func runtimeEnvironment(_ environment: RuntimeEnvironment) {
        text(environment.kind.rawValue)
        flag(environment.isVerified)
        for field in [environment.id, environment.engine, environment.cgroup] { optional(field) { $0.text($1) } }
        list(environment.variables) { writer, variable in
            writer.text(variable.name)
            writer.text(variable.value)
        }
        optional(environment.deviceNodes) { writer, nodes in writer.list(nodes) { $0.text($1) } }
        list(environment.renderNodes.sorted { $0.key < $1.key }) { writer, node in
            writer.number(node.key)
            writer.reading(node.value) { $0.text($1) }
        }
        reading(environment.computeNode) { $0.text($1) }
        reading(environment.ramLimit) { writer, limit in writer.optional(limit.amount) { $0.number($1) } }
        reading(environment.cpuLimit) { writer, limit in writer.optional(limit.amount) { $0.number($1.bitPattern) } }
    }
}

extension WireReader {
    mutating func question() throws(WireError) -> HostQuestion {
        switch try number() as UInt8 {
        case 0: return .surroundings
        case 1: return .deviceMemory
        case 2: return .processes(try numbers(), sample: try number(), forgets: try flag(), whole: try flag())
        case 3: return .insidePIDs(try numbers())
        case 4: return .ancestors(try numbers(), upTo: try number())
        case 5:
            return .commandLines(
                try list { reader throws(WireError) in
                    HostQuestion.ProcessKey(pid: try reader.number(), startTick: try reader.number())
                })
        case 6: return .runtimeEnvironment(minors: try numbers())
        case 7:
            return .dockerContext(
                try table { reader throws(WireError) in
                    try reader.text()
                } value: { reader throws(WireError) in
                    try reader.text()
                })
        case 8: return .engine(socket: try text(), seconds: try double())
        case 9: return .threads(try numbers())
        default: throw WireError()
        }
    }

    mutating func answer() throws(WireError) -> HostAnswer {
        switch try number() as UInt8 {
        case 0: return .failed(try reason())
        case 1:
            return .surroundings(
                try reading { reader throws(WireError) in try reader.view() },
                try optional { reader throws(WireError) in
                    HostMemory(total: try reader.number(), available: try reader.number())
                })
        case 2:
            let charges = DeviceMemoryCharges(
                cgroups: try optional { reader throws(WireError) in
                    try reader.list { reader throws(WireError) in try reader.charged() }
                }, trouble: try optional { reader throws(WireError) in try reader.reason() })
            return .deviceMemory(charges, try facts())
        case 3:
            return .processes(try list { reader throws(WireError) in try reader.reported() }, try facts())
        case 4:
            return .ancestors(
                try table { reader throws(WireError) in
                    try reader.number()
                } value: { reader throws(WireError) in
                    try reader.numbers()
                })
        case 5:
            return .commandLines(
                try table { reader throws(WireError) in
                    try reader.number()
                } value: { reader throws(WireError) in
                    try reader.text()
                })
        case 6: return .runtimeEnvironment(try runtimeEnvironment())
        case 7: return .dockerContext(try context())
        case 8: return .engine(try engine(), seconds: try double())
        case 10: return .silent
        case 11:
            return .threads(
                try table { reader throws(WireError) in
                    try reader.number()
                } value: { reader throws(WireError) in
                    try reader.number()
                })
        case 9:
            let trouble = EngineTrouble(message: try text(), isAbsence: try flag(), isForbidden: try flag())
            return .noEngine(trouble, seconds: try double())
        default: throw WireError()
        }
    }

    private mutating func double() throws(WireError) -> Double { Double(bitPattern: try number()) }

    private mutating func numbers() throws(WireError) -> [UInt32] {
        try list { reader throws(WireError) in try reader.number() }
    }

    mutating func optionalText() throws(WireError) -> String? {
        try optional { reader throws(WireError) in try reader.text() }
    }

    /// The first of several values for one key counts.
    mutating func table<Key: Hashable, Value>(
        _ key: (inout WireReader) throws(WireError) -> Key, value: (inout WireReader) throws(WireError) -> Value
    ) throws(WireError) -> [Key: Value] {
        let pairs = try list { reader throws(WireError) in (try key(&reader), try value(&reader)) }
        return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    }

    private mutating func amounts() throws(WireError) -> [String: UInt64] {
        try table { reader throws(WireError) in
            try reader.text()
        } value: { reader throws(WireError) in
            try reader.number()
        }
    }

    private mutating func view() throws(WireError) -> ProcessView {
        let inInitialNamespace = try optional { reader throws(WireError) in try reader.flag() }
        let inUserNamespace = try optional { reader throws(WireError) in try reader.flag() }
        return ProcessView(
            inInitialNamespace: inInitialNamespace, procIsOwn: try flag(), hidesProcesses: try flag(),
            inCgroupNamespace: try flag(), inUserNamespace: inUserNamespace,
            ownMounts: try optional { reader throws(WireError) in
                try reader.list { reader throws(WireError) in
                    OwnMount(root: try reader.text(), point: try reader.text())
                }
            }, ownEngine: try optionalText(), ticksPerSecond: try number(),
            bootTime: try optional { reader throws(WireError) in try reader.number() },
            isWSL: try optional { reader throws(WireError) in try reader.flag() }, kernel: try optionalText())
    }

    private mutating func charged() throws(WireError) -> ChargedCgroup {
        ChargedCgroup(
            path: try text(), current: try amounts(), limits: try amounts(),
            capacity: try optional { reader throws(WireError) in try reader.amounts() })
    }

    private mutating func facts() throws(WireError) -> CgroupFacts {
        CgroupFacts(
            limits: try table { reader throws(WireError) in
                try reader.text()
            } value: { reader throws(WireError) in
                try reader.limit()
            },
            owners: try table { reader throws(WireError) in
                try reader.text()
            } value: { reader throws(WireError) in
                try reader.number()
            })
    }

    private mutating func limit() throws(WireError) -> Reading<Limit<UInt64>> {
        try reading { reader throws(WireError) in
            Limit(try reader.optional { reader throws(WireError) in try reader.number() })
        }
    }

    private mutating func reported() throws(WireError) -> SentProcess {
        try flag() ? .whole(try process()) : .same(pid: try number(), startTick: try number())
    }

    private mutating func process() throws(WireError) -> ObservedProcess {
        var process = ObservedProcess(
            pid: try number(), startTick: try number(), isDead: try flag(),
            cgroup: try reading { reader throws(WireError) in try reader.text() }, namespacePIDs: try numbers(),
            name: try text(), user: try optionalText())
        process.namespaceCgroup = try optionalText()
        process.pidNamespace = try optional { reader throws(WireError) in try reader.number() }
        return process
    }

    private mutating func runtimeEnvironment() throws(WireError) -> RuntimeEnvironment {
        guard let kind = RuntimeEnvironment.Kind(rawValue: try text()) else { throw WireError() }
        let isVerified = try flag()
        let (id, engine, cgroup) = (try optionalText(), try optionalText(), try optionalText())
        var environment = RuntimeEnvironment(
            kind: kind, id: id, engine: engine,
            variables: try list { reader throws(WireError) in
                RuntimeEnvironment.Variable(name: try reader.text(), value: try reader.text())
            },
            deviceNodes: try optional { reader throws(WireError) in
                try reader.list { reader throws(WireError) in try reader.text() }
            }, libraries: [],
            renderNodes: try table { reader throws(WireError) in
                try reader.number()
            } value: {
                reader throws(WireError) in
                try reader.reading { reader throws(WireError) in try reader.text() }
            },
            computeNode: try reading { reader throws(WireError) in try reader.text() }, ramLimit: try limit(),
            cpuLimit: try reading { reader throws(WireError) in
                Limit(try reader.optional { reader throws(WireError) in Double(bitPattern: try reader.number()) })
            })
        environment.isVerified = isVerified
        environment.cgroup = cgroup
        return environment
    }
}
