import Ledger
import Testing

@testable import Rendering

@Suite struct OverviewTests {
    private static let gib: Bytes = 1 << 30

    /// Eight GPUs: one container on four of them, one on a GPU with a process that is gone, one in an instance; two idle GPUs.
    private static var server: Snapshot {
        var observation = Observation(time: 0, host: "h", view: ProcessView())
        observation.devices = (0..<8).map { device(String($0), used: [70, 70, 70, 70, 40, 0, 0, 20][$0]) }
        observation.devices[7].isPartitioned = true
        observation.devices.append(device("7:0", used: 20, parent: "7"))
        for (gpu, pid) in [(0, 10), (1, 11), (2, 12), (3, 13)] { list(UInt32(pid), 69, on: gpu, &observation) }
        list(20, 30, on: 4, &observation)
        list(21, 9, on: 4, &observation)
        list(30, 19, on: 8, &observation)
        for pid in [10, 11, 12, 13] as [UInt32] { observation.processes.append(process(pid, container: "a")) }
        observation.processes.append(process(20, container: "b"))
        observation.processes.append(process(30, container: "c"))
        observation.engines = [
            ObservedEngine(
                runtime: .docker,
                containers: [("a", "train-llm"), ("b", "vllm"), ("c", "notebook")].map { seed, name in
                    EngineContainer(id: id(seed), name: name, image: "image", labels: [:])
                })
        ]
        return Snapshot(observation)
    }

    private static func id(_ seed: String) -> String { String(repeating: seed, count: 64) }

    private static func device(_ index: String, used: Int64, parent: String? = nil) -> ObservedDevice {
        ObservedDevice(
            index: index, uuid: "GPU-\(index)", name: "H100", parentIndex: parent, gpuInstance: parent == nil ? nil : 1,
            memory: .known(
                ObservedMemory(total: UInt64(80 * gib), used: UInt64(used * gib), free: UInt64((80 - used) * gib))),
            utilizationPercent: .known(5), compute: .read([]))
    }

    private static func list(_ pid: UInt32, _ gibibytes: UInt64, on device: Int, _ observation: inout Observation) {
        observation.devices[device].compute = .read(
            observation.devices[device].compute.processes + [ListedProcess(pid: pid, bytes: gibibytes << 30)])
    }

    private static func process(_ pid: UInt32, container: String) -> ObservedProcess {
        ObservedProcess(pid: pid, startTick: 1, cgroup: .known("0::/system.slice/docker-\(id(container)).scope"))
    }

    @Test("Eight GPUs fit a page, and a container over four of them has one row with its sum")
    func page() {
        let lines = OverviewScreen(Self.server, warn: 0.9).lines(on: Page(width: 100))
        #expect(lines.count < 40)
        #expect(lines.allSatisfy { columns($0) <= 100 })
        let row = lines.first { $0.hasPrefix("train-llm") }
        #expect(row?.contains("69GiB") == true)
        #expect(row?.hasSuffix("276GiB") == true)
        #expect(lines.contains { $0.contains("GPU 0-3 each") })
        #expect(lines.contains { $0.contains("GPU 5,6 each") })
        #expect(lines.contains { $0.contains("plimsoll ledger 0 7:0") })
    }

    @Test("Every column adds up to the used memory, and the sums add up both ways")
    func sums() throws {
        let matrix = OverviewMatrix(Self.server, limit: 20)
        for gpu in matrix.gpus.indices {
            #expect(OverviewMatrix.Amount.sum(matrix.rows.map { $0.amounts[gpu] }) == matrix.used[gpu])
        }
        #expect(
            OverviewMatrix.Amount.sum(matrix.rows.map(\.sum)) == OverviewMatrix.Amount.sum(matrix.used))
        #expect(matrix.rows.contains { $0.name.text == "(gone)" && $0.sum.bytes == 9 * Self.gib })
    }

    @Test("Many small containers share a row, and the columns still add up")
    func many() {
        let all = OverviewMatrix(Self.server, limit: 20)
        let few = OverviewMatrix(Self.server, limit: 4)
        #expect(few.rows.count < all.rows.count)
        #expect(few.rows.contains { $0.name.text == "2 more containers" })
        for gpu in few.gpus.indices {
            #expect(OverviewMatrix.Amount.sum(few.rows.map { $0.amounts[gpu] }) == few.used[gpu])
        }
    }

    @Test("A narrow page has blocks of GPUs, and the sums in the last")
    func narrow() {
        for width in [40, 60, 80] {
            let lines = OverviewScreen(Self.server, warn: 0.9).lines(on: Page(width: width))
            #expect(lines.allSatisfy { columns($0) <= width })
            #expect(lines.filter { $0.hasSuffix("SUM") }.count == 1)
        }
    }

    @Test("An unknown part makes a sum a lower limit, never a zero")
    func unknown() {
        typealias Amount = OverviewMatrix.Amount
        #expect((Amount(bytes: 5) + .unknown).cell.text == "5B+")
        #expect((Amount.unknown + .unknown).cell.text == "--")
        #expect(Amount(bytes: 0, complete: false).cell.text == "--")
        #expect(Amount().cell.text == "")
    }

    @Test(
        "Runs of GPUs are shortened",
        arguments: [
            (["0", "1", "2"], "0-2"), (["0", "1"], "0,1"), (["0", "2"], "0,2"), (["0", "1", "2", "5"], "0-2,5"),
            (["amd:0", "nvidia:0"], "amd:0,nvidia:0"), ([], ""),
        ])
    func runs(_ labels: [String], _ expected: String) {
        #expect(ranges(labels) == expected)
    }

    @Test("One row per container, each device counted once, and a total over all GPUs")
    func byContainer() throws {
        let stats = StatsRows(Self.server, truncates: true)
        let rows = stats.rowsByContainer(named: [], idle: false)
        let train = try #require(rows.first { $0["Name"]?.text == "train-llm" })
        #expect(train["GPU"]?.text == "0-3")
        #expect(train["GPUMem"]?.text == "276GiB")
        #expect(train["GPUTotal"]?.text == "320GiB")
        #expect(train["PIDs"]?.text == "4")
        #expect(stats.totalRow["GPUMem"]?.text == "325GiB")
        #expect(stats.totalRow["GPUTotal"]?.text == "640GiB")
    }
}
