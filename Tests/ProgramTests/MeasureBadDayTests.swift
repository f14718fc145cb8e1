import Foundation
import Glibc
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20

/// What goes wrong while `measure` runs: what was measured is kept, and nothing stays allocated or changed.
struct MeasureBadDayTests {
    @Test("A driver that hangs in one step: that step says so, and the next ones go on")
    func hangs() throws {
        let host = try MeasureHost()
        let (process, output) = try host.start([
            "--timeout", "1", "--step", "record-size", "--step", "memory-calls", "--step", "reserved", "--step",
            "context",
            "--step", "rounding", "--step", "ipc", "--step", "hanging-driver",
        ])
        var text = ""
        func read(until words: String) throws {
            while !text.contains(words) {
                let data = output.fileHandleForReading.availableData
                guard !data.isEmpty else { throw Unexpected("no '\(words)' in \(text)") }
                text += String(decoding: data, as: UTF8.self)
            }
        }
        try read(until: "record-size: agrees")
        host.host.driver.sleep()
        try read(until: "no answer within 1 s")
        host.host.driver.wake()
        try read(until: "Steps:")
        process.waitUntilExit()
        let report = try JSONDocument(String(contentsOfFile: host.reportPath, encoding: .utf8))
        let verdicts = report["steps"].elements.map { $0["verdict"].string ?? "" }
        #expect(verdicts.first == "agrees" && verdicts.contains("not-tried"))
        #expect(
            verdicts.suffix(2) == ["agrees", "agrees"], "the steps after it, and what the hanging one cost: \(text)")
        #expect(try host.freeBytes() == (4096 - 200) * mebibyte)
    }

    @Test("Ctrl-C in every step: exit code 130, the steps that are done are kept, and nothing stays allocated")
    func interrupted() throws {
        let host = try MeasureHost(["accounting": true, "mps": true])
        for step in MeasureHost.steps where !step.hasPrefix("container") {
            for delay: UInt32 in [60_000, 220_000] {
                try? FileManager.default.removeItem(atPath: host.reportPath)
                let (process, output) = try host.start(["--step", "first-call", "--step", step])
                // The first step is done.
                let first = output.fileHandleForReading.availableData
                usleep(delay)
                kill(process.processIdentifier, SIGINT)
                process.waitUntilExit()
                // It may have been done by then.
                #expect([0, 1, 2, 130].contains(process.terminationStatus), "\(step)")
                #expect(!first.isEmpty)
                let report = try JSONDocument(String(contentsOfFile: host.reportPath, encoding: .utf8))
                #expect(report["steps"][0]["name"].string == (step == "waking" ? "waking" : "first-call"), "\(step)")
                try wait("\(step): nothing is left") { try host.freeBytes() == (4096 - 200) * mebibyte }
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: host.tree.scratch.path("tmp")) == [])
    }

    @Test(
        "A setting is changed only if it is asked for, and is as it was afterwards, also after Ctrl-C and SIGKILL",
        .enabled(if: geteuid() == 0, "settings are root's"))
    func settings() throws {
        let host = try MeasureHost()
        let off = "accounting mode is off; repeat with --set accounting to turn it on for this step"
        #expect(try host.measure(["accounting"]).reason("accounting") == off)
        let measured = try host.measure(["accounting"], ["--set", "accounting"])
        #expect(measured.verdict("accounting") == "agrees")
        #expect(measured.report["changedSettings"].elements.map(\.string) == ["accounting"])
        #expect(try host.measure(["accounting"]).reason("accounting") == off)
        for number in [SIGINT, SIGKILL] {
            let (process, _) = try host.start(["--set", "accounting", "--step", "accounting", "--step", "run-cost"])
            usleep(150_000)
            kill(process.processIdentifier, number)
            process.waitUntilExit()
            try wait("it is off again") { try host.measure(["accounting"]).reason("accounting") == off }
        }
        // Where persistence mode is on it stays on: a GPU forgets its settings without it.
        #expect(
            try host.measure(["first-call"], ["--set", "persistence"]).step("first-call")?["seen"].elements.count == 1)
        let asleep = try MeasureHost(["wakesInSeconds": 1.2])
        let persistence = try asleep.measure(["first-call"], ["--set", "persistence"])
        #expect(persistence.verdict("first-call") == "agrees")
        #expect((persistence.seen("first-call", "without persistence mode, unused")?["seconds"].number ?? 0) >= 1.2)
        #expect((persistence.seen("first-call", "with the GPU awake")?["seconds"].number ?? 9) < 1.2)
        #expect(persistence.report["changedSettings"].elements.map(\.string) == ["persistence"])
        #expect(persistence.report["unrestoredSettings"].elements.isEmpty)
        #expect(persistence.report["gpus"].elements.count == 1)
        #expect(try asleep.measure(["first-call"]).seen("first-call", "without persistence mode, unused") != nil)
    }

    @Test("Without the rights for a setting the step says so", .enabled(if: geteuid() == 0, "needs root to be another"))
    func noRights() throws {
        let host = try MeasureHost()
        chmod(host.tree.scratch.url.path, 0o777)
        let result = try run(
            program: "/usr/bin/setpriv",
            ["--reuid", "65534", "--clear-groups", Build.plimsoll, "measure", "--output", host.reportPath]
                + ["--set", "accounting", "--step", "accounting", "--step", "context"],
            environment: host.environment)
        #expect(
            result.output.contains("accounting: not tried: needs root"), "\(result.output)\(result.errors)")
        #expect(result.output.contains("context: agrees"))
    }

    @Test("A full disk: told before anything is measured, and while measuring the report is printed all the same")
    func fullDisk() throws {
        let host = try MeasureHost()
        let folder = host.tree.scratch.path("no-such-folder/measured.json")
        let early = try run(["measure", "--output", folder, "--step", "context"], environment: host.environment)
        #expect(early.code == 2)
        #expect(early.output == "" && early.errors.contains("no-such-folder"))
        let full = try run(["measure", "--output", "/dev/full", "--step", "context"], environment: host.environment)
        #expect(full.code == 2)
        #expect(full.output.contains("context: agrees"))
        #expect(full.errors.contains("No space left on device"))
    }

    @Test("A GPU that others use: what leaves them less than 5% is not tried, and their memory stays")
    func others() throws {
        let host = try MeasureHost()
        let holding = try Holding(["0:3GiB"], driver: host.host.driver)
        defer { holding.end() }
        let measured = try host.measure(["record-size", "memory-calls", "reserved", "context", "rounding"])
        #expect(measured.reason("rounding") == "needs 1.627GiB and leaves 5% of the GPU to others; 724MiB is free")
        #expect(measured.verdict("record-size") == "agrees", "the others are listed")
        #expect(measured.verdict("memory-calls") == "agrees")
        #expect(holding.process.isRunning)
        #expect(try host.freeBytes() == (4096 - 200 - 3072 - 100) * mebibyte)
    }

    @Test("A GPU in an exclusive mode is not used, and an MPS server that others use is left to them")
    func exclusive() throws {
        let exclusive = try MeasureHost(["computeMode": 3]).measure(["context", "memory-calls"])
        #expect(exclusive.result.code == 2)
        #expect(exclusive.reason("context")?.contains("exclusive compute mode") == true)
        let host = try MeasureHost(["mps": true])
        let holding = try Holding(["0:64MiB"], driver: host.host.driver)
        defer { holding.end() }
        #expect(try host.measure(["mps"]).reason("mps") == "other processes use the MPS server")
    }

    @Test("A GPU with as many processes as a driver lists is measured too")
    func manyProcesses() throws {
        let listed = (1...940).map { HostTree.listed(100_000 + $0, 1, ["compute", "graphics"]) }
        let measured = try MeasureHost(["processes": listed]).measure(["context", "record-size"])
        #expect(measured.result.code == 0, "\(measured.result.output)")
    }

    @Test("It holds no more than 2 GiB at any time")
    func atMost() throws {
        let host = try MeasureHost()
        let steps = MeasureHost.steps.filter { $0 != "run-cost" }
        var least = Int64.max
        // On a busy machine the readings of one run may all miss the moments in which it holds memory.
        for _ in 0..<5 where least >= (4096 - 200 - 400) * mebibyte {
            let (process, output) = try host.start(steps.flatMap { ["--step", $0] })
            while process.isRunning { least = min(least, try host.freeBytes() ?? .max) }
            _ = output.fileHandleForReading.readDataToEndOfFile()
        }
        #expect(least >= (4096 - 200 - 2048) * mebibyte)
        #expect(least < (4096 - 200 - 400) * mebibyte, "it was seen while it held memory")
    }

    @Test("A GPU that is not there is told as such, and nothing is measured on another")
    func otherGPU() throws {
        let measured = try MeasureHost().measure(["context"], ["--device", "9"])
        #expect(measured.result.code == 2)
        #expect(measured.reason("context") == "no NVIDIA GPU has the index or UUID of --device")
    }

    @Test("Wrong words are refused with what there is")
    func wrongUsage() throws {
        for (arguments, words) in [
            (["--step", "contxt"], "Unknown name 'contxt' (did you mean 'context'?); use waking, first-call"),
            (["--set", "mig"], "Unknown name 'mig'; use accounting, persistence"),
            (["--replay", "x"], "'measure' does not take --replay"),
        ] {
            let result = try run(["measure"] + arguments)
            #expect(result.code == 64)
            #expect(result.errors.contains(words), "\(result.errors)")
        }
    }

    private func wait(_ what: String, until done: () throws -> Bool) throws {
        guard try waitUntil(done) else { throw Unexpected("waited in vain: \(what)") }
    }
}
