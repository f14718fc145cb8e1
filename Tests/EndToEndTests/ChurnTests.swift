import Foundation
import Synchronization
import TestSupport
import Testing

/// A stream beside containers that come and go keeps nothing of those that have gone.
///
/// PLIMSOLL_CHURN says how many containers; 1000 take about a minute.
@Suite(.serialized, .enabled(if: Churn.absence == nil, "\(Churn.absence ?? "")"))
struct ChurnTests {
    private static let count = ProcessInfo.processInfo.environment["PLIMSOLL_CHURN"].flatMap { Int($0) } ?? 100

    @Test("However many containers start and end, no descriptor, thread, process or memory is left over in a stream")
    func nothingIsLeft() throws {
        let churn = try Churn(try ContainerHost())
        defer { churn.remove() }
        let stream = try RunningStream(churn.host.environment)
        // So that heap, threads and caches have the size that this load needs.
        _ = try churn.run(60)
        let before = try stream.settled()
        let lives = try churn.run(Self.count)
        let after = try stream.settled()
        print("lives", lives, "before", before, "after", after, "seen", stream.containers.count)
        #expect(lives.docker + lives.cgroups == Self.count)
    }
}

/// `plimsoll stats` into a pipe that is read.
private final class RunningStream {
    private let process = Process()
    private let seen = Seen()

    private final class Seen: Sendable {
        let ids = Mutex<Set<String>>([])
        let output = Pipe()
    }

    init(_ environment: [String: String]) throws {
        process.executableURL = URL(filePath: Build.plimsoll)
        process.arguments = ["stats", "--interval", "0.25", "--no-trunc", "--format", "{{.ID}}"]
        process.environment = environment
        process.standardOutput = seen.output
        try process.run()
        Thread.detachNewThread { [seen] in
            var rest = ""
            while case let data = seen.output.fileHandleForReading.availableData, !data.isEmpty {
                var lines = (rest + String(decoding: data, as: UTF8.self)).split(
                    separator: "\n", omittingEmptySubsequences: false)
                rest = String(lines.removeLast())
                seen.ids.withLock { $0.formUnion(lines.map(String.init)) }
            }
        }
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    /// That were shown so far.
    var containers: Set<String> { seen.ids.withLock { $0 } }

    /// What the program has, and what its child has, some readings after the last container has gone.
    func settled() throws -> (tool: Belongings, driver: Belongings) {
        sleep(3)
        let children = try Belongings.children(of: process.processIdentifier)
        try #require(children.count == 1)
        return (try Belongings(of: process.processIdentifier), try Belongings(of: children[0]))
    }
}
