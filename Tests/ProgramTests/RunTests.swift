import Foundation
import FoundationXML
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20

struct RunTests {
    // MARK: The command is itself

    @Test(
        "It ends as its command did",
        arguments: [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -KILL $$", 137), ("kill -TERM $$", 143)]
            as [(String, Int32)])
    func exitCodes(_ script: String, _ code: Int32) throws {
        let (result, report) = try runHost().shell(script)
        #expect(result.code == code)
        #expect(report["exitCode"].integer == Int64(code))
        #expect(report["signal"].integer == (code > 128 && code < 255 ? Int64(code) - 128 : nil))
    }

    @Test("What cannot be run is told, with the codes of a shell; wrong usage with 64")
    func notRun() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        try scratch.write("no program", to: "text")
        try scratch.write("", to: "folder.svg/file")
        for (words, code, message) in [
            (["--", "no-such-command"], 127, "cannot run 'no-such-command': command not found"),
            (["--", "/nowhere/prog"], 127, "cannot run '/nowhere/prog': command not found"),
            (["--", scratch.path("text")], 126, "cannot run '\(scratch.path("text"))': Permission denied"),
            (["--", "/tmp"], 126, "cannot run '/tmp': Permission denied"),
            (
                ["--report", "/nowhere/report.json", "--", "true"], 125,
                "cannot write /nowhere/report.json: No such file or directory"
            ),
            (["--report", scratch.path("folder.svg"), "--", "echo", "ran"], 125, "it is a folder"),
            ([], 64, "No command given"), (["--"], 64, "No command given"),
            (["--bogus", "true"], 64, "Unknown option '--bogus'"),
            (["--interval", "0", "true"], 64, "'0' is invalid for '--interval <duration>': Use a number"),
            (["--interval", "1ms", "true"], 64, "from 10ms"),
            (["--report", "report.txt", "true"], 64, "must end in .json (report) or .svg (chart)"),
        ] as [([String], Int32, String)] {
            let result = try run(["run"] + words)
            #expect(result.code == code, "\(words)")
            #expect(result.errors.contains(message), "\(result.errors)")
            #expect(result.output == "")
        }
    }

    @Test("A script without a first line is the shell's, as for env; one whose interpreter is missing is told as that")
    func scripts() throws {
        let host = try runHost()
        for (name, text) in [("plain", "echo $0 $1"), ("lost", "#!/nowhere/interpreter\n")] {
            try host.tree.scratch.write(text + "\n", to: name)
            chmod(host.tree.scratch.path(name), 0o755)
        }
        let plain = try run(["run", "--quiet", host.tree.scratch.path("plain"), "a b"], environment: host.real)
        #expect(plain.code == 0)
        #expect(plain.output == "\(host.tree.scratch.path("plain")) a b\n")
        let search = ["PATH": "\(host.tree.scratch.url.path):/usr/bin:/bin"]
        #expect(try run(["run", "--quiet", "plain"], environment: host.real.merging(search) { $1 }).code == 0)
        // One that may not be executed is passed over, as execvp(3) does.
        try host.tree.scratch.write("echo wrong\n", to: "first/plain")
        let both = ["PATH": "\(host.tree.scratch.path("first")):\(host.tree.scratch.url.path):/usr/bin:/bin"]
        #expect(
            try run(["run", "--quiet", "plain", "x"], environment: host.real.merging(both) { $1 }).output.hasSuffix(
                "x\n"))
        let lost = try run(["run", host.tree.scratch.path("lost")], environment: host.real)
        #expect(lost.code == 127)
        #expect(lost.errors.contains("the interpreter or loader that the file names does not exist"))
    }

    @Test("An engine that is elsewhere or cannot be understood does not keep a command from running")
    func enginesElsewhere() throws {
        let host = try runHost()
        for url in ["tcp://docker:2375", "nonsense"] {
            let result = try run(
                ["run", "--", "echo", "ran"], environment: host.real.merging(["DOCKER_HOST": url]) { $1 })
            #expect(result.code == 0)
            #expect(result.output == "ran\n")
            #expect(!result.errors.contains("docker"))
        }
    }

    @Test("Its input, its output and its arguments pass untouched, and what is told comes behind its last line")
    func untouched() throws {
        let host = try runHost()
        let input = String(repeating: "0123456789\n", count: 50_000)
        let result = try run(["run", "cat"], environment: host.real, input: input)
        #expect(result.output == input)
        let words = ["run", "--", "printf", "%s|", "--help", "-h", "--", "a b", ""]
        #expect(try run(words, environment: host.real).output == "--help|-h|--|a b||")
        let errors = try host.shell("echo from the command >&2").result.errors
        #expect(errors.hasPrefix("from the command\nplimsoll: GPU memory of sh, which ran for "))
        let quiet = try run(["run", "--quiet", "--", "sh", "-c", "echo a; echo b >&2"], environment: host.real)
        #expect(quiet.output == "a\n")
        #expect(quiet.errors == "b\n")
    }

    // MARK: What is measured

    /// On a busy machine the reading before the command may take too long. `run` does not wait for it, so that a device's used
    /// memory tells nothing of the command: repeat.
    private func beginningInTime(
        _ measure: () throws -> (result: ProgramResult, report: JSONDocument)
    ) throws -> (result: ProgramResult, report: JSONDocument) {
        var measured = try measure()
        for _ in 0..<5 where measured.report["devices"][0]["measuredBy"].isNull { measured = try measure() }
        return measured
    }

    @Test("Peak and when, mean, processes: of the command's own processes, whatever others hold")
    func measured() throws {
        let host = try runHost()
        let others = try Holding(["0:1GiB"], driver: host.driver)
        defer { others.end() }
        let (result, report) = try host.shell("sleep 1; \(hold) --for 2 0:500MiB; sleep 1")
        #expect(result.code == 0)
        let device = report["devices"][0]
        #expect(device["measuredBy"].string == "process")
        #expect(device["peakBytes"].integer == 600 * mebibyte)
        #expect(device["peakSource"].string == "sampled")
        #expect(0.9...(1 + busyMachine) ~= device["peakSeconds"].number ?? 0)
        #expect((100 * mebibyte)...(400 * mebibyte) ~= device["meanBytes"].integer ?? 0)
        #expect(device["processes"].integer == 1)
        #expect(device["readings"].integer ?? 0 > 10)
        #expect(report["devices"][1]["peakBytes"].integer == 0)
        #expect(report["remaining"].isNull)
        #expect(report["complete"].bool == true)
        #expect(result.errors.contains("600MiB / 4GiB"))
        #expect(result.errors.contains("sampled: the largest of "))
        #expect(!result.errors.contains("NVIDIA T4"), "what the command did not use has no row")
    }

    @Test("Children count together, those too that outlive their parent, and each device for itself")
    func descendants() throws {
        let (_, report) = try runHost().shell(
            "(setsid sh -c '(\(hold) --for 4 0:100MiB &)' &); \(hold) --children 2 --for 3 0:50MiB 1:300MiB")
        #expect(report["devices"][0]["peakBytes"].integer == (200 + 3 * 150) * mebibyte)
        #expect(report["devices"][0]["processes"].integer == 4)
        #expect(report["devices"][1]["peakBytes"].integer == 3 * 400 * mebibyte)
        #expect(report["devices"][1]["processes"].integer == 3)
    }

    @Test("It ends with its command; what that left behind lives on, and is told")
    func leftBehind() throws {
        let host = try runHost()
        let script =
            "plimsoll=\(Build.plimsoll); "
            + "$plimsoll run --report \(host.reportPath) -- sh -c '(setsid \(hold) --for 8 0:100MiB > /dev/null &); sleep 2'; "
            + "$plimsoll --format json"
        let result = try run(program: "/bin/sh", ["-c", script], environment: host.real)
        // It is asked of the driver after `run` has ended.
        #expect(try result.document()["devices"][0]["memory"]["usedBytes"].integer == 200 * mebibyte)
        let report = try JSONDocument(String(contentsOfFile: host.reportPath, encoding: .utf8))
        #expect(report["remaining"]["processes"].integer == 1)
        #expect(report["remaining"]["bytes"].integer == 200 * mebibyte)
        #expect(result.errors.contains("One of the command's processes still runs and holds 200MiB."))
    }

    @Test("A command that runs out of memory is told of with what it had")
    func outOfMemory() throws {
        let (result, report) = try runHost().shell("\(hold) --for 1.5 0:3GiB && \(hold) 0:5GiB")
        #expect(result.code == 1)
        #expect(result.output.contains("CUDA error 2"))
        #expect(report["devices"][0]["peakBytes"].integer == 3172 * mebibyte)
    }

    @Test("Every generation of drivers tells the same of a command", arguments: GenerationTests.dedicated)
    func generations(_ name: String) throws {
        let host = try HostTree(simulating: name).start()
        let (_, report) = try host.shell("\(hold) --for 1.5 0:500MiB")
        let device = report["devices"][0]
        #expect(device["measuredBy"].string == "process")
        #expect(device["processes"].integer == 1)
        let context = host.contextBytes
        #expect(device["peakBytes"].integer == 500 * mebibyte + context)
    }

    @Test(
        "In a PID namespace of its own: by process with a driver that tells PIDs there, else by the device's used memory"
    )
    func ownNamespace() throws {
        for (name, measure) in [("h100-r570", "process"), ("l4-r535", "device"), ("v100-r440", "device")] {
            let host = try HostTree(simulating: name).start()
            let others = try Holding(["0:1GiB"], driver: host.driver)
            defer { others.end() }
            let (result, report) = try beginningInTime {
                let result = try run(
                    program: "/usr/bin/unshare",
                    [
                        "--pid", "--fork", "--mount-proc", Build.plimsoll, "run", "--report", host.reportPath, "--",
                        "sh", "-c", "sleep 0.2; \(hold) --for 1.5 0:500MiB",
                    ], environment: host.real)
                return (result, try JSONDocument(String(contentsOfFile: host.reportPath, encoding: .utf8)))
            }
            #expect(result.code == 0)
            let device = report["devices"][0]
            #expect(device["measuredBy"].string == measure, "\(name)")
            #expect(device["peakBytes"].integer == 500 * mebibyte + host.contextBytes, "\(name)")
            #expect(device["peakSource"].string == "sampled")
            #expect(device["processes"].integer == (measure == "process" ? 1 : nil))
            #expect(result.errors.contains("since before the command, by any process") == (measure == "device"))
        }
    }

    @Test("On a divided GPU a command's memory is that of its instance, and no row is about nothing")
    func instances() throws {
        let host = try HostTree(simulating: "a100-mig").start()
        let (result, report) = try host.shell("\(hold) --for 1.5 0:500MiB")
        let used = report["devices"].elements.filter { ($0["peakBytes"].integer ?? 0) > 0 }
        #expect(used.map { $0["index"].string } == ["0:0"])
        #expect(used.first?["peakBytes"].integer == 500 * mebibyte + host.contextBytes)
        #expect(!result.errors.contains("0:2"))
    }

    @Test("Where the driver does not report a process's memory (WSL2), by the device's used memory")
    func untoldMemory() throws {
        let host = try HostTree(simulating: "wsl2").start()
        let (result, report) = try beginningInTime { try host.shell("sleep 0.2; \(hold) --for 1.5 0:500MiB") }
        #expect(report["devices"][0]["measuredBy"].string == "device")
        #expect(report["devices"][0]["peakBytes"].integer == 500 * mebibyte + host.contextBytes)
        #expect(result.errors.contains("the driver does not report a process's memory"))
    }

    @Test("With the driver's accounting mode on, a peak between two readings is not missed")
    func accounting() throws {
        let host = try runHost(["accounting": true])
        let (result, report) = try host.shell("sleep 0.1; \(hold) --spike 2GiB --for 1.5 0:100MiB")
        let device = report["devices"][0]
        #expect(device["peakSource"].string == "accounting")
        #expect(device["peakBytes"].integer == 2248 * mebibyte)
        #expect(device["sampledPeakBytes"].integer == 200 * mebibyte)
        #expect(device["peakSeconds"].isNull, "an account does not tell when")
        #expect(result.errors.contains("accounting: the driver's exact record of that process."))
    }

    @Test("Without it, such a peak is missed, and that it can be is said")
    func missedPeak() throws {
        let (result, report) = try runHost().shell("sleep 0.1; \(hold) --spike 2GiB --for 1.5 0:100MiB")
        #expect(report["devices"][0]["peakSource"].string == "sampled")
        #expect(report["devices"][0]["peakBytes"].integer == 200 * mebibyte)
        #expect(result.errors.contains("Memory that is used only between two readings is missed"))
    }

    @Test("A command that comes and goes between two readings has its account")
    func betweenReadings() throws {
        let host = try runHost(["accounting": true])
        let words = ["run", "--interval", "10s", "--report", host.reportPath, "--", hold, "--for", "1.5", "0:500MiB"]
        #expect(try run(words, environment: host.real).code == 0)
        let device = try JSONDocument(String(contentsOfFile: host.reportPath, encoding: .utf8))["devices"][0]
        #expect(device["peakBytes"].integer == 600 * mebibyte)
        #expect(device["peakSource"].string == "accounting")
        #expect(device["processes"].integer == 1)
    }

    @Test("The accounts of several processes are added up, and the sum is called an upper bound")
    func accountsOfSeveral() throws {
        let host = try runHost(["accounting": true])
        let (result, report) = try host.shell("\(hold) --for 1.5 0:500MiB; \(hold) --for 1.5 0:300MiB")
        let device = report["devices"][0]
        #expect(device["peakSource"].string == "accounting, at most")
        #expect(device["peakBytes"].integer == 1000 * mebibyte)
        #expect(device["sampledPeakBytes"].integer == 600 * mebibyte)
        #expect(device["processes"].integer == 2)
        #expect(result.errors.contains("the sum of the driver's records of 2 processes"))
    }

    @Test("Children that come and go between two readings make no peak exact, and no silence")
    func unmetAccounts() throws {
        let host = try runHost(["accounting": true])
        let script = "\(hold) --for 0.6 0:200MiB; \(hold) --for 0.1 0:900MiB; exec sleep 0.2"
        let words = ["run", "--interval", "10s", "--report", host.reportPath, "--", "sh", "-c", script]
        let result = try run(words, environment: host.real)
        let device = try JSONDocument(String(contentsOfFile: host.reportPath, encoding: .utf8))["devices"][0]
        #expect(device["peakSource"].string != "accounting")
        #expect((device["unmetProcesses"].integer ?? 0) > 0)
        #expect(result.errors.contains("that ran only between readings and used at most"))
        #expect(!result.errors.contains("exact"))
    }

    @Test("In a PID namespace of its own the driver tells nothing of the dead, and the peak is that of readings")
    func noAccountsInside() throws {
        let host = try runHost(["accounting": true])
        let result = try run(
            program: "/usr/bin/unshare",
            [
                "--pid", "--fork", "--mount-proc", Build.plimsoll, "run", "--interval", "20ms", "--report",
                host.reportPath, "--", hold, "--spike", "2GiB", "--for", "1.5", "0:100MiB",
            ], environment: host.real)
        #expect(result.code == 0)
        let device = try JSONDocument(String(contentsOfFile: host.reportPath, encoding: .utf8))["devices"][0]
        #expect(device["peakSource"].string == "sampled")
        #expect(device["peakBytes"].integer == 200 * mebibyte)
    }

    // MARK: Bad days

    @Test("Without a driver the command runs all the same, and nothing is claimed")
    func noDriver() throws {
        let result = try run(["run", "--", "sh", "-c", "echo done; exit 4"])
        #expect(result.code == 4)
        #expect(result.output == "done\n")
        #expect(
            result.errors.hasSuffix("Not measured: no NVIDIA driver library found.\n"),
            "\(result.errors)")
        #expect(!result.errors.contains("0B"))
    }

    @Test("A driver that hangs delays neither the command nor its end")
    func hangingDriver() throws {
        let host = try runHost()
        host.driver.sleep()
        defer { host.driver.wake() }
        let (result, report) = try host.shell("echo ran")
        #expect(result.output == "ran\n")
        #expect(result.seconds < 5 + busyMachine)
        #expect(report["complete"].bool == false)
        #expect(result.errors.contains("Not measured"))
    }

    @Test(
        "A full disk under the report is told with 125, unless the command itself failed, and leaves no half of a file")
    func fullDisk() throws {
        let host = try runHost()
        let full = host.tree.scratch.path("full.json")
        try FileManager.default.createSymbolicLink(atPath: full, withDestinationPath: "/dev/full")
        for (script, code) in [("true", 125), ("exit 9", 9)] as [(String, Int32)] {
            let result = try run(["run", "--report", full, "--", "sh", "-c", script], environment: host.real)
            #expect(result.code == code)
            #expect(result.errors.contains("full.json: No space left on device"))
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: host.tree.scratch.url.path)
        #expect(!left.contains { $0.hasPrefix(".plimsoll-") })
    }

    @Test("No child of ours is left behind, and nothing of the command's is waited for")
    func noChildLeft() throws {
        let host = try runHost()
        let process = try host.start(["run", "--quiet", "--", "sleep", "3"])
        var children = ""
        _ = try waitUntil {
            children = try run(program: "/usr/bin/pgrep", ["-P", String(process.processIdentifier)]).output
            return children.split(separator: "\n").count == 3
        }
        #expect(children.split(separator: "\n").count == 3, "the command and two children")
        process.waitUntilExit()
        for child in children.split(separator: "\n") { #expect(kill(Int32(child) ?? 0, 0) != 0) }
    }

    // MARK: Faces

    @Test("The chart has axes with units, a line per device and its peak")
    func chart() throws {
        let host = try runHost()
        let file = host.tree.scratch.path("chart.svg")
        _ = try run(
            ["run", "--quiet", "--report", file, "--", hold, "--for", "0.5", "0:500MiB", "1:700MiB"],
            environment: host.real)
        let picture = try String(contentsOfFile: file, encoding: .utf8)
        let parser = XMLCheck(picture)
        #expect(parser.isWellFormed)
        #expect(parser.elements["path"] == 2)
        #expect(parser.elements["circle"] == 2)
        for words in [
            "time in s", "memory", "GPU 0  NVIDIA A2: peak 600MiB of 4GiB", ">800MiB</text>", "512MiB", "0.5",
        ] {
            #expect(picture.contains(words), "\(words)")
        }
    }

    @Test("Arguments of a command are told nowhere: they can hold secrets")
    func noSecrets() throws {
        let host = try runHost()
        let result = try host.shell(": --password=hunter2").result
        let report = try String(contentsOfFile: host.reportPath, encoding: .utf8)
        #expect(!(result.errors + report).contains("hunter2"))
        #expect(report.contains("\"program\": \"sh\""))
    }
}

extension RunningHost {
    /// What a context takes on the first card.
    fileprivate var contextBytes: Int64 { (tree.firstCard["contextMiB"] as? Int).map { Int64($0) * mebibyte } ?? 0 }
}

/// Whether a text is XML, and how many elements of each name it has.
private final class XMLCheck: NSObject, XMLParserDelegate {
    private(set) var isWellFormed = false
    private(set) var elements: [String: Int] = [:]

    init(_ text: String) {
        super.init()
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = self
        isWellFormed = parser.parse()
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String] = [:]
    ) {
        elements[name, default: 0] += 1
    }
}
