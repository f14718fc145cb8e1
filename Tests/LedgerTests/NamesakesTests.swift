import Testing

@testable import Ledger

/// Containers that have one name: of two pods, two runtimes, two users, or two containers around them.
struct NamesakesTests {
    private static let uids = ["ce705797-e47e-11e9-bd71-42010a000002", "ce705797-e47e-11e9-bd71-42010a000003"]
    private static let outers = ["a", "b"].map { String(repeating: $0, count: 64) }

    private static func user(_ uid: Int) -> String {
        "/user.slice/user-\(uid).slice/user@\(uid).service/user.slice/crun-web.scope"
    }

    struct Pair: Sendable, CustomTestStringConvertible {
        var what: String
        var paths: [String]
        var ids: [String]
        /// What both are called in the tables.
        var name: String
        var verified = [true, true]
        var testDescription: String { what }
    }

    static let pairs: [Pair] = [
        Pair(
            what: "in two pods", paths: uids.map { "/kubepods/besteffort/pod\($0)/app" }, ids: uids.map { "\($0)/app" },
            name: "app"),
        Pair(
            what: "of two runtimes", paths: ["/lxc.payload.web", "/machine.slice/crun-web.scope"],
            ids: ["/lxc.payload.web", "/machine.slice/crun-web.scope"], name: "web"),
        Pair(
            what: "of a runtime as root and of a user's", paths: ["/lxc.payload.web", user(1000)],
            ids: ["/lxc.payload.web", user(1000)], name: "web", verified: [true, false]),
        Pair(
            what: "of two users", paths: [user(1000), user(1001)], ids: [user(1000), user(1001)], name: "web",
            verified: [false, false]),
        Pair(
            what: "in two containers", paths: outers.map { "/docker/\($0)/lxc.payload.web" },
            ids: outers.map { "/docker/\($0)/lxc.payload.web" }, name: "web"),
    ]

    private func observation(_ pair: Pair) -> Observation {
        let device = ObservedDevice(
            index: "0", vendor: .nvidia, uuid: "u", name: "n", pci: nil,
            memory: .known(ObservedMemory(total: 1000, used: 300, free: 700)), utilizationPercent: .known(0),
            compute: .read([ListedProcess(pid: 1, bytes: 100), ListedProcess(pid: 2, bytes: 200)]),
            graphics: .read([]), mps: .read([]))
        var observation = Observation(
            time: 0, host: "h", view: ProcessView(), devices: [device],
            processes: pair.paths.enumerated().map {
                ObservedProcess(pid: UInt32($0 + 1), startTick: 1, cgroup: .known("0::\($1)\n"))
            })
        observation.cgroupLimits = Dictionary(
            uniqueKeysWithValues: pair.paths.enumerated().map {
                (":\($1)", Reading<Limit<UInt64>>.known(.amount(UInt64($0 + 1) << 30)))
            })
        return observation
    }

    @Test("Containers that have one name are not added up: each has its memory and its RAM limit", arguments: pairs)
    func apart(_ pair: Pair) throws {
        let snapshot = Snapshot(observation(pair))
        let containers = try pair.ids.map { id in try #require(snapshot.containers.first { $0.id == id }) }
        #expect(snapshot.containers.count == 2)
        #expect(containers.map(\.bytes) == [100, 200])
        #expect(containers.map(\.name) == [pair.name, pair.name])
        #expect(containers.map(\.ramLimit) == [1 << 30, 2 << 30])
        #expect(containers.map(\.verified) == pair.verified)
        #expect(snapshot.processes.map(\.container) == [pair.ids[1], pair.ids[0]])
    }

    @Test("A container whose name no other has goes by its name")
    func alone() throws {
        var observation = observation(Self.pairs[1])
        observation.processes[1].cgroup = .known("0::/lxc.payload.web/nested\n")
        let container = try #require(Snapshot(observation).containers.first)
        #expect(container.id == "web")
        #expect(container.bytes == 300)
    }

    @Test("A user's folder that has the very form of another's container is still no container")
    func claim() throws {
        var pair = Self.pairs[1]
        pair.paths[1] = "/user.slice/user-1000.slice/user@1000.service/lxc.payload.web"
        let snapshot = Snapshot(observation(pair))
        #expect(snapshot.containers.map(\.id) == ["web"])
        #expect(snapshot.containers.first?.bytes == 100)
    }
}
