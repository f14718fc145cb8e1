import Foundation
import Glibc
import TestSupport
import Testing

private let isRoot = getuid() == 0

/// A program with one card, and what a shell needs to start it.
private func oneCard() throws -> RunningHost {
    let host = try HostTree()
    try host.process(4242, "python3", cgroup: "0::/docker/\(HostTree.id(1))")
    return try host.container(HostTree.id(1), "trainer", "lab/trainer:1")
        .card("A100", uuid: "GPU-1", total: 40960, processes: [HostTree.listed(4242, 1024)]).start()
}

/// Bad starts, and what is left after the end.
@Suite(.serialized) struct StartAndEndTests {
    /// A shell that sets something up and becomes the program.
    private func shell(_ script: String, _ host: RunningHost, _ arguments: [String]) throws -> ProgramResult {
        try run(
            program: "/bin/bash", ["-c", "\(script); exec \"$0\" \"$@\"", Build.plimsoll] + arguments,
            environment: host.environment)
    }

    @Test(
        "If the user may have no more processes, that is told, with exit code 2",
        .enabled(if: isRoot, "the limit is another user's, who has no processes yet"), arguments: [1, 2, 3, 4])
    func processLimit(_ most: Int) throws {
        let host = try oneCard()
        chmod(host.tree.scratch.url.path, 0o755)
        chmod(host.tree.scratch.path("docker.sock"), 0o777)
        chmod(host.driver.socket, 0o777)
        // A user of this limit alone, since the kernel counts all processes and threads of a user.
        let result = try run(
            program: "/usr/bin/setpriv",
            [
                "--reuid=\(54_000 + most)", "--regid=65534", "--clear-groups", "prlimit", "--nproc=\(most)",
                Build.plimsoll, "--timeout", "1",
            ], environment: host.environment)
        expectClear(result, "\(most)")
    }

    @Test(
        "So is that a file cannot be read or written then",
        .enabled(if: isRoot, "the limit is another user's, who has no processes yet"))
    func processLimitForFiles() throws {
        let sample = Build.package.appending(path: "samples/workstation.json").path
        for (path, reason) in [
            (sample, "cannot read \(sample): the process that reads it could not be started"),
            ("/dev/stdin", "cannot write /tmp/x.json: the process that writes it could not be started"),
        ] {
            let limited = ["--reuid=54010", "--regid=65534", "--clear-groups", "prlimit", "--nproc=1"]
            let result = try run(
                program: "/usr/bin/setpriv", limited + [Build.plimsoll, "capture", "/tmp/x.json", "--replay", path],
                input: String(contentsOfFile: sample, encoding: .utf8))
            #expect(result.code == 2)
            #expect(result.errors.contains("\(reason): Resource temporarily unavailable; raise the limit"))
        }
    }

    @Test(
        "If the cgroup may have no more processes, that is told, with exit code 2",
        .enabled(if: isRoot && access("/sys/fs/cgroup/pids", F_OK) == 0, "no cgroup of version 1 can be made here"),
        arguments: [1, 2, 3, 4, 5, 6])
    func cgroupLimit(_ most: Int) throws {
        let host = try oneCard()
        let folder = "/sys/fs/cgroup/pids/plimsoll-test-\(UUID().uuidString.prefix(8))"
        try #require(mkdir(folder, 0o755) == 0)
        defer { rmdir(folder) }
        try String(most).write(toFile: "\(folder)/pids.max", atomically: false, encoding: .utf8)
        let result = try shell("echo $$ > \(folder)/cgroup.procs", host, ["--timeout", "1"])
        expectClear(result, "\(most)")
    }

    /// A limit that leaves room for some of it can cost a part; then the rest is there, and the part is told.
    private func expectClear(_ result: ProgramResult, _ what: String) {
        #expect(result.seconds < 3 + busyMachine, "\(what)")
        if result.errors.isEmpty {
            #expect(result.output.contains("trainer"), "it was enough: \(what)")
            return
        }
        #expect([0, 2].contains(result.code), "\(what): \(result.code)")
        #expect(result.errors.contains("Resource temporarily unavailable"), "\(what): \(result.errors)")
        #expect(result.errors.contains("raise the limit of processes"), "\(what)")
        if result.code == 2 { #expect(result.output == "", "\(what)") }
    }

    @Test(
        "SIGTERM ends the program that may start no process",
        .enabled(if: isRoot, "the limit is another user's, who has no processes yet"))
    func terminates() throws {
        let host = try oneCard()
        let process = try launch(
            program: "/usr/bin/setpriv",
            [
                "--reuid=54010", "--regid=65534", "--clear-groups", "prlimit", "--nproc=1", Build.plimsoll, "stats",
            ], environment: host.environment, output: FileHandle.nullDevice, errors: FileHandle.nullDevice)
        kill(process.processIdentifier, SIGTERM)
        process.waitUntilExit()
        let code = process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0)
        #expect([143, 2].contains(code))
    }

    @Test("If it may open too few files, that is told, with exit code 2", arguments: [4, 5, 6, 8, 10, 12, 15])
    func fileLimit(_ most: Int) throws {
        let host = try oneCard()
        for command in [["ledger"], ["stats", "--no-stream"], ["whose", "4242"], ["check"]] {
            let result = try shell("ulimit -n \(most)", host, command + ["--timeout", "1"])
            #expect(result.code == 2, "\(command): \(result.errors)")
            #expect(result.output == "")
            #expect(
                result.errors
                    == "plimsoll: the limit of open files is \(most), but at least 16 are needed; raise it with `ulimit -n 1024`\n"
            )
        }
        #expect(try shell("ulimit -n 4", host, ["--version"]).output == "0.1.0\n")
        #expect(try shell("ulimit -n 4", host, ["run", "--", "true"]).code == 125)
        #expect(try shell("ulimit -n 16", host, ["ledger"]).output.contains("trainer"))
    }

    @Test("SIGINT and SIGTERM end a stream however early they come", arguments: [SIGINT, SIGTERM])
    func earlySignal(_ signal: Int32) throws {
        let host = try oneCard()
        for step in 0..<40 {
            let process = try launch(
                ["stats", "--interval", "60"], environment: host.environment, output: FileHandle.nullDevice,
                errors: FileHandle.nullDevice)
            usleep(UInt32(step) * 1000)
            kill(process.processIdentifier, signal)
            #expect(waitUntil { !process.isRunning }, "after \(step) ms")
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
            // Before main begins the kernel ends it by the signal, which a shell tells as the same code.
            let code = process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0)
            #expect(code == 128 + signal, "after \(step) ms")
        }
    }

    @Test("Without a /proc the arguments are what was typed", .enabled(if: isRoot, "only root can unmount /proc"))
    func withoutProc() throws {
        let host = try oneCard()
        func result(_ arguments: [String]) throws -> ProgramResult {
            try run(
                program: "/usr/bin/unshare",
                ["--mount", "sh", "-c", "umount -l /proc; exec \"$0\" \"$@\"", Build.plimsoll] + arguments,
                environment: host.environment)
        }
        #expect(try result(["--version"]).output == "0.1.0\n")
        #expect(try result(["fit", "1GiB", "--format", "{{.Name}} {{.Free}}"]).output == "A100 39GiB\n")
        #expect(try result(["fit", "80GiB"]).code == 1)
        #expect(try result(["nonsense"]).code == 64)
        // What starts the program again finds it by the path that it was started by.
        #expect(try result(["check", "--format", "json"]).output.contains("\"libraries\""))
        let none = try run(
            program: "/usr/bin/unshare",
            ["--mount", "sh", "-c", "umount -l /proc; exec \"$0\" \"$@\"", Build.plimsoll, "--procfs", "/proc"],
            environment: host.environment)
        #expect(none.errors.contains("proc: /proc/self: "))
        #expect(none.output.contains("A100"))
    }

    @Test(
        "Under a first process that reaps nobody no run leaves a zombie",
        .enabled(if: isRoot, "only root can be the first process of a PID namespace"))
    func zombies() throws {
        let host = try oneCard()
        // It waits for the program alone, as a container's first process does that knows of no other child.
        let script = """
            import os, subprocess, sys, time, signal
            program, commands = sys.argv[1], [c.split() for c in sys.argv[2:]]
            def start(words):
                pid = os.fork()
                if pid == 0:
                    null = os.open("/dev/null", os.O_RDWR)
                    for fd in (0, 1, 2): os.dup2(null, fd)
                    os.execv(program, [program] + words)
                return pid
            for words in commands:
                for _ in range(5): os.waitpid(start(words), 0)
            for number in (signal.SIGINT, signal.SIGTERM):
                pid = start(["stats", "--interval", "60"])
                time.sleep(0.3)
                os.kill(pid, number)
                os.waitpid(pid, 0)
            for name in filter(str.isdigit, os.listdir("/proc")):
                text = open(f"/proc/{name}/stat").read()
                if text.rsplit(")", 1)[1].split()[0] == "Z": print(text.split()[1])
            """
        let commands = [
            "ledger", "stats --no-stream", "ps", "whose 4242", "whose 99999", "fit 1GiB", "fit 80GiB", "check",
            "--help",
            "nonsense", "capture -", "run -- true", "wait 1GiB --for 3",
        ]
        let result = try run(
            program: "/usr/bin/unshare",
            ["--pid", "--fork", "--mount-proc", "python3", "-c", script, Build.plimsoll] + commands,
            environment: host.environment)
        #expect(result.errors == "")
        #expect(result.output == "")
    }
}
