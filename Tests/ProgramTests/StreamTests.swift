import Foundation
import TestSupport
import Testing

struct StreamTests {
    private func host() throws -> RunningHost {
        let host = try HostTree()
        try host.process(4242, "python3", cgroup: "0::/docker/\(HostTree.id(1))")
        host.container(HostTree.id(1), "trainer", "lab/trainer:1")
        return try host.card("c", uuid: "GPU-1", total: 100, processes: [HostTree.listed(4242, 10)]).start()
    }

    @Test("Output into a closed pipe ends it in silence")
    func closedPipe() throws {
        let host = try host()
        let script = "\(Build.plimsoll) stats --interval 0.1 --format json | head -n 2"
        let result = try run(program: "/bin/sh", ["-c", script], environment: host.environment)
        #expect(result.output.split(separator: "\n").count == 2)
        #expect(result.errors == "")
        #expect(result.seconds < 10 + busyMachine)
    }

    @Test("A stream that has nothing to say notices all the same that nobody listens")
    func closedPipeInSilence() throws {
        let host = try HostTree().card("c", uuid: "GPU-1", total: 100, processes: []).start()
        let script = "timeout 60 \(Build.plimsoll) stats --format json | sleep 0.5; echo ${PIPESTATUS[0]}"
        let result = try run(program: "/bin/bash", ["-c", script], environment: host.environment)
        #expect(result.output == "0\n")
        #expect(result.errors == "")
        #expect(result.seconds < busyMachine)
    }

    @Test("A full disk behind standard output is told, with exit code 2")
    func fullDisk() throws {
        let host = try host()
        let script = "\(Build.plimsoll) stats --no-stream > /dev/full"
        let result = try run(program: "/bin/sh", ["-c", script], environment: host.environment)
        #expect(result.code == 2)
        #expect(result.errors.contains("No space left"))
    }

    @Test("Ctrl-C ends a stream with 130 and leaves the terminal as it was")
    func interrupt() throws {
        let host = try host()
        let terminal = try PseudoTerminal(columns: 80, rows: 10)
        let before = terminal.settings
        let process = try launch(
            ["stats", "--interval", "0.2"],
            environment: host.environment.merging(["LANG": "C.UTF-8", "TERM": "xterm"]) { $1 }, input: terminal.slave,
            output: terminal.slave, errors: terminal.slave)
        let shown = terminal.reader.read(until: { $0.components(separatedBy: "trainer").count > 3 })
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        #expect(process.terminationReason == .exit)
        #expect(terminal.settings == before)
        #expect(shown.contains("10MiB / 100MiB"))
        // Neither a hidden cursor nor another screen is left behind, because neither was asked for.
        #expect(!shown.contains("\u{1B}[?"))
        #expect(terminal.reader.rest().hasSuffix("\u{1B}[0m\r\n"))
    }

    @Test("A terminal that is made narrower while a stream runs is wiped, and no line is wider than it is then")
    func shrinkingTerminal() throws {
        let host = try host()
        let terminal = try PseudoTerminal(columns: 100, rows: 24)
        let process = try launch(
            ["stats", "--interval", "0.1"],
            environment: host.environment.merging(["LANG": "C.UTF-8", "TERM": "xterm"]) { $1 }, input: terminal.slave,
            output: terminal.slave, errors: terminal.slave)
        defer { process.terminate() }
        #expect(terminal.reader.read { $0.contains("10MiB / 100MiB") }.contains("CONTAINER ID"))
        for (columns, rows) in [(40, 10), (20, 3), (1, 1), (80, 24)] as [(UInt16, UInt16)] {
            _ = terminal.reader.rest()
            terminal.resize(columns: columns, rows: rows)
            // A frame that was on its way is of the old width; the next one is not.
            let frames = terminal.reader.read { shown in
                shown.hasSuffix("\u{1B}[J") && lastWiped(shown).map { $0.allSatisfy { $0.count <= columns } } == true
            }
            let last = lastWiped(frames) ?? ["nothing was wiped"]
            #expect(last.allSatisfy { $0.count <= columns }, "\(last)")
        }
        #expect(process.isRunning)
    }

    /// The lines since the screen was wiped last, without what steers the terminal; nil where it never was.
    private func lastWiped(_ shown: String) -> [String]? {
        shown.components(separatedBy: "\u{1B}[2J\u{1B}[H").dropFirst().last?.components(separatedBy: "\r\n").map {
            $0.replacing(/\u{1B}\[[0-9]*[A-Za-z]/, with: "")
        }
    }

    @Test("While an engine is slow or away, its containers keep their names, and since when is said")
    func slowEngine() throws {
        let tree = try HostTree()
        try tree.process(4242, "python3", cgroup: "0::/docker/\(HostTree.id(1))")
        let host = try tree.card("c", uuid: "GPU-1", total: 100, processes: [HostTree.listed(4242, 10)]).start()
        let answer = #"[{"Id":"\#(HostTree.id(1))","Names":["/trainer"],"Image":"lab/trainer:1"}]"#
        let socket = tree.scratch.path("own.sock")
        var engine: StubEngine? = try StubEngine(socket, .answer(answer))
        let stream = try RunningStream(
            ["--timeout", "0.3", "--format", "{{.Name}} {{.GPUMem}}"],
            environment: host.environment.merging(["DOCKER_HOST": "unix://\(socket)"]) { $1 })
        let (lines, messages) = (stream.lines, stream.messages)
        #expect(lines.read { $0.contains("trainer 10MiB\n") }.contains("trainer"))
        var moments: Set<Substring> = []
        for behaviour in [StubEngine.Behaviour.hangs, .closes] {
            withExtendedLifetime(engine) {}
            engine = nil
            unlink(socket)
            engine = try StubEngine(socket, behaviour)
            let told = messages.read { $0.contains("; its containers have the names of 20") && $0.hasSuffix("Z\n") }
            for match in told.matches(of: /have the names of (20\S+Z)/) { moments.insert(match.1) }
            _ = lines.rest()
            let later = lines.read { $0.components(separatedBy: "\n").count > 3 }
            #expect(later.split(separator: "\n").allSatisfy { $0 == "trainer 10MiB" }, "\(later)")
        }
        withExtendedLifetime(stream) {}
        #expect(moments.count == 1, "\(moments)")
    }

    @Test("Ctrl-C ends it with 130 also while the driver hangs")
    func interruptWhileHanging() throws {
        let host = try host()
        host.driver.sleep()
        defer { host.driver.wake() }
        let process = try launch([], environment: host.environment, errors: Pipe())
        usleep(700_000)
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        #expect(process.terminationReason == .exit)
    }

    @Test("A stream goes on when its driver has hung and come back")
    func driverComesBack() throws {
        let host = try host()
        let stream = try RunningStream(
            ["--timeout", "0.3", "--format", "{{.Name}} {{.GPUMem}}"], environment: host.environment)
        let lines = stream.lines
        #expect(lines.read { $0.contains("trainer 10MiB\n") }.contains("trainer"))
        host.driver.sleep()
        let told = stream.messages.read { $0.contains("did not answer within 0.3 s") }
        #expect(told.contains("did not answer within 0.3 s"))
        _ = lines.rest()
        host.driver.wake()
        #expect(lines.read { $0.contains("trainer 10MiB\n") }.contains("trainer"))
        withExtendedLifetime(stream) {}
    }
}

/// A terminal that a program believes in.
final class PseudoTerminal {
    let slave: FileHandle
    private let master: Int32

    init(columns: UInt16, rows: UInt16) throws {
        var (master, slave): (Int32, Int32) = (0, 0)
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        guard openpty(&master, &slave, nil, nil, &size) == 0 else { throw Unexpected("openpty: \(errno)") }
        self.master = master
        self.slave = FileHandle(fileDescriptor: slave, closeOnDealloc: true)
    }

    deinit { close(master) }

    func resize(columns: UInt16, rows: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    /// What a person types.
    func type(_ text: String) { _ = text.withCString { write(master, $0, strlen($0)) } }

    /// Every setting of the terminal, as text.
    var settings: String {
        var settings = termios()
        tcgetattr(master, &settings)
        return "\(settings)"
    }

    var reader: Reader { Reader(master) }
}

/// `plimsoll stats`, a reading each tenth of a second, for as long as this object lives.
final class RunningStream {
    private let process: Process
    private let (output, errors) = (Pipe(), Pipe())

    init(_ arguments: [String] = [], environment: [String: String]) throws {
        process = try launch(
            ["stats", "--interval", "0.1"] + arguments, environment: environment, output: output, errors: errors)
    }

    deinit { process.terminate() }

    var lines: Reader { Reader(output.fileHandleForReading.fileDescriptor) }
    var messages: Reader { Reader(errors.fileHandleForReading.fileDescriptor) }
}

/// Reads what comes, and no longer than 20 seconds.
struct Reader {
    private let fd: Int32

    init(_ fd: Int32) { self.fd = fd }

    func read(until done: (String) -> Bool) -> String {
        var bytes: [UInt8] = []
        let deadline = Date().addingTimeInterval(20)
        while Date() < deadline, !done(String(decoding: bytes, as: UTF8.self)) { bytes += chunk(500) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What was written and not yet read.
    func rest() -> String {
        var bytes: [UInt8] = []
        while true {
            let more = chunk(100)
            if more.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += more
        }
    }

    private func chunk(_ milliseconds: Int32) -> [UInt8] {
        var waiting = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, milliseconds) > 0 else { return [] }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(fd, &buffer, buffer.count)
        return count > 0 ? Array(buffer[..<count]) : []
    }
}
