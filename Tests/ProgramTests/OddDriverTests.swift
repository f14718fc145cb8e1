import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20

/// The hosts whose driver does what it should not, asked by nvidia-ml-py: each is as its description says.
@Suite(.enabled(if: OtherMonitors.isEnabled, OtherMonitors.whatIsMissing))
struct OddDriverTests {
    private func peopled(_ name: String) throws -> HostTree {
        try HostTree(simulating: name).list([HostTree.listed(4242, 1024)])
    }

    private func ask(_ host: HostTree) throws -> JSONDocument {
        let running = try host.start()
        return try OtherMonitors.nvml(on: running.driver)["devices"][0]
    }

    @Test("Third lists that fail are exported, and the second ones work")
    func thirdLists() throws {
        let device = try ask(peopled("third-lists-fail"))
        #expect(device["lists"]["compute"]["v3"].string == "error 13")
        #expect(device["lists"]["compute"]["v2"][0]["pid"].integer == 4242)
        #expect(device["lists"]["graphics"]["v3"].string == "error 13")
        #expect(device["lists"]["graphics"]["v2"].elements.isEmpty)
    }

    @Test("An MPS list can be NOT_SUPPORTED in every version, beside others that work")
    func noMPSList() throws {
        let device = try ask(peopled("no-mps-list"))
        for version in ["v1", "v2", "v3"] {
            #expect(device["lists"]["mps"][version].string == "error 3")
            #expect(device["lists"]["compute"][version][0]["bytes"].integer == 1024 * mebibyte)
        }
    }

    @Test("A library without lists has everything else")
    func noLists() throws {
        let device = try ask(peopled("no-lists"))
        for list in ["compute", "graphics", "mps"] {
            for version in ["v1", "v2", "v3"] { #expect(device["lists"][list][version].string == "error 13") }
        }
        #expect(device["memory"]["total"].integer == 40960 * mebibyte)
        #expect(device["memory"]["used"].integer == (1024 + 469) * mebibyte)
        #expect(device["name"].string == "NVIDIA A100-SXM4-40GB")
    }

    @Test(
        "Amounts are told as they are described, also where they contradict each other",
        arguments: [
            ("amounts-contradict", [40960, 39000, 20000, 469]), ("nothing-used-nothing-free", [40960, 0, 0, 0]),
        ])
    func amounts(_ name: String, _ amounts: [Int64]) throws {
        let memory = try ask(peopled(name))["memory2"]
        let told = ["total", "used", "free", "reserved"].map { memory[$0].integer }
        #expect(told == amounts.map { $0 * mebibyte })
    }

    @Test("PIDs that no process can have are listed as described")
    func oddPIDs() throws {
        let host = try HostTree(simulating: "odd-pids").start()
        let device = try OtherMonitors.nvml(on: host.driver)["devices"][0]
        #expect(device["lists"]["compute"]["v3"].elements.map { $0["pid"].integer } == [0, 4_294_967_295])
    }

    @Test("SUCCESS to the question for a length: nvidia-ml-py takes the list for empty, ledger reads it")
    func countSucceeds() throws {
        let host = try peopled("count-succeeds").start()
        let device = try OtherMonitors.nvml(on: host.driver)["devices"][0]
        #expect(device["lists"]["compute"]["v3"].elements.isEmpty)
        #expect(device["lists"]["compute"]["v1"][0]["pid"].integer == 4242)
        let ledger = try host.plimsoll("ledger", "--format", "json").document()
        #expect(ledger["processes"][0]["bytes"].integer == 1024 * mebibyte)
    }

    @Test("A library that ignores the count takes down the process that gives a null pointer")
    func countIgnored() throws {
        let host = try peopled("count-ignored").start()
        #expect(try OtherMonitors.python([OtherMonitors.script("nvml")], on: host.driver).code == 128 + SIGSEGV)
    }

    @Test("Before nvmlInit and after the last nvmlShutdown every call answers UNINITIALIZED")
    func uninitialized() throws {
        let host = try peopled("two-cards").start()
        let library = "\(host.driver.libraries)/libnvidia-ml.so.1"
        let told = try OtherMonitors.python([OtherMonitors.script("uninitialized"), library], on: host.driver)
            .document()
        for time in ["before", "after"] {
            let codes = told[time].members
            #expect(codes.count > 50)
            #expect(codes.filter { $0.value.integer != 1 }.isEmpty, "\(time)")
        }
        #expect(told["started"].elements.map(\.integer) == [0, 0, 0])
        #expect(told["during"].elements.map(\.integer) == [0, 0, 0])
    }
}

/// A card that comes and goes, asked by our own program.
struct LostForAWhileTests {
    /// Whether each card's memory is told.
    private func readable(_ host: RunningHost) throws -> [Bool] {
        let devices = try host.plimsoll("ledger", "--format", "json").document()["devices"].elements
        for device in devices where device["memory"]["totalBytes"].isNull {
            #expect(device["memory"]["unavailable"].string?.contains("GPU_IS_LOST") == true)
        }
        return devices.map { !$0["memory"]["totalBytes"].isNull }
    }

    @Test("A card is lost from one call on and well again from another, and the card beside it is not touched")
    func byCalls() throws {
        let host = try HostTree(simulating: "lost-and-healed").start()
        var states: [Bool] = []
        while states.count < 60, states.suffix(2) != [false, true] {
            let cards = try readable(host)
            #expect(cards.count == 2 && cards[0])
            states.append(cards[1])
        }
        #expect(states.first == true)
        #expect(states.suffix(2) == [false, true])
    }

    @Test("A card is lost while a file is there")
    func byFile() throws {
        let host = try HostTree()
        let file = host.scratch.path("lost")
        host.card("c", uuid: "GPU-1", total: 100, processes: [], ["faults": ["lostWhile": file]])
            .card("d", uuid: "GPU-2", total: 100, processes: [HostTree.listed(4242, 10)])
        let running = try host.start()
        #expect(try readable(running) == [true, true])
        try host.scratch.write("", to: "lost")
        #expect(try readable(running) == [false, true])
        try FileManager.default.removeItem(atPath: file)
        #expect(try readable(running) == [true, true])
    }

    @Test("Lost between two calls of one reading: the card is told as lost", arguments: 2...8)
    func between(_ call: Int) throws {
        let host = try HostTree()
        host.card("c", uuid: "GPU-1", total: 100, processes: [], ["faults": ["lostFromCall": call]])
            .card("d", uuid: "GPU-2", total: 100, processes: [])
        #expect(try readable(host.start()) == [false, true])
    }
}
