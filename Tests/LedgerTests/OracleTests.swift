import SeededGenerator
import Testing

@testable import Ledger

/// Hosts made at random, and for each what the ledger must say, worked out in another way: not by joining lists, but by
/// asking of every (process, device) by itself where it belongs.
struct OracleTests {
    static let containers = (0..<6).map { seed in
        String(repeating: String("0123456789abcdef".dropFirst(seed).first!), count: 64)
    }

    /// Where each PID of a host truly belongs: what the generator decided, before it wrote any path.
    enum Truth {
        case container(Int)
        case host, absent, reused, zombie, forbidden
        /// A process of the host, and one of a container, whose cgroup is named like another container's.
        case impostor(of: Int)
        case insider(Int, impostorOf: Int)
    }

    struct Made {
        var observation: Observation
        var truth: [UInt32: Truth]
        var sees: Bool
    }

    static func make(_ seed: UInt64) -> Made {
        var generator = SeededGenerator(seed: seed)
        let asked: Int64 = 5000
        let hides = generator.one(in: 8)
        // A container has one cgroup.
        let paths = containers.map { path($0, &generator) }
        var truth: [UInt32: Truth] = [:]
        var processes: [ObservedProcess] = []
        for pid in UInt32(1)...UInt32(Int.random(in: 1...25, using: &generator)) {
            let what: Truth =
                switch Int.random(in: 0..<12, using: &generator) {
                case 0...4: .container(Int.random(in: 0..<6, using: &generator))
                case 5: .host
                case 6: .absent
                case 7: .reused
                case 8: .zombie
                case 9: .impostor(of: Int.random(in: 0..<6, using: &generator))
                case 10:
                    .insider(
                        Int.random(in: 0..<6, using: &generator), impostorOf: Int.random(in: 0..<6, using: &generator))
                default: .forbidden
                }
            truth[pid] = what
            var process = ObservedProcess(
                pid: pid, startTick: Int64.random(in: 0...asked, using: &generator),
                cgroup: .known("0::/system.slice/x.service"))
            switch what {
            case .container(let index): process.cgroup = .known(paths[index])
            case .impostor(let index):
                process.cgroup = .known("0::/user.slice/user-7.slice/user@7.service/docker-\(containers[index]).scope")
            case .insider(let outer, let index):
                process.cgroup = .known(paths[outer].replacingFirstLine { "\($0)/docker-\(containers[index]).scope" })
            case .host: break
            case .absent: continue
            case .reused:
                process.startTick = asked + 1 + Int64.random(in: 0...100, using: &generator)
                process.cgroup = .known(paths[0])
            case .zombie:
                process.isDead = true
                process.cgroup = .known("4:memory:/\n0::/")
            case .forbidden: process.cgroup = .unknown(.file(path: "/proc/1/cgroup", code: 13))
            }
            processes.append(process)
        }
        let devices = (0..<Int.random(in: 1...4, using: &generator)).map {
            device($0, Array(truth.keys.sorted()), asked, &generator)
        }
        let view = ProcessView(hidesProcesses: hides)
        let engine = ObservedEngine(
            runtime: .docker, containers: containers.map { EngineContainer(id: $0, name: nil, image: nil) }, owner: 0)
        return Made(
            observation: Observation(
                time: 0, host: "h", view: view, devices: devices, processes: processes, engines: [engine]),
            truth: truth, sees: !hides)
    }

    static func path(_ id: String, _ generator: inout SeededGenerator) -> String {
        let forms = [
            "0::/system.slice/docker-\(id).scope", "4:memory:/docker/\(id)\n0::/system.slice/containerd.service",
            "0::/machine.slice/libpod-\(id).scope/container", "0::/any/parent/\(id)/below",
            "0::/lxc.payload.outer/docker/\(id)",
        ]
        return forms.randomElement(using: &generator)!
    }

    static func device(_ index: Int, _ pids: [UInt32], _ asked: Int64, _ generator: inout SeededGenerator)
        -> ObservedDevice
    {
        func list() -> [ListedProcess] {
            (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                let bytes: UInt64? =
                    generator.one(in: 7)
                    ? nil : generator.one(in: 20) ? .max - 1 : UInt64.random(in: 0...1 << 40, using: &generator)
                return ListedProcess(pid: pids.randomElement(using: &generator)!, bytes: bytes)
            }
        }
        func reading() -> ListReading {
            generator.one(in: 12)
                ? .failed(.call("nvmlDeviceGetComputeRunningProcesses_v3", code: 999))
                : generator.one(in: 4) ? .absent : .read(list())
        }
        // Used is drawn by itself, so that the remainder is as often below zero as above.
        let memory: Reading<ObservedMemory> =
            generator.one(in: 10)
            ? .unknown(.fact(.noTotal))
            : .known(
                ObservedMemory(
                    total: 1 << 42, used: UInt64.random(in: 0...1 << 42, using: &generator), free: 1 << 20,
                    reportsReserved: !generator.one(in: 3)))
        return ObservedDevice(
            index: String(index), uuid: "GPU-\(index)", memory: memory, utilizationPercent: .known(0),
            compute: generator.one(in: 15)
                ? .failed(.call("nvmlDeviceGetComputeRunningProcesses_v3", code: 999)) : .read(list()),
            graphics: reading(), mps: reading(),
            askedAtTick: asked)
    }

    @Test("Over 12,000 hosts every listed process has one holder, and every holder's bytes are the oracle's")
    func agrees() {
        for seed in 0..<12_000 as Range<UInt64> {
            let made = Self.make(seed)
            let differences = Self.differences(Snapshot(made.observation), made)
            #expect(differences.isEmpty, "host \(seed): \(differences)")
            if !differences.isEmpty { return }
        }
    }

    static func differences(_ snapshot: Snapshot, _ made: Made) -> [String] {
        var found: [String] = []
        func expect(_ truth: Bool, _ what: String) { if !truth { found.append(what) } }
        for (place, device) in made.observation.devices.enumerated() {
            var sums: [String: Int64] = [:]
            var incomplete = false
            var listed: Set<UInt32> = []
            for list in [device.compute, device.graphics, device.mps] { listed.formUnion(list.processes.map(\.pid)) }
            for pid in listed {
                let told = [device.compute, device.graphics, device.mps].flatMap(\.processes).filter { $0.pid == pid }
                let amounts = told.compactMap(\.bytes).filter { $0 <= 1 << 48 }
                let holder: String =
                    switch made.truth[pid]! {
                    case .container(let index), .insider(let index, _): containers[index]
                    case .host, .impostor: "host"
                    case .absent: made.sees ? "gone" : "hidden"
                    case .reused, .zombie: "gone"
                    case .forbidden: "hidden"
                    }
                let rows = snapshot.processes.filter { $0.pid == pid && $0.device == place }
                expect(rows.count == 1, "PID \(pid) on \(place) stands \(rows.count) times")
                expect(rows.first?.container ?? rows.first?.holder.rawValue == holder, "PID \(pid) is \(holder)'s")
                expect(rows.first?.bytes == amounts.max().map { Int64($0) }, "bytes of PID \(pid) on \(place)")
                if let amount = amounts.max() { sums[holder, default: 0] += Int64(amount) } else { incomplete = true }
            }
            expect(snapshot.processes.filter { $0.device == place }.count == listed.count, "rows on \(place)")

            let ledger = snapshot.devices[place].ledger
            if case .failed = device.compute {
                expect(ledger == DeviceLedger(), "terms without a compute list")
                continue
            }
            let inContainers = containers.reduce(0) { $0 + (sums[$1] ?? 0) }
            expect(ledger.containers == inContainers, "containers on \(place)")
            expect(ledger.host == sums["host"] ?? 0, "host on \(place)")
            expect(ledger.gone == sums["gone"] ?? 0, "gone on \(place)")
            expect(ledger.hidden == sums["hidden"] ?? 0, "hidden on \(place)")
            let used = device.memory.value.map { Int64($0.used!) }
            expect(
                ledger.unattributed == used.map { $0 - sums.values.reduce(0, +) }, "the remainder on \(place)")
            for list in [device.graphics, device.mps] { if case .failed = list { incomplete = true } }
            expect(ledger.complete == !incomplete, "complete on \(place)")
            for (index, id) in containers.enumerated() {
                let usage = snapshot.containers.first { $0.id == id }?.usage.first { $0.device == place }
                if let usage { expect((usage.bytes ?? 0) == sums[id] ?? 0, "container \(index) on \(place)") }
                if usage == nil { expect(sums[id] == nil, "container \(index) missing on \(place)") }
            }
        }
        return found
    }
}

extension String {
    fileprivate func replacingFirstLine(_ change: (Substring) -> String) -> String {
        let lines = split(separator: "\n", maxSplits: 1)
        return ([change(lines[0])] + lines.dropFirst().map(String.init)).joined(separator: "\n")
    }
}

extension SeededGenerator {
    /// True once in `count` calls on average.
    fileprivate mutating func one(in count: Int) -> Bool { below(count) == 0 }
}
