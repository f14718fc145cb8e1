import Foundation
import Synchronization
import TestSupport
import Testing

struct ChurnPlaceTests {
    @Test("Under CI cgroups can be made: there the churn is not skipped", .enabled(if: RealDocker.isCI))
    func cgroupsCanBeMade() {
        #expect(Churn.absence == nil)
    }
}

/// A stream beside containers that come and go keeps nothing of those that have gone.
///
/// PLIMSOLL_CHURN says how many; `.ci/run` asks for a thousand, which take about a minute on two cores. It takes as many for
/// memory to be told from the heap's own ways; descriptors and processes are told by a hundred.
@Suite(.serialized, .enabled(if: Churn.absence == nil, "\(Churn.absence ?? "")"))
struct ChurnTests {
    private static let count = ProcessInfo.processInfo.environment["PLIMSOLL_CHURN"].flatMap { Int($0) } ?? 100

    /// Bytes by which the tool and each of its children may be larger afterwards.
    ///
    /// What was read of the last 64 cgroups is kept until others come, and the heap of a child grew by 308 KiB beside other tests,
    /// once, however many containers there were. A stream that forgets to forget processes keeps about 800 bytes of each: a
    /// thousand tell that from the heap's own ways.
    private static let slack = 512 << 10

    @Test("However many containers start and end, a stream has no descriptor, process or memory left over of them")
    func nothingIsLeft() throws {
        let churn = try Churn(try ContainerHost())
        defer { churn.remove() }
        let stream = try RunningStream(churn.host.environment)
        // So that heap and threads have the size that this many at a time need.
        let first = try churn.run(max(60, Self.count / 5))
        let before = try stream.settled()
        let lives = try churn.run(Self.count)
        let after = try stream.settled()
        print("\(lives.docker) containers of Docker and \(lives.cgroups) cgroups in \(Int(lives.seconds)) s")
        print("\(stream.containers.count) shown since the start")
        for (before, after) in zip(before, after) { print("\(before.name): \(before), then \(after)") }

        #expect(lives.docker + lives.cgroups == Self.count)
        // Each holds for a second, four readings; on a machine that stands still meanwhile one may be missed.
        let all = Self.count + first.docker + first.cgroups
        #expect((all * 9 / 10...all).contains(stream.containers.count))
        for (before, after) in zip(before, after) {
            #expect(after.name == before.name)
            #expect(after.descriptors == before.descriptors)
            #expect(after.anonymous - before.anonymous < Self.slack)
            #expect(after.resident - before.resident < Self.slack)
        }
    }
}

/// `plimsoll stats` into a pipe that is read.
private final class RunningStream {
    private let process: Process
    private let seen = Seen()

    private final class Seen: Sendable {
        let ids = Mutex<Set<String>>([])
        let output = Pipe()
    }

    init(_ environment: [String: String]) throws {
        process = try launch(
            ["stats", "--interval", "0.25", "--no-trunc", "--format", "{{.ID}}"], environment: environment,
            output: seen.output)
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

    /// What the program and each of its children have, some readings after the last container has gone.
    func settled() throws -> [Belongings] {
        sleep(3)
        let children = try Belongings.children(of: process.processIdentifier)
        try #require(children.count == 2)
        return try ([process.processIdentifier] + children).map { try Belongings(of: $0) }.sorted { $0.name < $1.name }
    }
}
