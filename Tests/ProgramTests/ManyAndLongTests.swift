import Foundation
import TestSupport
import Testing

private let id = HostTree.id(1)

/// What others make very long or very many of costs a moment, and no more.
struct ManyAndLongTests {
    @Test("Names of a megabyte are cut, and cost no time")
    func longNames() throws {
        let long = String(repeating: "n", count: 1_000_000)
        let host = try HostTree()
        try host.process(4242, long, cgroup: "0::/docker/\(id)")
        host.container(id, long, long, labels: ["team": long, long: "x"])
        host.container(long, "idle", "i")
        host.card("c", uuid: "GPU-1", total: 24564, processes: [HostTree.listed(4242, 1024)])
        let running = try host.start()
        let commands = [
            ["ledger"], ["--format", "json"], ["stats", "--no-stream", "-a", "--no-trunc"], ["ps"],
            ["stats", "--no-stream", "--format", #"{{.Name}}{{.Image}}{{.Label "team"}}"#], ["fit", "1TiB"],
            ["whose", "4242"], ["capture", "-"],
        ]
        for command in commands {
            for columns in ["80", ""] {
                let result = try running.plimsoll(command, environment: ["COLUMNS": columns])
                #expect(result.seconds < 3 + busyMachine, "\(command) took \(result.seconds) s")
                #expect(result.output.utf8.count + result.errors.utf8.count < 32_768, "\(command)")
            }
        }
        let name = try running.plimsoll("stats", "--no-stream", "--format", "{{.Name}}").output
        #expect(name == String(repeating: "n", count: 512) + "…\n")
        #expect(try running.plimsoll("--format", "json").document()["processes"][0]["name"].string?.utf8.count == 67)
    }

    @Test("A command line of a megabyte is cut, and fits the page")
    func longCommandLine() throws {
        let host = try HostTree()
        try host.process(4242, "python3", cgroup: "0::/")
        let words = String(repeating: "word ", count: 200_000)
        try host.scratch.write("python3\0\(words)\0", to: "proc/4242/cmdline")
        host.card("c", uuid: "GPU-1", total: 24564, processes: [HostTree.listed(4242, 1024)])
        let running = try host.start()
        for columns in ["80", ""] {
            let result = try running.plimsoll("ps", "--command", environment: ["COLUMNS": columns])
            #expect(result.seconds < 2 + busyMachine)
            #expect(result.output.utf8.count < 40_000)
        }
    }

    @Test("A recording of a megabyte's names costs no time")
    func longRecording() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let sample = Build.package.appending(path: "samples/workstation.json")
        let long = String(repeating: "n ", count: 1 << 19)
        let text = try String(contentsOf: sample, encoding: .utf8)
            .replacing(#""name" : "ollama""#, with: "\"name\" : \"\(long)\"")
            .replacing(#""image" : "ollama/ollama:0.12.6""#, with: "\"image\" : \"\(long)\"")
            .replacing(#/"host" : "[^"]*"/#, with: "\"host\" : \"\(long)\"")
        #expect(text.utf8.count > 3 << 20)
        try scratch.write(text, to: "r.json")
        for command in [["ledger"], ["--format", "json"], ["ps"], ["stats"], ["fit", "1TiB"]] {
            let result = try run(command + ["--replay", scratch.path("r.json")], environment: ["COLUMNS": "80"])
            #expect(result.code < 2)
            #expect(result.seconds < 3 + busyMachine, "\(command) took \(result.seconds) s")
            #expect(result.output.utf8.count < 32_768)
        }
    }

    @Test("A hundred thousand PIDs, as arguments and as text, are answered in a moment")
    func manyPIDs() throws {
        let host = try HostTree()
        try host.process(4242, "python3", cgroup: "0::/docker/\(id)")
        host.container(id, "trainer", "lab/trainer:1")
        host.card("c", uuid: "GPU-1", total: 24564, processes: [HostTree.listed(4242, 1024)])
        let running = try host.start()
        // As many as fit into the two megabytes that Linux has for arguments.
        let few = try running.plimsoll(["whose"] + (1...100_000).map(String.init))
        #expect(few.code == 1)
        #expect(few.seconds < 60 + busyMachine, "a second in a release build, alone: \(few.seconds) s")
        #expect(few.output.contains("trainer"))
        #expect(few.errors.split(separator: "\n").count == 99_999)
        #expect(few.errors.hasPrefix("plimsoll: PID 1 not found on this host or in any of its containers\n"))
        let text = (4_000_000..<4_145_000).map { "Process \($0) has 1 GiB" }.joined(separator: "\n") + "\nPID 4242"
        let many = try run(["whose"], environment: running.environment, input: text)
        #expect(many.code == 1)
        #expect(many.seconds < 60 + busyMachine, "a second in a release build, alone: \(many.seconds) s")
        #expect(many.output.contains("trainer"))
        #expect(many.errors.split(separator: "\n").count == 145_000)
    }

    @Test("PIDs keep their order, each is asked once, and options between them are options")
    func order() throws {
        let sample = Build.package.appending(path: "samples/workstation.json").path
        let result = try run(
            ["whose", "--timeout", "5", "4310", "4242", "4310", "--replay", sample, "4377", "--format", "{{.Asked}}"])
        #expect(result.output == "4310\n4242\n4377\n")
        #expect(try run(["whose", "4242", "x", "--replay", sample]).code == 64)
        #expect(try run(["whose", "4242", "99999999999", "--replay", sample]).code == 64)
    }

    @Test("Input that is too long is cut at a number's beginning, and that is told")
    func longInput() throws {
        let sample = Build.package.appending(path: "samples/workstation.json").path
        let line = "PID 4242\n" + String(repeating: ".", count: (8 << 20) - 9 - 4) + " 12345"
        let result = try run(["whose", "--replay", sample], input: line)
        #expect(result.errors == "plimsoll: standard input is longer than 8 MiB; the rest was not read\n")
        #expect(result.output.contains("ollama"))
    }

    @Test(
        "A library that lists more processes than any driver costs no more than its deadline",
        arguments: [65_536, 100_000, 4_294_967_295])
    func manyProcesses(_ count: Int) throws {
        let host = try HostTree()
        for uuid in ["GPU-1", "GPU-2"] { host.card("c", uuid: uuid, total: 24564, processes: []) }
        let running = try host.faults(["claims": count]).start()
        let result = try running.plimsoll("--format", "json", "--timeout", "10")
        #expect(result.code == 0)
        #expect(result.seconds < 10 + busyMachine)
        #expect(result.errors.contains("GPU 0: the driver lists \(count) processes; Plimsoll reads at most 16384"))
        let devices = try result.document()["devices"]
        #expect(devices[0]["ledger"]["goneBytes"].isNull)
        #expect(devices[0]["memory"]["totalBytes"].integer == 24564 << 20)
        #expect(devices[1]["ledger"]["complete"].bool == true)
    }

    @Test("Sixteen thousand processes are shown by every command")
    func sixteenThousand() throws {
        let host = try HostTree()
        host.card("c", uuid: "GPU-1", total: 24564, processes: [])
        let running = try host.faults(["claims": 16_000]).start()
        for command in [["ledger"], ["ps"], ["--format", "json"], ["stats", "--no-stream", "-a"], ["whose", "5"]] {
            let result = try running.plimsoll(command)
            #expect(result.code == 0)
            #expect(result.seconds < 6 + busyMachine, "\(command) took \(result.seconds) s")
        }
        #expect(try running.plimsoll("ps").output.split(separator: "\n").count > 16_000)
    }
}
