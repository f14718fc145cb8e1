import Foundation
import TestSupport
import Testing

private let faces = [["ledger"], ["stats", "--no-stream"], ["ps"]]

/// Two cards, a container on each; what is to happen to the second is up to the test.
private func twoCards(second faults: [String: Any]) throws -> RunningHost {
    let host = try HostTree()
    for (seed, pid, name) in [(1, 4242, "trainer"), (2, 4343, "notebook")] {
        try host.process(pid, "python3", cgroup: "0::/docker/\(HostTree.id(seed))")
        host.container(HostTree.id(seed), name, "lab/\(name):1")
    }
    return try host.card("A100", uuid: "GPU-1", total: 40960, processes: [HostTree.listed(4242, 1024)])
        .card("A100", uuid: "GPU-2", total: 40960, processes: [HostTree.listed(4343, 512)], ["faults": faults]).start()
}

/// The children that hold this host's driver. Of one whose main thread has ended, another thread still tells whose it is.
private func children(of host: RunningHost) -> [pid_t] {
    names(in: "/proc").compactMap(pid_t.init).filter { pid in
        guard let name = FileManager.default.contents(atPath: "/proc/\(pid)/comm"),
            name == Data("plimsoll-driver\n".utf8)
        else { return false }
        return names(in: "/proc/\(pid)/task").contains { thread in
            let variables = FileManager.default.contents(atPath: "/proc/\(pid)/task/\(thread)/environ") ?? Data()
            return String(decoding: variables, as: UTF8.self).contains(host.driver.libraries)
        }
    }
}

private func names(in folder: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
}

/// Whether a thread of the process sleeps where no signal reaches it.
private func sleepsUninterruptibly(_ pid: pid_t) -> Bool {
    names(in: "/proc/\(pid)/task").contains { thread in
        let stat = FileManager.default.contents(atPath: "/proc/\(pid)/task/\(thread)/stat") ?? Data()
        return String(decoding: stat, as: UTF8.self).contains(") D ")
    }
}

@Suite(.serialized) struct IsolationTests {
    @Test("Under CI a file system can be frozen: there these tests are not skipped", .enabled(if: RealDocker.isCI))
    func canFreeze() {
        #expect(FrozenFiles.absence == nil)
    }

    @Test(
        "A driver that sleeps in the kernel costs its own device and its time, and holds up neither answer nor exit",
        .enabled(if: FrozenFiles.absence == nil, "no file system can be frozen here"), arguments: faces)
    func frozen(_ face: [String]) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let files = try FrozenFiles(in: scratch)
        let host = try twoCards(second: ["writesTo": files.file])
        try files.freeze()
        let result = try run(face + ["--timeout", "2"], environment: host.environment)
        #expect(result.code == 0)
        #expect(result.output.contains("trainer"))
        #expect(!result.output.contains("notebook") || face[0] == "stats")
        #expect(result.errors.contains("GPU 1: the driver did not answer within 2 s"))
        #expect(result.seconds < 3 + busyMachine, "the deadline of 2 s plus one")
        // It was the real thing: the child cannot be killed, and is there until the file system thaws.
        let left = children(of: host)
        #expect(left.count == 1)
        #expect(left.allSatisfy(sleepsUninterruptibly))
        for pid in left { kill(pid, SIGKILL) }
        usleep(100_000)
        #expect(children(of: host) == left)
        try files.thaw()
        #expect(waitUntil { children(of: host).isEmpty })
    }

    @Test(
        "A stream leaves a hanging child for a new one, says so, starts no more than three, and goes on when it can",
        .enabled(if: FrozenFiles.absence == nil, "no file system can be frozen here"))
    func renewal() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let files = try FrozenFiles(in: scratch)
        let host = try twoCards(second: ["writesTo": files.file])
        let stream = try Stream(
            ["stats", "--interval", "0.1", "--timeout", "0.3", "--format", "{{.Name}} {{.GPUMem}}"], host)
        defer { stream.end() }
        #expect(stream.output.read { $0.contains("notebook 512MiB\n") }.contains("notebook"))
        try files.freeze()
        let told = stream.errors.read { $0.contains("no more are started until one of them ends") }
        #expect(told.contains("GPU 1: the driver did not answer within 0.3 s"))
        #expect(told.contains("a new process asks it"))
        #expect(told.contains("3 processes hang in the driver; no more are started until one of them ends"))
        _ = stream.output.rest()
        #expect(
            stream.output.read { $0.contains("trainer 1GiB\n") }.contains("trainer"),
            "the GPU that is well is still told")
        #expect(children(of: host).count == 3)
        _ = stream.output.rest()
        try files.thaw()
        #expect(stream.output.read { $0.contains("notebook 512MiB\n") }.contains("notebook 512MiB"))
        #expect(waitUntil { children(of: host).count == 1 })
    }

    @Test("A library that crashes is told, and harms nothing", arguments: faces)
    func crashes(_ face: [String]) throws {
        let host = try HostTree().card("c", uuid: "GPU-1", total: 100, processes: [], ["faults": ["crashes": 1]])
            .start()
        let result = try run(face, environment: host.environment)
        #expect(result.code == 2)
        #expect(result.errors.contains("the driver's library crashed (Segmentation fault)"))
        #expect(waitUntil { children(of: host).isEmpty })
    }

    @Test("A stream outlives a library that crashes, and asks it again after a while")
    func crashesInStream() throws {
        let host = try twoCards(second: ["crashes": 3])
        let stream = try Stream(
            ["stats", "--interval", "0.1", "--timeout", "0.3", "--format", "{{.Name}} {{.GPUMem}}"], host)
        defer { stream.end() }
        #expect(stream.output.read { $0.contains("notebook 512MiB\n") }.contains("notebook"))
        let told = stream.errors.read { $0.components(separatedBy: "crashed").count > 4 }
        #expect(told.contains("the driver's library crashed (Segmentation fault); next try in 1 s"))
        #expect(stream.output.read { $0.hasSuffix("notebook 512MiB\n") }.contains("notebook 512MiB\n"))
    }

    @Test("What a library prints is nobody's output", arguments: faces)
    func prints(_ face: [String]) throws {
        let quiet = try twoCards(second: [:])
        let loud = try twoCards(second: ["prints": true])
        let (expected, got) = try (run(face, environment: quiet.environment), run(face, environment: loud.environment))
        #expect(got.output == expected.output)
        #expect(got.output.contains("notebook"))
        #expect(got.errors == "")
    }

    @Test("No child outlives its parent, however that ends", arguments: [SIGKILL, SIGTERM, SIGINT])
    func orphan(_ signal: Int32) throws {
        let host = try twoCards(second: [:])
        let stream = try Stream(["stats", "--interval", "0.1", "--format", "json"], host)
        #expect(stream.output.read { $0.contains("notebook") }.contains("notebook"))
        #expect(children(of: host).count == 1)
        kill(stream.process.processIdentifier, signal)
        stream.process.waitUntilExit()
        #expect(waitUntil { children(of: host).isEmpty })
    }
}

/// A program that goes on, and what it says meanwhile.
private final class Stream {
    let process: Process
    let output: Reader
    let errors: Reader
    private let pipes = (Pipe(), Pipe())

    init(_ arguments: [String], _ host: RunningHost) throws {
        process = try launch(arguments, environment: host.environment, output: pipes.0, errors: pipes.1)
        output = Reader(pipes.0.fileHandleForReading.fileDescriptor)
        errors = Reader(pipes.1.fileHandleForReading.fileDescriptor)
    }

    func end() {
        process.terminate()
        process.waitUntilExit()
    }
}
