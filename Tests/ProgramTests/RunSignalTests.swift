import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20

/// A command under `run` has the signals and the terminal as if it ran by itself.
struct RunSignalTests {
    @Test("It finds signals as we were given them: none held back, none ignored that was not")
    func signalsAsGiven() throws {
        let host = try runHost()
        let words = ["grep", "^Sig[BIC]", "/proc/self/status"]
        let plain = try run(program: "/usr/bin/env", words, environment: host.real).output
        #expect(try run(["run"] + words, environment: host.real).output == plain)
        let script = "trap '' HUP PIPE; exec \"$@\""
        let ignoring = try run(program: "/bin/sh", ["-c", script, "sh"] + words, environment: host.real).output
        #expect(ignoring != plain)
        let under = try run(
            program: "/bin/sh", ["-c", script, "sh", Build.plimsoll, "run"] + words, environment: host.real)
        #expect(under.output == ignoring)
    }

    @Test(
        "A signal that we are sent is the command's, once",
        arguments: [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2])
    func passedOn(_ signal: Int32) throws {
        let host = try runHost()
        let file = host.tree.scratch.path("told")
        let script =
            "trap 'echo got >> \(file)' \(signal); echo ready >> \(file); "
            + "while [ $(wc -l < \(file)) -lt 2 ]; do sleep 0.05; done; sleep 0.2; exit 7"
        let process = try host.start(["run", "--quiet", "--", "sh", "-c", script])
        while (try? String(contentsOfFile: file, encoding: .utf8)) == nil { usleep(20_000) }
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit)
        #expect(process.terminationStatus == 7)
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "ready\ngot\n")
    }

    @Test("A key of the terminal reaches the command once, and the summary stands behind its last line")
    func terminal() throws {
        let host = try runHost()
        let terminal = try PseudoTerminal(columns: 60, rows: 20)
        let script = "trap 'echo got' INT; tty; i=0; while [ $i -lt 30 ]; do sleep 0.1; i=$((i+1)); done; exit 5"
        let process = try host.start(["run", "--", "sh", "-c", script], terminal: terminal)
        var shown = terminal.reader.read { $0.contains("/dev/pts/") }
        terminal.type("\u{3}")
        process.waitUntilExit()
        shown += terminal.reader.rest()
        #expect(process.terminationStatus == 5)
        #expect(shown.components(separatedBy: "got").count == 2)
        let lines = shown.components(separatedBy: "\r\n")
        #expect(lines.contains { $0.hasPrefix("plimsoll: GPU memory of sh, which ran for ") })
        #expect(lines.allSatisfy { $0.count <= 60 })
    }

    @Test("A terminal that goes away ends the command as it would without us; the report is written all the same")
    func terminalGoesAway() throws {
        let host = try runHost()
        var terminal: PseudoTerminal? = try PseudoTerminal(columns: 80, rows: 20)
        let script = "tty; \(hold) --for 20 0:100MiB"
        let process = try host.start(
            ["run", "--report", host.reportPath, "--", "sh", "-c", script], terminal: terminal)
        #expect(terminal?.reader.read { $0.contains("holding") }.contains("holding") == true)
        usleep(1_500_000)
        terminal = nil
        process.standardInput = nil
        process.waitUntilExit()
        let report = try JSONDocument(String(contentsOfFile: host.reportPath, encoding: .utf8))
        #expect(report["signal"].integer == Int64(SIGHUP))
        #expect(report["devices"][0]["peakBytes"].integer == 200 * mebibyte)
    }

    @Test(
        "So is every other that can be caught: a batch system's, an init system's, a real-time one",
        arguments: [SIGXCPU, SIGABRT, SIGWINCH, SIGIO, SIGPWR, 37])
    func othersPassedOn(_ signal: Int32) throws {
        let host = try runHost()
        let file = host.tree.scratch.path("told")
        // The shell of Debian knows no real-time signals; Python does.
        let script = """
            import signal, time, sys
            told = open("\(file)", "a", 1)
            signal.signal(\(signal), lambda *_: (told.write("got\\n"), sys.exit(7)))
            told.write("ready\\n")
            time.sleep(10)
            """
        let process = try host.start(["run", "--quiet", "--", "python3", "-c", script])
        while (try? String(contentsOfFile: file, encoding: .utf8)) != "ready\n" { usleep(20_000) }
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationStatus == 7)
    }

    @Test("A signal that came before the command could begin: it does not begin", arguments: [SIGINT, SIGTERM])
    func interruptedEarly(_ signal: Int32) throws {
        let host = try runHost()
        let file = host.tree.scratch.path("ran")
        // Held back while the program starts, as by whoever blocks signals around fork and exec, and sent meanwhile.
        let script = """
            import os, signal, sys
            signal.pthread_sigmask(signal.SIG_BLOCK, [\(signal)])
            os.kill(os.getpid(), \(signal))
            os.execv(sys.argv[1], sys.argv[1:])
            """
        let result = try run(
            program: "/usr/bin/env", ["python3", "-c", script, Build.plimsoll, "run", "--", "touch", file],
            environment: host.real)
        #expect(result.code == 128 + signal)
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    @Test("A report that nobody takes can be interrupted, before the command and after it")
    func reportThatHangs() throws {
        let host = try runHost()
        let pipe = host.tree.scratch.path("pipe.json")
        #expect(mkfifo(pipe, 0o600) == 0)
        let process = try host.start(["run", "--report", pipe, "--", "true"])
        usleep(1_500_000)
        #expect(process.isRunning)
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        // Who reads it gets it whole.
        let reading = try host.start(["run", "--quiet", "--report", pipe, "--", "true"])
        let told = try run(program: "/bin/cat", [pipe]).document()
        #expect(told["exitCode"].integer == 0)
        reading.waitUntilExit()
        #expect(reading.terminationStatus == 0)
    }

    @Test("Orphans are taken leave of while the command runs, also where the driver's child has ended")
    func noZombies() throws {
        let host = try runHost()
        let script = "for i in 1 2 3 4 5; do (sleep 0.1 &); done; sleep 3; ps -o stat= --ppid $PPID | grep -c Z"
        let process = try host.start([
            "run", "--quiet", "--interval", "60s", "--", "sh", "-c", script + " > \(host.reportPath)",
        ])
        let pattern = ["-x", "-P", String(process.processIdentifier), "plimsoll-driver"]
        var driver = ""
        _ = try waitUntil {
            driver = try run(program: "/usr/bin/pgrep", pattern).output
            // A child has its parent's name until it gives itself its own.
            return driver.split(separator: "\n").count == 1
        }
        kill(try #require(Int32(driver.trimmingCharacters(in: .whitespacesAndNewlines))), SIGKILL)
        process.waitUntilExit()
        #expect(try String(contentsOfFile: host.reportPath, encoding: .utf8) == "0\n")
    }
}
