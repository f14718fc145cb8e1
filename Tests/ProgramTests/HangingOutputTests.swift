import Foundation
import TestSupport
import Testing

private let canHang = Comment(rawValue: HangingFile.absence ?? "")

@Suite(
    "Files that the user names, in a file system that hangs, are given up at the deadline",
    .enabled(if: HangingFile.absence == nil, canHang), .serialized)
struct HangingOutputTests {
    @Test("capture into such a folder says so", arguments: Caller.possible, ["own/x.json", "link"])
    func capture(_ caller: Caller, _ name: String) throws {
        let folder = try OutputFolder(caller)
        let hanging = try HangingFile(over: folder.path("own"), .everything)
        defer { hanging.end() }
        try folder.link("link", to: "own/x.json")
        let result = try caller.capture(folder.path(name), "--timeout", "0.5")
        #expect(result.code == 2)
        let reason = "it was not written within 0.5 s; a longer --timeout allows more"
        #expect(result.errors == "plimsoll: cannot write \(folder.path(name)): \(reason)\n")
        #expect(0.5..<(2 + busyMachine) ~= result.seconds)
    }

    @Test("So does --replay of such a file", arguments: Caller.possible, [HangingFile.Hang.reading, .everything])
    func replay(_ caller: Caller, _ hang: HangingFile.Hang) throws {
        let folder = try OutputFolder(caller)
        let path = try folder.file("own/x.json")
        let hanging = try HangingFile(over: path, hang)
        defer { hanging.end() }
        let result = try caller.run(Build.plimsoll, ["--replay", path, "--timeout", "0.5"])
        #expect(result.code == 2)
        #expect(result.errors == "plimsoll: \(path) did not bring a recording within 0.5 s\n")
        #expect(0.5..<(2 + busyMachine) ~= result.seconds)
    }

    @Test("run starts its command at once all the same, and says so at the end", arguments: Caller.possible)
    func report(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        let hanging = try HangingFile(over: folder.path("own"), .everything)
        defer { hanging.end() }
        let path = folder.path("own/x.json")
        let began = Date()
        let result = try caller.run(
            Build.plimsoll,
            ["run", "--quiet", "--timeout", "0.5", "--report", path, "--report", path, "--", "date", "+%s.%N"])
        let started = try #require(Double(result.output.trimmingCharacters(in: .newlines)))
        #expect(started - began.timeIntervalSince1970 < 1 + busyMachine)
        #expect(result.code == 125)
        let line = "plimsoll: cannot write \(path): it was not written within 0.5 s; a longer --timeout allows more\n"
        #expect(result.errors == line + line)
        #expect(result.seconds < 5 + busyMachine)
    }

    @Test("Ctrl-C ends the wait", arguments: [SIGINT, SIGTERM], Caller.possible)
    func interrupted(_ signal: Int32, _ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        let hanging = try HangingFile(over: folder.path("own"), .everything)
        defer { hanging.end() }
        let words = caller.captureWords(folder.path("own/x.json"))
        let process = try launch(program: words[0], Array(words.dropFirst()))
        usleep(500_000)
        #expect(process.isRunning)
        let sent = Date()
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(-sent.timeIntervalSinceNow < 1 + busyMachine)
        #expect(process.terminationStatus == 128 + signal)
    }
}

@Suite(.serialized) struct InterruptedOutputTests {
    /// As many containers with long names as make a recording of many megabytes.
    private func largeRecording(at path: String) throws {
        let sample = try String(contentsOf: Build.package.appending(path: "samples/workstation.json"), encoding: .utf8)
        var document = try #require(
            JSONSerialization.jsonObject(with: Data(sample.utf8)) as? [String: Any])
        var observation = try #require(document["observation"] as? [String: Any])
        var engines = try #require(observation["engines"] as? [[String: Any]])
        let containers = try #require(engines[0]["containers"] as? [[String: Any]])
        let long = String(repeating: "n", count: 500)
        engines[0]["containers"] = (0..<15_000).map { number in
            containers[0].merging(["name": "\(number)\(long)", "image": long]) { $1 }
        }
        observation["engines"] = engines
        document["observation"] = observation
        try JSONSerialization.data(withJSONObject: document).write(to: URL(filePath: path))
    }

    @Test("SIGTERM while a recording is written leaves no part of it", arguments: Caller.possible)
    func terminated(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        let recording = folder.path("large.json")
        try largeRecording(at: recording)
        var caught = 0
        for _ in 0..<20 where caught < 3 {
            let words = caller.words(Build.plimsoll, ["capture", folder.path("own/x.json"), "--replay", recording])
            let process = try launch(program: words[0], Array(words.dropFirst()))
            while process.isRunning, try folder.names("own").isEmpty {}
            kill(process.processIdentifier, SIGTERM)
            process.waitUntilExit()
            // The child may tidy up a moment after the end.
            let tidy = try waitUntil { try folder.names("own").allSatisfy { $0 == "x.json" } }
            if process.terminationStatus == 128 + SIGTERM {
                caught += 1
                #expect(tidy)
            }
            unlink(folder.path("own/x.json"))
        }
        #expect(caught > 0, "the signal always came too late")
    }
}
