import Foundation
import TestSupport
import Testing

private let workstation = ["--replay", Build.package.appending(path: "samples/workstation.json").path]

struct FitTests {
    @Test(
        "Sizes mean what they say, to the byte",
        arguments: [
            ("4401MiB", 0), ("4614782976", 0), ("4614782977", 1), ("4.614782976GB", 0), ("4.7GB", 1), ("4.3 GiB", 1),
            ("4gib", 0), ("0.5", 0), ("1TB", 1),
        ] as [(String, Int32)])
    func sizes(_ size: String, _ code: Int32) throws {
        #expect(try run(["fit", size] + workstation).code == code)
    }

    @Test("The devices that have room are the answer, the roomiest first")
    func answer() throws {
        let both = try run(["fit", "1GiB", "--format", "{{.GPU}} {{.Free}}"] + workstation)
        #expect(both.output == "0 4.298GiB\n1 1.159GiB\n")
        #expect(both.errors == "")
        #expect(try run(["fit", "2GiB", "--format", "{{.UUID}}"] + workstation).output.hasPrefix("GPU-5d1f0c7e"))
        #expect(try run(["fit", "1GiB", "--device", "1", "--format", "{{.GPU}}"] + workstation).output == "1\n")
        #expect(try run(["fit", "1GiB", "--device", "GPU-a3c", "--format", "{{.GPU}}"] + workstation).output == "1\n")
    }

    @Test("No says on standard error how much is free where, and who holds the most; standard output stays empty")
    func no() throws {
        let result = try run(["fit", "8GiB"] + workstation)
        #expect(result.code == 1)
        #expect(result.output == "")
        #expect(
            result.errors == """
                plimsoll: 8GiB does not fit:
                  GPU 0 has 4.298GiB free; the largest holder is ollama with 12.58GiB
                  GPU 1 has 1.159GiB free; the largest holder is jupyter with 5.871GiB

                """)
        let other = try run(["fit", "1GiB", "--device", "7"] + workstation)
        #expect(other.code == 1)
        #expect(other.errors.contains("no GPU 7; choose 0 or 1"))
    }

    @Test("Whoever holds the most goes by the whole name that LXC gives")
    func lxc() throws {
        let host = try HostTree()
        try host.process(4242, "python3", cgroup: "0::/lxc.payload.training-node-one")
        host.card("NVIDIA T4", uuid: "GPU-1", total: 1000, processes: [HostTree.listed(4242, 500)])
        #expect(
            try host.start().plimsoll("fit", "900MiB").errors.contains(
                "the largest holder is training-node-one with 500MiB"))
    }

    @Test("A divided GPU has room in its instances, where one shares another's memory that is the other's")
    func instances() throws {
        let host = try HostTree(simulating: "a100-mig").start()
        #expect(try host.plimsoll("fit", "1GiB", "--format", "{{.GPU}}").output == "0:0\n0:1\n0:2\n")
        #expect(try host.plimsoll("fit", "30GiB").code == 1)
    }

    @Test("A GPU that is divided into nothing has room for nobody")
    func dividedIntoNothing() throws {
        let host = try HostTree().card("A100", uuid: "GPU-1", total: 40960, processes: [], ["instances": []]).start()
        let result = try host.plimsoll("fit", "8GiB")
        #expect(result.code == 1)
        #expect(result.errors.contains("every GPU is partitioned (MIG) but has no instances"))
        #expect(try host.plimsoll("fit", "8GiB", "--device", "0").code == 1)
    }

    @Test("What is not known is not room: exit code 2, unless another device has it")
    func notKnown() throws {
        let lost = try HostTree(simulating: "lost-gpu").start()
        #expect(try lost.plimsoll("fit", "1GiB").code == 0)
        let asked = try lost.plimsoll("fit", "1GiB", "--device", "1")
        #expect(asked.code == 2)
        #expect(asked.errors.contains("free memory of GPU 1 is unknown"))
    }
}

@Suite(.serialized) struct WaitTests {
    private func host() throws -> RunningHost {
        try HostTree().card("c", uuid: "GPU-1", total: 4096, processes: []).start()
    }

    @Test("Where there is room it takes two readings, a second apart")
    func atOnce() throws {
        let result = try host().plimsoll("wait", "1GiB", "--format", "{{.GPU}}")
        #expect(result.code == 0)
        #expect(result.output == "0\n")
        #expect(result.seconds >= 1)
        #expect(result.errors.contains("GPU 0 has 4GiB free; confirming with a second reading"))
    }

    @Test("It waits until a holder ends, and tells what it waits for")
    func untilEnd() throws {
        let host = try host()
        let holding = try Holding(["0:3GiB"], driver: host.driver)
        let (output, errors) = (Pipe(), Pipe())
        let process = try launch(
            ["wait", "2GiB", "--format", "{{.GPU}}", "--procfs", "/proc"], environment: host.environment,
            output: output, errors: errors)
        let told = Reader(errors.fileHandleForReading.fileDescriptor).read { $0.contains("\n") }
        #expect(
            told.contains(
                "waiting without a time limit (set one with --for): 2GiB does not fit: GPU 0 has 1GiB free; the largest holder is gpusim-hold with 3GiB"
            ))
        usleep(1_200_000)
        #expect(process.isRunning)
        holding.end()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(output.fileHandleForReading.availableData == Data("0\n".utf8))
    }

    @Test("What no device here can ever have is not waited for", arguments: [["80GiB"], ["1GiB", "--device", "7"]])
    func hopeless(_ arguments: [String]) throws {
        let host = try host()
        let result = try run(["wait"] + arguments, environment: host.environment)
        #expect(result.code == 1)
        #expect(result.seconds < 3 + busyMachine)
        #expect(result.errors.contains("can never fit") || result.errors.contains("no GPU 7"))
    }

    @Test("A driver that fails meanwhile is told as that, and not as a lack of room")
    func driverFails() throws {
        let host = try HostTree().card("c", uuid: "GPU-1", total: 4096, processes: [], ["faults": ["crashes": 2]])
            .start()
        let result = try host.plimsoll("wait", "1GiB", "--for", "2")
        #expect(result.code == 2)
        #expect(result.errors.contains("the driver's library crashed"))
        #expect(!result.errors.contains("does not fit"))
    }

    @Test("It gives up when it was told to, with exit code 1 and the reason")
    func givesUp() throws {
        let host = try host()
        let holding = try Holding(["0:3GiB"], driver: host.driver)
        defer { holding.end() }
        let result = try host.plimsoll("wait", "2GiB", "--for", "2")
        #expect(result.code == 1)
        #expect(result.output == "")
        #expect(result.errors.contains("gave up after 2 s"))
        #expect((2..<(5 + busyMachine)).contains(result.seconds))
    }

    @Test("A driver that hangs does not make it wait longer than it was told to")
    func hangs() throws {
        let host = try host()
        host.driver.sleep()
        defer { host.driver.wake() }
        let result = try host.plimsoll("wait", "2GiB", "--for", "1")
        #expect(result.code == 2)
        #expect(result.seconds < 3 + busyMachine)
    }

    @Test("On a terminal the line is written over, and Ctrl-C ends it with 130 below it")
    func terminal() throws {
        let host = try host()
        let holding = try Holding(["0:3GiB"], driver: host.driver)
        defer { holding.end() }
        let terminal = try PseudoTerminal(columns: 60, rows: 10)
        let process = try launch(
            ["wait", "2GiB"], environment: host.environment.merging(["LANG": "C.UTF-8", "TERM": "xterm"]) { $1 },
            input: terminal.slave, output: FileHandle.nullDevice, errors: terminal.slave)
        let shown = terminal.reader.read { $0.components(separatedBy: "\r\u{1B}[K").count > 2 }
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        #expect(shown.contains("waiting 1 s, no time limit: 2GiB does not fit"))
        #expect(!shown.contains("\n"))
        for line in shown.components(separatedBy: "\r\u{1B}[K") { #expect(line.count < 60) }
        #expect(terminal.reader.rest().hasSuffix("\r\n"))
    }
}
