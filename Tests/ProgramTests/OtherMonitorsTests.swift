import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20

/// A process of a device, as one monitor tells it.
private struct Line: Hashable {
    var device: String?
    var pid: Int64?
    var bytes: Int64?
    var types: Set<String>
}

@Suite(.enabled(if: OtherMonitors.isEnabled, OtherMonitors.whatIsMissing))
struct NVIDIAMLPyTests {
    /// Not rtx3090-r535: nvidia-ml-py reads its records of 32 bytes as 24.
    static let hosts = ["two-cards", "v100-r440", "t4-r470", "a10-r525", "l4-r535", "h100-r570", "a100-mig"]

    private func host(_ name: String) throws -> HostTree {
        let host = try HostTree(simulating: name)
        guard name != "a100-mig" else {
            func line(_ pid: Int, _ size: Int, _ gpu: Int, _ compute: Int) -> [String: Any] {
                HostTree.listed(pid, size).merging(["gpuInstance": gpu, "computeInstance": compute]) { $1 }
            }
            return host.list([line(4242, 8192, 1, 0)], instance: 0)
                .list([line(4300, 4096, 2, 0), line(4400, 2048, 2, 1)], instance: 1)
                .list([line(4300, 4096, 2, 0), line(4400, 2048, 2, 1)], instance: 2)
        }
        return host.list([
            HostTree.listed(4242, 1024), HostTree.listed(4243, 512, ["compute", "graphics"]),
            HostTree.listed(1212, 96, ["graphics"]), HostTree.listed(900, 29, ["mps"]),
        ])
    }

    @Test("nvidia-ml-py and ledger tell the same numbers of every device", arguments: hosts)
    func devices(_ name: String) throws {
        let host = try host(name).start()
        let theirs = try OtherMonitors.nvml(on: host.driver)
        let ours = try host.plimsoll("ledger", "--format", "json").document()
        let driver = try host.plimsoll("check", "--format", "json").document()["driver"]
        #expect(theirs["driver"].string == driver["version"].string)
        let cuda = try #require(theirs["cuda"].integer)
        #expect("\(cuda / 1000).\(cuda % 1000 / 10)" == driver["cuda"].string)
        #expect(theirs["devices"].elements.count == ours["devices"].elements.count)
        for (their, our) in zip(theirs["devices"].elements, ours["devices"].elements) {
            identity(their, our)
            // Of two compute instances on the memory of one GPU instance, ledger tells it with the first.
            let shared = our["memory"]["sharedWith"].string
            let holder = ours["devices"].elements.first { shared != nil && $0["uuid"].string == shared }
            memory(their, (holder ?? our)["memory"])
            if their["isInstance"].integer == 1 {
                #expect(our["utilizationPercent"].isNull && their["utilization"].string == "error 3")
            } else {
                #expect(their["utilization"]["gpu"].integer == our["utilizationPercent"].integer)
            }
        }
    }

    private func identity(_ their: JSONDocument, _ our: JSONDocument) {
        #expect(their["uuid"].string == our["uuid"].string)
        #expect(their["name"].string == our["name"].string)
        #expect(their["parent"].string == our["parent"].string)
        #expect(their["sameByUUID"].bool == true)
        // The library writes the domain with eight digits, we with four, as its older field has it.
        #expect(their["pci"]["busId"].string.map { String($0.dropFirst(4)).lowercased() } == our["pci"].string)
        #expect(their["pci"]["busIdLegacy"].string?.lowercased() == our["pci"].string)
        let index = our["index"].string?.split(separator: ":").last.flatMap { Int64($0) }
        #expect(their["index"].integer == index)
        if their["isInstance"].integer == 1 {
            #expect(our["parent"].string != nil && their["minor"].string == "error 3")
        } else {
            #expect(our["parent"].isNull)
            #expect(their["minor"].integer == index)
        }
    }

    private func memory(_ their: JSONDocument, _ our: JSONDocument) {
        let (first, second) = (their["memory"], their["memory2"])
        #expect(first["total"].integer == our["totalBytes"].integer)
        #expect(first["free"].integer == our["freeBytes"].integer)
        let used = (our["usedBytes"].integer ?? 0) + (our["reservedBytes"].integer ?? 0)
        #expect(first["used"].integer == used)
        if our["reservedBytes"].isNull {
            #expect(second.string == "error 13")
        } else {
            #expect(second["total"].integer == our["totalBytes"].integer)
            #expect(second["reserved"].integer == our["reservedBytes"].integer)
            #expect(second["free"].integer == our["freeBytes"].integer)
            #expect(second["used"].integer == our["usedBytes"].integer)
        }
    }

    @Test("nvidia-ml-py and ledger tell the same processes, in every version of the lists", arguments: hosts)
    func processes(_ name: String) throws {
        let host = try host(name).start()
        let theirs = try OtherMonitors.nvml(on: host.driver)
        let ours = try host.plimsoll("ledger", "--format", "json").document()["processes"].elements.map {
            Line(
                device: $0["device"].string, pid: $0["pid"].integer, bytes: $0["bytes"].integer,
                types: Set($0["types"].elements.compactMap(\.string)))
        }
        #expect(!ours.isEmpty)
        let first = theirs["devices"][0]["lists"]["compute"]
        let versions = ["v1", "v2", "v3"].filter { first[$0].string == nil }
        let newest = ["v100-r440": 1, "t4-r470": 2][name] ?? 3
        #expect(versions == Array(["v1", "v2", "v3"].prefix(newest)))
        // The first version does not tell the instance, by which a process of a divided GPU is found.
        for version in versions where name != "a100-mig" || version != "v1" {
            #expect(lines(theirs, version) == Set(ours), "\(version)")
        }
    }

    /// All processes of the three lists of every device; of a MIG instance those that are in it.
    private func lines(_ document: JSONDocument, _ version: String) -> Set<Line> {
        var lines: [[String]: Line] = [:]
        for device in document["devices"].elements {
            for type in ["compute", "graphics", "mps"] {
                for process in device["lists"][type][version].elements {
                    guard
                        device["isInstance"].integer != 1
                            || process["computeInstance"].integer == device["computeInstance"].integer
                    else { continue }
                    let (uuid, pid) = (device["uuid"].string, process["pid"].integer)
                    let key = [uuid ?? "", "\(pid ?? 0)"]
                    let line = Line(device: uuid, pid: pid, bytes: process["bytes"].integer, types: [])
                    lines[key, default: line].types.insert(type)
                }
            }
        }
        return Set(lines.values)
    }

    @Test("A divided GPU tells its mode and its instances, another that it cannot be divided")
    func mig() throws {
        let (divisible, plain) = (try host("a100-mig").start(), try host("h100-r570").start())
        let divided = try OtherMonitors.nvml(on: divisible.driver)["devices"].elements
        #expect(divided.count == 4)
        #expect(divided[0]["migMode"].elements.map(\.integer) == [1, 1])
        #expect(divided[0]["isInstance"].integer == 0)
        #expect(divided[0]["gpuInstance"].string == "error 3")
        #expect(divided.dropFirst().map { $0["gpuInstance"].integer } == [1, 2, 2])
        #expect(divided.dropFirst().map { $0["computeInstance"].integer } == [0, 0, 1])
        #expect(divided.dropFirst().allSatisfy { $0["parent"].string == divided[0]["uuid"].string })
        let whole = try OtherMonitors.nvml(on: plain.driver)["devices"][0]
        #expect(whole["migMode"].string == "error 3")
        #expect(whole["isInstance"].integer == 0)
    }
}

/// Real processes with simulated memory, because these monitors look them up in /proc.
@Suite(.enabled(if: OtherMonitors.isEnabled, OtherMonitors.whatIsMissing))
struct ForeignScreenTests {
    /// - Returns: what a monitor printed, the ledger of the same moment, and the processes that held memory.
    private func show(_ arguments: [String]) throws -> (output: String, ledger: JSONDocument) {
        let host = try HostTree(simulating: "two-cards").start()
        let both = try Holding(["0:1GiB", "1:1GiB"], driver: host.driver)
        let one = try Holding(["0:2GiB"], driver: host.driver)
        defer {
            both.end()
            one.end()
        }
        let result = try OtherMonitors.python(arguments, on: host.driver)
        #expect(result.code == 0)
        #expect(result.errors == "")
        let ledger = try host.plimsoll("ledger", "--format", "json").document()
        #expect(ledger["processes"].elements.count == 3)
        return (result.output, ledger)
    }

    @Test("gpustat tells the cards, the memory and the processes that ledger tells")
    func gpustat() throws {
        let (output, ledger) = try show(["-m", "gpustat", "--json"])
        let theirs = try JSONDocument(output)
        #expect(theirs["driver_version"].string == "550.144.03")
        #expect(theirs["gpus"].elements.count == 2)
        var lines: Set<Line> = []
        for (gpu, device) in zip(theirs["gpus"].elements, ledger["devices"].elements) {
            #expect(gpu["index"].integer.map { "\($0)" } == device["index"].string)
            #expect(gpu["uuid"].string == device["uuid"].string)
            #expect(gpu["name"].string == device["name"].string)
            #expect(gpu["utilization.gpu"].integer == device["utilizationPercent"].integer)
            #expect(gpu["memory.used"].integer.map { $0 * mebibyte } == device["memory"]["usedBytes"].integer)
            #expect(gpu["memory.total"].integer.map { $0 * mebibyte } == device["memory"]["totalBytes"].integer)
            for process in gpu["processes"].elements {
                #expect(process["command"].string == "gpusim-hold")
                lines.insert(
                    Line(
                        device: gpu["uuid"].string, pid: process["pid"].integer,
                        bytes: process["gpu_memory_usage"].integer.map { $0 * mebibyte }, types: ["compute"]))
            }
        }
        let ours = ledger["processes"].elements.map {
            Line(
                device: $0["device"].string, pid: $0["pid"].integer, bytes: $0["bytes"].integer, types: ["compute"])
        }
        #expect(lines == Set(ours))
    }

    @Test("nvitop shows the cards, the memory and the processes that ledger tells")
    func nvitop() throws {
        let (output, ledger) = try show(["-m", "nvitop", "-1"])
        #expect(output.contains("Driver Version: 550.144.03"))
        #expect(output.contains("CUDA Driver Version: 12.4"))
        let rows = output.split(separator: "\n").map(String.init)
        for device in ledger["devices"].elements {
            let name = try #require(device["name"].string).replacing("NVIDIA ", with: "")
            let used = try #require(device["memory"]["usedBytes"].integer)
            #expect(rows.contains { $0.contains("   \(device["index"].string ?? "")  \(name) ") }, "\(output)")
            #expect(rows.contains { $0.contains(" \(used / mebibyte)MiB / ") }, "\(output)")
            #expect(rows.contains { $0.contains("0000\(device["pci"].string ?? "")".uppercased()) }, "\(output)")
        }
        for process in ledger["processes"].elements {
            let card = ledger["devices"].elements.first { $0["uuid"].string == process["device"].string }
            let index = try #require(card?["index"].string)
            let (pid, bytes) = (try #require(process["pid"].integer), try #require(process["bytes"].integer))
            let row = try Regex("│ +\(index) +\(pid) C +[^ ]+ +\(bytes / mebibyte)MiB ")
            #expect(rows.contains { $0.contains(row) }, "\(output)")
        }
    }

    @Test("nvitop shows a divided GPU's instances, and a GPU that is lost")
    func partsAndLoss() throws {
        let divided = try HostTree(simulating: "a100-mig").start()
        let holding = try Holding(["0:1GiB"], driver: divided.driver)
        defer { holding.end() }
        let screen = try OtherMonitors.python(["-m", "nvitop", "-1"], on: divided.driver).output
        for text in ["GI/CI: 1/0", "GI/CI: 2/0", "GI/CI: 2/1", " 0:0 ", " \(holding.pid) C", "1024MiB / 19968MiB"] {
            #expect(screen.contains(text), "\(text): \(screen)")
        }
        let lost = try HostTree(simulating: "lost-gpu").start()
        #expect(try OtherMonitors.python(["-m", "nvitop", "-1"], on: lost.driver).output.contains("GPU is Lost"))
        let told = try OtherMonitors.python(["-m", "gpustat", "--json"], on: lost.driver).document()
        #expect(told["gpus"][1]["name"].string == "((GPU is lost))")
    }
}
