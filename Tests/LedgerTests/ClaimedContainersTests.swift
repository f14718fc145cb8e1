import Testing

@testable import Ledger

private func id(_ digit: Character) -> String { String(repeating: digit, count: 64) }

let victim = id("a")
let outer = id("b")
let inner = id("c")
let fixedPlace = "/system.slice/docker-\(victim).scope"
private let manager = "/user.slice/user-1000.slice/user@1000.service"
let otherManager = "/user.slice/user-1001.slice/user@1001.service"
private let claim = "\(manager)/app.slice/docker-\(victim).scope"
private let outerPlace = "/system.slice/docker-\(outer).scope"

func engine(_ owner: UInt32?, _ ids: String..., name: String? = nil) -> ObservedEngine {
    ObservedEngine(
        runtime: .docker,
        containers: ids.map { EngineContainer(id: $0, name: name ?? "n-\($0.prefix(1))", image: nil) },
        owner: owner)
}

/// A container that nothing names, like those of LXC and nspawn, whose users and engines are those of the container.
private func systemContainer(inUserNamespace: Bool = false) -> ProcessView {
    ProcessView(
        inInitialNamespace: false, inCgroupNamespace: true, inUserNamespace: inUserNamespace,
        nvidiaDriver: "570.133.07")
}

/// The view from inside a container whose id its own mounts tell.
private func inside(_ id: String) -> ProcessView {
    ProcessView(
        inCgroupNamespace: true,
        ownMounts: [OwnMount(root: "/overlay-containers/\(id)/userdata/.containerenv", point: "/run/.containerenv")])
}

private let failed = SourceReport(name: "docker", seconds: 0, error: .noAnswer(seconds: 2))
private let forbidden = SourceReport(name: "docker", seconds: 0, error: .other("no permission"), isForbidden: true)
private let absent = SourceReport(name: "docker", seconds: 0, error: .other("none here"), isAbsent: true)

struct ClaimedContainersTests {
    /// Cgroup paths of processes, the engines that answered, and whose the first process is.
    struct Case: Sendable, CustomTestStringConvertible {
        var what: String
        var paths: [String]
        var engines: [ObservedEngine]
        var sources: [SourceReport] = []
        var view = ProcessView()
        var owners: [String: UInt32]?
        /// Outermost first; none for the host.
        var believed: [String]
        var isVerified = true

        var testDescription: String { what }
    }

    static let falseClaims: [Case] = [
        Case(
            what: "below a user's manager, known by root's engine: the host's", paths: [claim],
            engines: [engine(0, victim)], believed: []),
        Case(
            what: "below a user's manager, known by another user's engine", paths: [claim],
            engines: [engine(1001, victim)], believed: []),
        Case(
            what: "below a folder that is named like root's manager, in a user's own",
            paths: [
                "\(manager)/user@0.service/docker-\(victim).scope"
            ], engines: [engine(0, victim)], believed: []),
        Case(
            what: "twice, one in the other", paths: ["\(claim)/docker-\(victim).scope"], engines: [engine(0, victim)],
            believed: []),
        Case(
            what: "below a false one, known by no engine: by its own id, and never beneath the other's name",
            paths: ["\(claim)/docker-\(inner).scope"], engines: [engine(0, victim)], believed: [inner]),
        Case(
            what: "by the first digits of an id", paths: ["\(manager)/docker-\(victim.prefix(12)).scope"],
            engines: [engine(0, victim)], believed: []),
        Case(
            what: "by an id that looks the same where ids are cut",
            paths: [
                "\(manager)/docker-\(victim.prefix(12) + outer.prefix(52)).scope"
            ], engines: [engine(0, victim)], believed: []),
        Case(
            what: "as a cgroupfs runtime writes it", paths: ["\(manager)/x.slice:docker:\(victim)"],
            engines: [engine(0, victim)], believed: []),
        Case(
            what: "as a bare id", paths: ["\(manager)/docker/\(victim)"], engines: [engine(0, victim)], believed: []),
        Case(
            what: "as Podman's", paths: ["\(manager)/user.slice/libpod-\(victim).scope/container"],
            engines: [engine(0, victim)], believed: []),
        Case(
            what: "inside the rootless container that really runs it: the rootless one's",
            paths: [
                "\(manager)/user.slice/docker-\(outer).scope/docker-\(victim).scope"
            ], engines: [engine(0, victim), engine(1000, outer)], believed: [outer]),
        Case(
            what: "inside a container of the same engine: the outer one's",
            paths: [
                "\(outerPlace)/docker-\(victim).scope"
            ], engines: [engine(0, outer, victim)], believed: [outer]),
        Case(
            what: "inside a container of the same engine, with one that nobody knows between",
            paths: [
                "\(outerPlace)/docker/\(inner)/docker/\(victim)"
            ], engines: [engine(0, outer, victim)], believed: [outer, inner]),
        Case(
            what: "inside a container whose folder is named like a pod of Podman's",
            paths: ["/jobs/\(outer)/libpod-\(victim)"], engines: [engine(0, outer, victim)], believed: [outer]),
        Case(
            what: "inside a container, below a user manager of its own",
            paths: [
                "\(outerPlace)/user.slice/user-0.slice/user@0.service/docker-\(victim).scope"
            ], engines: [engine(0, outer, victim)], believed: [outer]),
        Case(
            what: "inside a container, known by no engine, and it stands elsewhere too",
            paths: [
                "\(outerPlace)/docker/\(victim)", fixedPlace,
            ], engines: [], believed: [outer]),
        Case(
            what: "below a user's manager, known by no engine, and it stands elsewhere too",
            paths: [claim, fixedPlace],
            engines: [], sources: [failed], believed: []),
        Case(
            what: "below another user's manager than the one whose engine has it",
            paths: [
                "\(otherManager)/docker-\(victim).scope", claim,
            ], engines: [engine(1000, victim), engine(0)], believed: []),
        Case(
            what: "inside a container, of one that a user's engine runs elsewhere",
            paths: ["\(outerPlace)/docker-\(victim).scope", claim], engines: [engine(1000, victim), engine(0, outer)],
            believed: [outer]),
        Case(
            what: "by the user's own engine, of a container that root runs", paths: [claim, fixedPlace],
            engines: [engine(1000, victim), engine(0, victim)], believed: []),
        Case(
            what: "of a container of LXC that root runs", paths: ["\(manager)/lxc.payload.web", "/lxc.payload.web"],
            engines: [], believed: []),
        Case(
            what: "seen from inside the container that makes it", paths: ["/docker-\(victim).scope"],
            engines: [engine(0, outer, victim)], view: inside(outer),
            believed: []),
        Case(
            what: "below a user's manager, seen from inside a system container", paths: [claim, fixedPlace],
            engines: [engine(0, victim)], view: systemContainer(), believed: []),
        Case(
            what: "below a user's manager in an unprivileged system container, known by its root's engine",
            paths: [claim], engines: [engine(0, victim)], view: systemContainer(inUserNamespace: true), believed: []),
        Case(
            what: "inside a container of the system container that we are in, and it stands elsewhere too",
            paths: ["\(outerPlace)/docker/\(victim)", fixedPlace], engines: [], view: systemContainer(),
            believed: [outer]),
    ]

    static let trueOnes: [Case] = [
        Case(what: "root's engine", paths: [fixedPlace], engines: [engine(0, victim)], believed: [victim]),
        Case(
            what: "a proxy in front of root's engine", paths: [fixedPlace], engines: [engine(99, victim)],
            believed: [victim]),
        Case(
            what: "root's engine in an old recording", paths: [fixedPlace], engines: [engine(nil, victim)],
            believed: [victim]),
        Case(what: "no engine", paths: [fixedPlace], engines: [], sources: [failed], believed: [victim]),
        Case(
            what: "--cgroup-parent", paths: ["/my.slice/docker-\(victim).scope"], engines: [engine(0, victim)],
            believed: [victim]),
        Case(
            what: "root's engine, beside a claim", paths: [fixedPlace, claim], engines: [engine(0, victim)],
            believed: [victim]),
        Case(
            what: "rootless, asked by its user or by root", paths: ["\(manager)/user.slice/docker-\(victim).scope"],
            engines: [engine(0, outer), engine(1000, victim)], believed: [victim]),
        Case(
            what: "rootless, asked through two sockets", paths: [claim],
            engines: [engine(1000, victim), engine(1000, victim)], believed: [victim]),
        Case(
            what: "rootless, in a pod",
            paths: [
                "\(manager)/user.slice/user-libpod_pod_\(outer).slice/libpod-\(victim).scope/container"
            ], engines: [engine(1000, victim)], believed: [victim]),
        Case(
            what: "rootless, of an engine that is not asked", paths: [claim], engines: [engine(0, outer)],
            believed: [victim]),
        Case(
            what: "rootless, where there is no engine to ask", paths: [claim], engines: [], sources: [absent],
            believed: [victim]),
        Case(
            what: "rootless, where we may not ask root's engine", paths: [claim], engines: [engine(1000, outer)],
            sources: [forbidden], believed: [victim]),
        Case(what: "a user's LXC", paths: ["\(manager)/lxc.payload.web"], engines: [], believed: ["web"]),
        Case(
            what: "Docker in Docker", paths: ["\(outerPlace)/docker/\(inner)"], engines: [engine(0, outer)],
            believed: [outer, inner]),
        Case(
            what: "kind",
            paths: [
                "\(outerPlace)/kubelet.slice/kubelet-kubepods.slice/cri-containerd-\(inner).scope"
            ], engines: [engine(0, outer)], believed: [outer, inner]),
        Case(
            what: "in a pod of Podman's with cgroupfs, whose id a user's engine lists",
            paths: ["/jobs/\(outer)/libpod-\(inner)"], engines: [engine(0, inner), engine(1000, outer)],
            believed: [inner]),
        Case(
            what: "Docker in Docker in rootless Docker", paths: ["\(manager)/docker-\(outer).scope/docker/\(inner)"],
            engines: [engine(1000, outer)], believed: [outer, inner]),
        Case(
            what: "BuildKit in a container", paths: ["\(outerPlace)/buildkit/7ojj7xkh0b5d6whlb9c2omxa6"],
            engines: [engine(0, outer)], believed: [outer, "7ojj7xkh0b5d6whlb9c2omxa6"]),
        Case(
            what: "Docker in Docker, asked from inside", paths: ["/docker/\(inner)"], engines: [engine(0, inner)],
            view: inside(outer), believed: [inner]),
        Case(
            what: "a sibling, seen from inside a container", paths: ["/../docker-\(victim).scope"],
            engines: [engine(0, outer, victim)], view: inside(outer),
            believed: [victim]),
        Case(
            what: "root's engine in a system container, beside a claim", paths: [fixedPlace, claim],
            engines: [engine(0, victim)], view: systemContainer(inUserNamespace: true), believed: [victim]),
        Case(
            what: "rootless in a system container", paths: [claim], engines: [engine(0), engine(1000, victim)],
            view: systemContainer(inUserNamespace: true), believed: [victim]),
        Case(
            what: "in a container on cgroup v1, whose user moved the process below the own manager in one hierarchy",
            paths: ["/docker/\(outer)\n1:name=systemd:\(manager)/docker-\(inner).scope/docker-\(victim).scope"],
            engines: [engine(0, outer, victim)], believed: [outer]),
    ]

    static let undecided: [Case] = [
        Case(
            what: "an engine did not answer", paths: [claim], engines: [engine(1001, outer)], sources: [failed],
            believed: [victim]),
        Case(
            what: "Docker in Docker, and an engine did not answer", paths: ["\(outerPlace)/docker/\(inner)"],
            engines: [engine(0, outer)], sources: [failed], believed: [outer, inner]),
        Case(
            what: "Docker in Docker, and another engine knows the inner one",
            paths: [
                "\(outerPlace)/docker/\(inner)"
            ], engines: [engine(0, outer), engine(0, inner)], believed: [outer, inner]),
        Case(
            what: "Docker in LXC, and no engine knows the outer one", paths: ["/lxc/108/ns/docker/\(inner)"],
            engines: [engine(0, inner)], believed: ["108", inner]),
        Case(
            what: "an old recording does not say who runs the engine", paths: [claim], engines: [engine(nil, victim)],
            believed: [victim]),
        Case(
            what: "we are in a user namespace, whose uids are others", paths: [claim], engines: [engine(0, victim)],
            view: ProcessView(inUserNamespace: true), believed: [victim]),
        Case(
            what: "engines of two users know it", paths: [claim], engines: [engine(1000, victim), engine(0, victim)],
            believed: [victim]),
        Case(
            what: "two users claim it, and no engine knows it",
            paths: [
                claim, "\(otherManager)/docker-\(victim).scope",
            ], engines: [], believed: [victim]),
        Case(
            what: "a name that an engine's container has", paths: ["\(manager)/lxc.payload.ollama"],
            engines: [engine(0, victim, name: "ollama")], believed: ["ollama"]),
        Case(
            what: "inside an undecided one", paths: ["\(claim)/docker/\(inner)"], engines: [engine(nil, victim)],
            believed: [victim, inner]),
    ]
    .map { made in
        var made = made
        made.isVerified = false
        return made
    }

    func snapshot(_ made: Case) -> Snapshot {
        let pids = made.paths.indices.map { UInt32($0 + 1) }
        let device = ObservedDevice(
            index: "0", memory: .known(ObservedMemory(total: 9000, used: 1000, free: 8000)),
            utilizationPercent: .unknown(.fact(.notAsked)),
            compute: .read(pids.map { ListedProcess(pid: $0, bytes: 100) }))
        let processes = zip(pids, made.paths).map {
            ObservedProcess(pid: $0, startTick: 1, cgroup: .known("0::\($1)\n"))
        }
        return Snapshot(
            Observation(
                time: 0, host: "h", view: made.view, devices: [device], processes: processes, engines: made.engines,
                cgroupOwners: made.owners, sources: made.sources))
    }

    func check(_ made: Case) {
        let snapshot = snapshot(made)
        let process = snapshot.processes.first { $0.pid == 1 }
        // Of a container that nothing names the id is not known.
        let own = made.view.inCgroupNamespace ? made.view.own?.id ?? Container.ownWithoutID : nil
        let expected = made.believed.last ?? (made.paths[0].hasPrefix("/..") ? nil : own)
        #expect(process?.container == expected)
        #expect(process?.holder == (expected == nil ? .host : .container))
        let container = snapshot.containers.first { $0.id == expected }
        #expect(container?.parents ?? [] == Array(made.believed.dropLast()))
        #expect(container?.verified ?? true == made.isVerified)
        // Whoever has it, the column adds up.
        let ledger = snapshot.devices[0].ledger
        #expect(ledger.containers! + ledger.host! + ledger.hidden! == Bytes(100 * made.paths.count))
        #expect(ledger.unattributed == 1000 - Bytes(100 * made.paths.count))
    }

    @Test("A cgroup that claims to be another's container has none of its rows", arguments: falseClaims)
    func isFalse(_ made: Case) { check(made) }

    @Test("A container's own processes stay its own", arguments: trueOnes)
    func isTrue(_ made: Case) { check(made) }

    @Test("A claim that cannot be decided is marked", arguments: undecided)
    func isUndecided(_ made: Case) { check(made) }

    @Test("A false claim does not mark the container that it names")
    func victimStaysVerified() {
        let snapshot = snapshot(Case(what: "", paths: [fixedPlace, claim], engines: [engine(0, victim)], believed: []))
        #expect(snapshot.containers.map(\.verified) == [true])
        #expect(snapshot.containers[0].usage[0].bytes == 100)
        #expect(snapshot.devices[0].ledger.host == 100)
    }

    @Test("In a system container a user's claim adds nothing to the container that its root runs")
    func inSystemContainer() {
        let view = systemContainer()
        let snapshot = snapshot(
            Case(what: "", paths: [claim, fixedPlace], engines: [engine(0, victim)], view: view, believed: []))
        // The user's process is in the system container itself.
        #expect(snapshot.containers.map(\.id) == [Container.ownWithoutID, victim])
        #expect(snapshot.containers.map(\.verified) == [true, true])
        #expect(snapshot.containers.map { $0.usage[0].bytes } == [100, 100])
    }

    @Test("Root's engine names a container that a user's engine has too")
    func rootNames() {
        let engines = [engine(1000, victim, name: "innocent"), engine(0, victim, name: "ollama")]
        let snapshot = snapshot(Case(what: "", paths: [fixedPlace], engines: engines, believed: []))
        #expect(snapshot.containers.map(\.name) == ["ollama"])
    }

    @Test("The RAM limit of a container is read from no folder that claims falsely to be it")
    func limits() {
        let texts = [claim, "\(outerPlace)/docker-\(victim).scope", fixedPlace].map { "0::\($0)\n" }
        let observation = Observation(
            time: 0, host: "h", view: ProcessView(),
            processes: texts.enumerated().map {
                ObservedProcess(pid: UInt32($0 + 1), startTick: 1, cgroup: .known($1))
            }, engines: [engine(0, victim, outer)],
            deviceMemory: [
                ChargedCgroup(path: "/", current: ["r": 1], capacity: ["r": 1]),
                ChargedCgroup(path: claim, current: ["r": 1]), ChargedCgroup(path: fixedPlace, current: ["r": 1]),
            ])
        let cgroups = ProcessLookup(observation).containerCgroups(observation)
        #expect(cgroups.map(\.container.id) == [outer, victim, victim])
        #expect(cgroups.map(\.cgroup) == [texts[1], texts[2], texts[2]])
    }

    @Test("A process elsewhere that names its cgroup like our container is none of a command's")
    func scope() {
        let scope = CommandScope(ownPID: 7, cgroup: "0::\(fixedPlace)\n")
        func holds(_ path: String) -> Bool {
            let process = ObservedProcess(pid: 1, startTick: 1, cgroup: .known("0::\(path)\n"))
            return scope.isInContainer(process, ProcessView())
        }
        #expect(holds(fixedPlace))
        #expect(holds("\(fixedPlace)/init.scope"))
        #expect(holds("\(fixedPlace)/docker/\(inner)"))
        #expect(!holds(claim))
        #expect(!holds("\(outerPlace)/docker-\(victim).scope"))
    }
}
