import Foundation

/// A made-up host: a /proc and a /sys of files, what its driver lists, and the containers that its engine runs.
package final class HostTree {
    package let scratch: Scratch
    private var cards: [[String: Any]] = []
    private var containers: [[String: Any]] = []
    private var driver: [String: Any] = ["driver": "550.144.03", "cuda": 12040]

    /// One of the hosts in Simulator/hosts.
    package convenience init(simulating name: String) throws {
        try self.init()
        let file = Build.package.appending(path: "Simulator/hosts/\(name).json")
        let description = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        driver = description as? [String: Any] ?? [:]
        cards = driver["devices"] as? [[String: Any]] ?? []
    }

    /// Booted on 2026-11-01 at 00:00:00 UTC, `uptime` seconds ago.
    package init(uptime: String = "100000.00 1.00") throws {
        scratch = try Scratch()
        try scratch.write("\(uptime)\n", to: "proc/uptime")
        try scratch.write("cpu  1 2 3\nbtime 1793491200\nprocesses 1\n", to: "proc/stat")
    }

    deinit { scratch.remove() }

    /// A container's id: 64 hexadecimal digits, the same for the same seed.
    package static func id(_ seed: Int) -> String {
        (0..<4).map { part in
            let mixed = UInt64(seed * 4 + part + 1) &* 0x9E37_79B9_7F4A_7C15 ^ 0x2545_F491_4F6C_DD1D
            return String(format: "%016llx", mixed)
        }.joined()
    }

    /// - Parameter started: seconds after boot.
    @discardableResult
    package func process(
        _ pid: Int, _ name: String, cgroup: String, started: Double = 1000, state: String = "S", inside: [Int] = [],
        user: Int = 0, parent: Int = 1, flags: Int = 4_194_560
    ) throws -> HostTree {
        let ticks = Int(started * 100)
        let rest = "\(parent) 1 1 0 -1 \(flags) 0 0 0 0 0 0 0 0 20 0 1 0 \(ticks) 0 0 18446744073709551615"
        try scratch.write("\(pid) (\(name)) \(state) \(rest)\n", to: "proc/\(pid)/stat")
        let pids = ([pid] + inside).map(String.init).joined(separator: "\t")
        try scratch.write(
            "Name:\t\(name)\nPid:\t\(pid)\nUid:\t\(user)\t\(user)\t\(user)\t\(user)\nNSpid:\t\(pids)\n",
            to: "proc/\(pid)/status")
        try scratch.write(cgroup + "\n", to: "proc/\(pid)/cgroup")
        return self
    }

    /// Takes a process out of /proc, to come back when `later/PID` is moved to `proc/PID`.
    package func keepForLater(_ pid: Int) throws {
        let later = scratch.url.appending(path: "later")
        try FileManager.default.createDirectory(at: later, withIntermediateDirectories: true)
        try FileManager.default.moveItem(
            at: scratch.url.appending(path: "proc/\(pid)"), to: later.appending(path: String(pid)))
    }

    /// What the engine would answer if it ran these containers, by id and name.
    package static func answer(_ containers: [(id: String, name: String)], project: String? = nil) throws -> String {
        let labels = project.map { ["com.docker.compose.project": $0] } ?? [:]
        let listed = containers.map { container in
            [
                "Id": container.id, "Names": ["/\(container.name)"], "Image": "lab/trainer:1", "Labels": labels,
                "State": "running",
            ] as [String: Any]
        }
        return String(decoding: try JSONSerialization.data(withJSONObject: listed), as: UTF8.self)
    }

    /// A thread of a process, as a copied /proc has it: below the process alone.
    @discardableResult
    package func thread(_ thread: Int, of pid: Int) throws -> HostTree {
        try scratch.write("\(thread) (worker) S 1 1 1 0 -1 4194560\n", to: "proc/\(pid)/task/\(thread)/stat")
        return self
    }

    @discardableResult
    package func ramLimit(_ text: String, cgroup path: String) throws -> HostTree {
        try scratch.write(text + "\n", to: "sys/fs/cgroup\(path)")
        return self
    }

    @discardableResult
    package func container(_ id: String, _ name: String, _ image: String, labels: [String: String] = [:]) -> HostTree {
        containers.append([
            "Id": id, "Names": ["/\(name)"], "Image": image, "Labels": labels, "State": "running",
        ])
        return self
    }

    /// A key of the driver's description.
    package func describe(_ key: String, _ value: Any) { driver[key] = value }

    /// A card as the simulator's descriptions have it.
    func card(_ card: [String: Any]) { cards.append(card) }

    /// With NVIDIA's driver where it has cards of it.
    package func startAsIs() throws -> RunningHost { cards.isEmpty ? try startWithoutNVIDIA() : try start() }

    package var firstCard: [String: Any] { cards.first ?? [:] }

    /// - Parameter more: further keys of a card in the simulator's host description.
    @discardableResult
    package func card(
        _ name: String, uuid: String, total: Int, processes: [[String: Any]], _ more: [String: Any] = [:]
    ) -> HostTree {
        var card: [String: Any] = [
            "name": name, "uuid": uuid, "pci": String(format: "00000000:%02x:00.0", cards.count + 1), "totalMiB": total,
            "processes": processes,
        ]
        card.merge(more) { $1 }
        cards.append(card)
        return self
    }

    /// What the driver lists on a card, or on a MIG instance of it.
    @discardableResult
    package func list(_ processes: [[String: Any]], card: Int = 0, instance: Int? = nil) -> HostTree {
        if let instance, var instances = cards[card]["instances"] as? [[String: Any]] {
            instances[instance]["processes"] = processes
            cards[card]["instances"] = instances
        } else {
            cards[card]["processes"] = processes
        }
        return self
    }

    @discardableResult
    package func faults(_ faults: [String: Any], card: Int = 0) -> HostTree {
        cards[card]["faults"] = faults
        return self
    }

    /// A line of the driver's lists.
    package static func listed(_ pid: Int, _ mebibytes: Int?, _ types: [String] = ["compute"]) -> [String: Any] {
        var line: [String: Any] = ["pid": pid, "types": types]
        if let mebibytes { line["bytes"] = mebibytes << 20 }
        return line
    }

    /// Starts the driver and the engine of this host; they end with what is returned.
    ///
    /// - Parameter more: further keys of the simulator's host description.
    package func start(
        _ more: [String: Any] = [:], engine behaviour: StubEngine.Behaviour? = nil
    ) throws -> RunningHost {
        var description = driver
        description["devices"] = cards
        description.merge(more) { $1 }
        let json = try JSONSerialization.data(withJSONObject: description)
        try json.write(to: scratch.url.appending(path: "gpus.json"))
        return RunningHost(
            tree: self, driver: try SimulatedDriver(host: scratch.path("gpus.json"), in: scratch),
            engine: try startEngine(behaviour))
    }

    /// The same on a host that has no driver of NVIDIA's.
    package func startWithoutNVIDIA() throws -> RunningHost {
        RunningHost(tree: self, driver: nil, engine: try startEngine(nil))
    }

    private func startEngine(_ behaviour: StubEngine.Behaviour?) throws -> StubEngine {
        let answer = try JSONSerialization.data(withJSONObject: containers)
        return try StubEngine(
            scratch.path("docker.sock"), behaviour ?? .answer(String(decoding: answer, as: UTF8.self)))
    }
}

/// A made-up host whose driver and engine answer.
package final class RunningHost {
    package let tree: HostTree
    /// nil where there is no driver of NVIDIA's.
    package let simulated: SimulatedDriver?
    package let engine: StubEngine
    package var driver: SimulatedDriver { simulated! }

    init(tree: HostTree, driver: SimulatedDriver?, engine: StubEngine) {
        self.tree = tree
        simulated = driver
        self.engine = engine
    }

    package var environment: [String: String] {
        var environment = [
            "PLIMSOLL_PROCFS": tree.scratch.path("proc"), "PLIMSOLL_SYSFS": tree.scratch.path("sys"),
            "DOCKER_HOST": "unix://\(engine.path)",
        ]
        if FileManager.default.fileExists(atPath: tree.scratch.path("sys/class/drm")) {
            // The device files of this host, and never those of the machine that runs the tests.
            environment["LD_PRELOAD"] = Build.folder.appending(path: "libSimulatedDRM.so").path
            environment["GPUSIM_DRI"] = tree.scratch.path("dev/dri")
        }
        return (simulated?.environment ?? [:]).merging(environment) { $1 }
    }

    /// With device files in the place of this machine's /dev.
    package func environment(withDeviceFiles names: [String]) throws -> [String: String] {
        for name in names { try tree.scratch.write("", to: "dev/\(name)") }
        let devices = [
            "LD_PRELOAD": Build.folder.appending(path: "libSimulatedDRM.so").path,
            "GPUSIM_DEV": tree.scratch.path("dev"), "GPUSIM_DRI": tree.scratch.path("dev/dri"),
        ]
        return environment.merging(devices) { $1 }
    }

    package func plimsoll(_ arguments: [String], environment more: [String: String] = [:]) throws -> ProgramResult {
        try run(arguments, environment: environment.merging(more) { $1 })
    }

    /// The real program on this host.
    package func plimsoll(_ arguments: String..., environment more: [String: String] = [:]) throws -> ProgramResult {
        try run(arguments, environment: environment.merging(more) { $1 })
    }
}
