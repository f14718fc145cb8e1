import Testing

@testable import Ledger

/// What the owners of folders tell of claims, and of engines.
extension ClaimedContainersTests {
    /// A service that delegates its cgroup to user 1000, and what pam_cgfs gives this user on cgroup v1.
    private static let service = "/system.slice/runner.service"
    private static let serviceClaim = "\(service)/docker-\(victim).scope"
    private static let owners: [String: UInt32] = [":/": 0, ":/system.slice": 0, ":\(service)": 1000]
    private static let sessions: [String: UInt32] = [
        "memory:/": 0, "memory:/user/bob/0/docker": 1000, "memory:/docker": 0,
    ]

    static let delegated: [Case] = [
        Case(
            what: "in a user's service, known by root's engine", paths: [serviceClaim], engines: [engine(0, victim)],
            owners: owners, believed: []),
        Case(
            what: "in a user's service, and the container stands elsewhere too", paths: [serviceClaim, fixedPlace],
            engines: [], owners: owners, believed: []),
        Case(
            what: "in a user's service, known by the engine that the user runs", paths: [serviceClaim],
            engines: [engine(0, outer), engine(1000, victim)], owners: owners, believed: [victim]),
        Case(
            what: "in a user's service, known by no engine", paths: [serviceClaim], engines: [engine(0, outer)],
            owners: owners, believed: [victim]),
        Case(
            what: "a rootless container, beside a claim in another user's service",
            paths: ["\(otherManager)/docker-\(victim).scope", serviceClaim], engines: [engine(1001, victim)],
            owners: owners, believed: [victim]),
        Case(
            what: "in a user's service, of another user's rootless container",
            paths: [serviceClaim, "\(otherManager)/docker-\(victim).scope"], engines: [engine(1001, victim)],
            owners: owners, believed: []),
        Case(
            what: "in a folder that pam_cgfs gave a user", paths: ["/\n5:memory:/user/bob/0/docker/\(victim)"],
            engines: [engine(0, victim)], owners: sessions, believed: []),
        Case(
            what: "root's container on cgroup v1", paths: ["/\n5:memory:/docker/\(victim)"],
            engines: [engine(0, victim)], owners: sessions, believed: [victim]),
        Case(
            what: "in a container, whose user moved the process into a folder of their own in one hierarchy",
            paths: ["/\n5:memory:/user/bob/0/docker/\(inner)/docker/\(victim)\n4:pids:/docker/\(outer)"],
            engines: [engine(0, outer, victim)], owners: sessions, believed: [outer]),
        Case(
            what: "in a copy of a host, all of whose folders are ours", paths: [fixedPlace],
            engines: [engine(0, victim)], owners: [":/": 1000, ":/system.slice": 1000], believed: [victim]),
        Case(
            what: "if the owners could not be read", paths: [serviceClaim], engines: [engine(0, victim)],
            owners: [":/": 0], believed: [victim]),
        Case(
            what: "in our user namespace, in a folder of somebody whom it does not map", paths: [fixedPlace],
            engines: [engine(0, victim)], view: ProcessView(inUserNamespace: true),
            owners: [":/": 0, ":/system.slice": 65534], believed: [victim]),
        Case(
            what: "in our user namespace, by one of its users", paths: [serviceClaim], engines: [engine(0, victim)],
            view: ProcessView(inUserNamespace: true), owners: owners, believed: []),
        Case(
            what: "in a user's service in a system container", paths: [serviceClaim], engines: [engine(0, victim)],
            view: ProcessView(
                inInitialNamespace: false, inCgroupNamespace: true, inUserNamespace: true, nvidiaDriver: "570.133.07"),
            owners: owners, believed: []),
    ]

    @Test(
        "Whoever owns the folder of a container's cgroup can claim it, and is judged like a user manager",
        arguments: delegated)
    func isDelegated(_ made: Case) { check(made) }

    @Test("A user's engine that lists the id of a container of root's gives it no name")
    func borrowedName() {
        let place = "/kubepods.slice/kubepods-pod1.slice/cri-containerd-\(victim).scope"
        func named(
            _ owner: UInt32, root: UInt32 = 0, folder: UInt32? = 0, _ view: ProcessView = ProcessView()
        ) -> String? {
            let engines = [engine(owner, victim, outer, name: "trainer")]
            let made = Case(
                what: "", paths: [place], engines: engines, view: view,
                owners: folder.map { [":/": root, ":/kubepods.slice/kubepods-pod1.slice": $0] }, believed: [])
            let snapshot = snapshot(made)
            #expect(snapshot.containers.map(\.id) == [victim])
            // One that the engine runs and that holds nothing keeps the name.
            #expect(snapshot.idleContainers.map(\.name) == ["trainer"])
            return snapshot.containers[0].name
        }
        #expect(named(1000) == nil)
        #expect(named(0) == "trainer")
        // The owner of the folder is not known.
        #expect(named(1000, folder: nil) == "trainer")
        // A copy of a host.
        #expect(named(1000, root: 1000, folder: 1000) == "trainer")
        // In a user namespace that does not map the engine's user.
        #expect(named(65534, ProcessView(inUserNamespace: true)) == "trainer")
    }
}
