import Foundation
import TestSupport
import Testing

@Suite("Pipes and open descriptors are written as outputs, and no pipe is waited for beyond the deadline")
struct OutputPipeTests {
    // MARK: Descriptors

    @Test(
        "The name of a descriptor stands for what is open there: a pipe is written, and >> appends",
        arguments: Caller.possible, ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/./self/fd/1", "LINK"])
    func descriptors(_ caller: Caller, _ name: String) throws {
        let folder = try OutputFolder(caller)
        try folder.link("own/link", to: "/dev/stdout")
        let path = name == "LINK" ? folder.path("own/link") : name
        let plain = try caller.capture("-").output
        #expect(plain.contains("plimsollRecording"))
        #expect(try caller.shell("capture \(path) | cat").output == plain)
        // Whoever starts plimsoll has opened the file, which plimsoll itself could not.
        let log = try folder.file("closed/log", "before\n", owner: getuid(), mode: 0o600)
        let script = "\"$@\" >> \(log) && echo after >> \(log)"
        let result = try run(program: "/bin/sh", ["-c", script, "sh"] + caller.captureWords(path))
        #expect(result.code == 0, "\(result.errors)")
        #expect(try folder.text("closed/log") == "before\n" + plain + "after\n")
    }

    @Test("So does that of standard error, and of a descriptor of the shell's", arguments: Caller.possible)
    func otherDescriptors(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        #expect(try caller.capture("/dev/stderr").errors == caller.capture("-").output)
        #expect(try caller.shell("capture /dev/fd/7 7> \(folder.path("own/x.json"))").code == 0)
        #expect(try folder.isRecording("own/x.json"))
        for name in ["/dev/fd/7", "/dev/stdin", "/dev/fd/99999999999"] {
            let result = try caller.shell("capture \(name) < /dev/null")
            #expect(result.code == 2)
            #expect(result.errors.hasPrefix("plimsoll: cannot write \(name): "))
        }
        let report = try caller.shell("\(Build.plimsoll) run --quiet --report /dev/fd/7 -- true 7>&1 || echo code $?")
        #expect(report.output == "code 64\n", "the name says no format")
    }

    @Test("A descriptor of another process is written if it is a pipe, as for the log of a container")
    func foreignDescriptor() throws {
        let folder = try OutputFolder(.user)
        let caller = Caller.user
        let plain = try caller.capture("-").output
        let file = try folder.file("own/x.json")
        // The shell waits, so that it is a process of its own, with the output that its own shell gives it.
        func script(_ output: String) -> [String] {
            let words = [Build.plimsoll, "capture", "/proc/$$/fd/1"] + caller.captureWords("").suffix(2)
            return ["-c", "/bin/sh -c '\(words.joined(separator: " ")); exit $?' \(output)"]
        }
        #expect(try caller.run("/bin/sh", script("| cat")).output == plain)
        let result = try caller.run("/bin/sh", script(">> \(file)"))
        #expect(result.code == 2)
        #expect(result.errors.contains("it is a file that another process has open; give the name of the file"))
        #expect(try folder.text("own/x.json") == "old")
    }

    @Test("A reader of standard output that has read enough is no error, by whatever name")
    func closedReader() throws {
        for name in ["-", "/dev/stdout"] {
            let words = Caller.user.captureWords(name).joined(separator: " ")
            let result = try run(program: "/bin/sh", ["-c", "{ sleep 0.3; \(words); echo code $? >&2; } | true"])
            #expect(result.errors == "code 0\n")
        }
    }

    // MARK: Pipes

    @Test("A pipe that nobody opens to read is given up at the deadline", arguments: Caller.possible)
    func nobodyReads(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        let path = folder.pipe("own/pipe.json")
        let reason = "plimsoll: cannot write \(path): nobody reads from the pipe within 0.5 s\n"
        let result = try caller.capture(path, "--timeout", "0.5")
        #expect(result.code == 2)
        #expect(result.errors == reason)
        #expect(0.5..<(3 + busyMachine) ~= result.seconds)
        let words = ["run", "--quiet", "--timeout", "0.5", "--report", path, "--", "echo", "ran"]
        let command = try caller.run(Build.plimsoll, words)
        #expect(command.code == 125)
        #expect(command.output == "ran\n")
        #expect(command.errors == reason)
        #expect(command.seconds < 5 + busyMachine)
    }

    @Test("So is one whose reader does not read on")
    func slowReader() throws {
        let folder = try OutputFolder(.user)
        let path = folder.pipe("own/pipe.json")
        let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        defer { close(reader) }
        // F_SETPIPE_SZ of fcntl.h: one page.
        #expect(fcntl(reader, 1031, 4096) == 4096)
        let result = try Caller.user.capture(path, "--timeout", "0.5")
        #expect(result.code == 2)
        #expect(result.errors.contains("nobody reads from the pipe within 0.5 s"))
        #expect(result.seconds < 3 + busyMachine)
    }

    @Test("Whoever opens the pipe in time gets all of it, and one end", arguments: Caller.possible)
    func lateReader(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        let path = folder.pipe("own/pipe.json")
        let words = caller.captureWords(path).joined(separator: " ")
        let result = try run(
            program: "/bin/sh", ["-c", "\(words) & sleep 0.5; cat \(path); wait $!; echo code $? >&2"])
        #expect(try result.output == caller.capture("-").output)
        #expect(result.errors == "code 0\n")
        // The look before the command starts does not open the pipe: the reader would take that for the end.
        let early = try run(
            program: "/bin/sh",
            ["-c", "cat \(path) & \"$@\"; wait", "sh"]
                + caller.words(Build.plimsoll, ["run", "--quiet", "--report", path, "--", "sleep", "0.5"]))
        #expect(try early.document()["exitCode"].integer == 0)
    }

    @Test("Ctrl-C ends the wait for a reader", arguments: [SIGINT, SIGTERM])
    func interrupted(_ signal: Int32) throws {
        let folder = try OutputFolder(.user)
        let process = try launch(
            Array(
                Caller.user.captureWords(folder.pipe("own/pipe.json")).drop { $0 != Build.plimsoll }.dropFirst()))
        usleep(500_000)
        #expect(process.isRunning)
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationStatus == 128 + signal)
    }

    @Test("A terminal that is stopped is given up at the deadline")
    func stoppedTerminal() throws {
        let terminal = try PseudoTerminal(columns: 80, rows: 10)
        let path = String(cString: ttyname(terminal.slave.fileDescriptor))
        #expect(tcflow(terminal.slave.fileDescriptor, TCOOFF) == 0)
        let result = try Caller.possible[0].capture(path, "--timeout", "0.5")
        #expect(result.errors.contains("the device takes no data within 0.5 s"))
    }
}
