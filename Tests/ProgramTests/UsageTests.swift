import Foundation
import TestSupport
import Testing

private let workstation = Build.package.appending(path: "samples/workstation.json").path

struct UsageTests {
    @Test(
        "Wrong usage is told, with exit code 64 and nothing on standard output",
        arguments: [
            ["bogus"], ["ledger", "--bogus"], ["ledger", "--format", "xml"], ["ledger", "--fail-above", "0"],
            ["ledger", "--warn", "101%"], ["stats", "--interval", "0"], ["stats", "--format", "{{.Bogus}}"],
            ["whose", "abc"], ["capture"], ["--timeout", "-1"], ["ps", "--format", "{{if}}"], ["whose"],
            ["fit"], ["fit", "0"], ["fit", "8q"], ["fit", "GiB"], ["fit", "1e99"], ["fit", "8GiB", "12GiB"],
            ["fit", "--", "-1"], ["fit", "999TiB"], ["wait", "8GiB", "--for", "0"], ["fit", "1.2.3GiB"],
            ["check", "--require", "0"], ["check", "--require-memory", "16Q"], ["check", "--replay", "x"],
            ["alloc"], ["alloc", "0"], ["alloc", "--", "-1"], ["alloc", "1e99"], ["alloc", "0x5"], ["alloc", "4x"],
            ["alloc", "4294967296x4294967296x2"], ["alloc", "1000x1000", "--dtype", "float31"],
            ["alloc", "8GiB", "--dtype", "float32"], ["alloc", "8GiB", "--max"], ["alloc", "--max", "--count", "2"],
            ["alloc", "1GiB", "--hold", "soon"], ["alloc", "1GiB", "--count", "0"],
        ])
    func wrong(_ arguments: [String]) throws {
        let result = try run(arguments)
        #expect(result.code == 64)
        #expect(result.output == "")
        #expect(result.errors != "")
    }

    @Test(
        "Help and version go to standard output",
        arguments: [["--help"], ["stats", "--help"], ["--version"], ["help", "ps"], ["run", "--help"]])
    func help(_ arguments: [String]) throws {
        let result = try run(arguments)
        #expect(result.code == 0)
        #expect(result.output != "")
        #expect(result.errors == "")
    }

    @Test(
        "A gate on what is in use: exit code 1 where a device is above",
        arguments: [("80%", 1), ("88.33%", 1), ("88.34%", 0), ("90", 0), ("100%", 0)] as [(String, Int32)])
    func failAbove(_ share: String, _ code: Int32) throws {
        let result = try run(["ledger", "--fail-above", share, "--replay", workstation])
        #expect(result.code == code)
        #expect(result.errors.contains("above") == (code == 1))
    }

    @Test(
        "A file that is not a recording is told as what it is",
        arguments: [
            ("", "is not a complete plimsoll recording"), ("{}", "is not a complete plimsoll recording"),
            ("[1]", "is not a complete plimsoll recording"),
            (#"{"plimsollRecording": 99}"#, "format 99"), (#"{"plimsollRecording": 1, "program": "x"}"#, "cut short"),
        ])
    func recordings(_ content: String, _ expected: String) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        try scratch.write(content, to: "r.json")
        let result = try run(["--replay", scratch.path("r.json")])
        #expect(result.code == 2)
        #expect(result.errors.contains(expected))
        #expect(try run(["--replay", "/nowhere.json"]).errors.contains("No such file"))
    }

    @Test(
        "A width that no screen has is not believed", arguments: ["9223372036854775807", "100000000", "0", "-1", "x"])
    func absurdWidth(_ columns: String) throws {
        let plain = try run(["--replay", workstation]).output
        #expect(try run(["--replay", workstation], environment: ["COLUMNS": columns]).output == plain)
    }

    @Test("The limit of a gate is told as it was typed")
    func limitAsTyped() throws {
        #expect(try run(["ledger", "--fail-above", "7%", "--replay", workstation]).errors.contains("above 7%\n"))
    }

    @Test("A capture through a link writes what it leads to, and a recording comes through a pipe")
    func linksAndPipes() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        try scratch.write("old", to: "target.json")
        let link = scratch.path("link.json")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: scratch.path("target.json"))
        #expect(try run(["capture", link, "--replay", workstation]).code == 0)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == scratch.path("target.json"))
        #expect(try String(contentsOfFile: scratch.path("target.json"), encoding: .utf8).contains("plimsollRecording"))
        let script =
            "\(Build.plimsoll) capture /dev/stdout --replay \(workstation) | \(Build.plimsoll) --replay /dev/stdin"
        #expect(try run(program: "/bin/sh", ["-c", script]).output == run(["--replay", workstation]).output)
    }

    @Test("A capture is whole or not at all, and a full disk is told")
    func capture() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let full = try run(["capture", "/dev/full", "--replay", workstation])
        #expect(full.code == 2)
        #expect(full.errors.contains("No space left"))
        #expect(try run(["capture", "/nowhere/x.json", "--replay", workstation]).code == 2)
        let again = try run(["capture", scratch.path("again.json"), "--replay", workstation])
        #expect(again.code == 0)
        #expect(
            try run(["--format", "json", "--replay", scratch.path("again.json")]).output
                == run(["--format", "json", "--replay", workstation]).output)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["again.json"])
    }

    @Test("A recording holds no command line, no environment and no secret label")
    func nothingPrivate() throws {
        let text = try String(contentsOfFile: workstation, encoding: .utf8)
        for word in ["basicauth", "cmdline", "environ", "secret"] { #expect(!text.contains(word)) }
        let asked = try run(["--replay", workstation, "ps", "--command"])
        #expect(asked.code == 0)
        #expect(asked.errors == "plimsoll: recordings hold no command lines: they are unknown here\n")
    }

    @Test("ps says that no process matches")
    func noMatch() throws {
        let none = try run(["--replay", workstation, "ps", "--filter", "name=nobody"])
        #expect(none.code == 0)
        #expect(none.errors == "plimsoll: no process that holds GPU memory matches\n")
    }

    @Test("Command lines are shown only where they are asked for")
    func commandLines() throws {
        let host = try HostTree()
        try host.process(4242, "python3", cgroup: "0::/x")
        try host.scratch.write("python3\0train.py\0--token=hunter2\0", to: "proc/4242/cmdline")
        host.card("c", uuid: "GPU-1", total: 100, processes: [HostTree.listed(4242, 10)])
        let running = try host.start()
        #expect(try running.plimsoll("ps", "--command").output.contains("python3 train.py --token=hunter2"))
        #expect(try running.plimsoll("ps", "--command", "--format", "{{.Command}}").output.contains("hunter2"))
        for arguments in [
            ["ps"], ["ledger"], ["ledger", "--format", "json"], ["capture", "-"], ["stats", "--no-stream"],
        ] {
            let result = try run(arguments, environment: running.environment)
            #expect(result.code == 0)
            #expect(!result.output.contains("hunter2"))
        }
    }

    @Test("A PID out of a pasted message is found")
    func whose() throws {
        let message = "torch.OutOfMemoryError: CUDA out of memory. Process 4242 has 12.58 GiB memory in use."
        let result = try run(
            ["whose", "--format", "{{.Container}} {{.GPUMem}}", "--replay", workstation], input: message)
        #expect(result.output == "ollama 12.58GiB\n")
        #expect(try run(["whose", "99999", "--replay", workstation]).code == 1)
        #expect(try run(["whose", "--replay", workstation], input: "nothing here").code == 64)
    }

    @Test("A template's error while it runs is wrong usage too")
    func templates() throws {
        let result = try run(["stats", "--format", "{{range .Name}}x{{end}}", "--replay", workstation])
        #expect(result.code == 64)
        #expect(result.errors.contains("at character"))
    }
}
