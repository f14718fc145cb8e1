import Testing

@testable import Ledger

private let first = String(repeating: "a", count: 64)
private let second = String(repeating: "b", count: 64)
private let old = String(repeating: "c", count: 64)

/// What `run` counts for a client of an engine or of systemd, and what it says where it cannot tell.
struct RunUsageTests {
    struct Listed {
        var pid: UInt32
        var start: Int64 = 900
        var bytes: UInt64
        var cgroup = "0::/"

        init(_ pid: UInt32, _ bytes: UInt64, in cgroup: String = "0::/", start: Int64 = 900) {
            (self.pid, self.bytes, self.cgroup, self.start) = (pid, bytes, cgroup, start)
        }
    }

    private func docker(_ id: String) -> String { "0::/system.slice/docker-\(id).scope" }

    private func observation(_ listed: [Listed], engine: [EngineContainer]? = nil, asked: Int64 = 1000) -> Observation {
        let card = ObservedDevice(
            index: "0", uuid: "GPU-0", memory: .known(ObservedMemory(total: 10_000, used: 0, free: 0)),
            utilizationPercent: .known(1), compute: .read(listed.map { ListedProcess(pid: $0.pid, bytes: $0.bytes) }),
            askedAtTick: asked)
        let processes = listed.map {
            ObservedProcess(pid: $0.pid, startTick: $0.start, cgroup: .known($0.cgroup), namespacePIDs: [$0.pid])
        }
        var observation = Observation(
            time: 0, host: "h", view: ProcessView(), devices: [card], processes: processes)
        if let engine {
            observation.engines = [ObservedEngine(runtime: .docker, containers: engine, owner: 0)]
            observation.sources = [SourceReport(name: "docker", seconds: 0)]
        }
        return observation
    }

    private func engine(_ containers: [(String, String?)], project: String? = nil) -> [EngineContainer] {
        containers.map { id, name in
            EngineContainer(
                id: id, name: name, image: nil,
                labels: project.map { ["com.docker.compose.project": $0] } ?? [:])
        }
    }

    /// - Parameters:
    ///   - before: what the engine listed before the command began; nil if it did not answer in time.
    ///   - last: after the end.
    private func result(
        _ line: String, before: [EngineContainer]? = [], holding: [Listed] = [], readings: [Observation],
        last: Observation? = nil, descendants: Set<UInt32> = []
    ) -> RunUsage.Result {
        var usage = RunUsage(CommandClient(line.split(separator: " ").map(String.init)))
        usage.scope = CommandScope(ownPID: 10, cgroup: nil)
        func ancestors(_ pids: [UInt32], _ last: UInt32) -> [UInt32: [UInt32]] {
            pids.reduce(into: [:]) { $0[$1] = descendants.contains($1) ? [15, 10] : [1] }
        }
        if let before {
            let told = observation([], engine: before)
            usage.begin(engines: told.engines, told.sources)
        }
        usage.begin(observation(holding, asked: 800))
        for (place, reading) in readings.enumerated() {
            usage.add(
                reading, at: Double(place), isFresh: reading.sources.first?.ok ?? false, ancestors: ancestors)
        }
        let end = last ?? observation([])
        let listed = last?.engines.first.map { Set($0.containers.map(\.id)) }
        usage.end(end, listed: listed, at: Double(readings.count), began: 0, pid: 15, ancestors: ancestors)
        return usage.result
    }

    @Test("The one container that began meanwhile is the client's: by the engine's list, and with its own name")
    func onlyOne() {
        let containers = engine([(old, "old"), (first, "eager_bohr")])
        let result = result(
            "docker run alpine", before: engine([(old, "old")]), holding: [Listed(90, 500, in: docker(old))],
            readings: [
                observation([Listed(90, 500, in: docker(old))], engine: engine([(old, "old")])),
                observation(
                    [Listed(90, 500, in: docker(old)), Listed(50, 100, in: docker(first))], engine: containers),
            ])
        #expect(result.finding?.outcome == .counted)
        #expect(result.finding?.parts == [.init(id: first, name: "eager_bohr", peak: 100, held: 0)])
        #expect(result.usage.devices[0].peak == 100)
        #expect(result.usage.devices[0].processCount == 1)
    }

    @Test("A container that lived between two answers of the engine is known by its processes")
    func shortLived() {
        let result = result(
            "docker run alpine", readings: [observation([Listed(50, 100, in: docker(first))], engine: [])])
        #expect(result.finding?.outcome == .counted)
        #expect(result.finding?.parts.first?.id == first)
        #expect(result.usage.devices[0].peak == 100)
    }

    @Test("What a container inside it holds is its own too")
    func nested() {
        let inner = docker(first) + "/docker/\(second)"
        let result = result(
            "docker run alpine",
            readings: [
                observation(
                    [Listed(50, 100, in: docker(first)), Listed(51, 30, in: inner)], engine: engine([(first, "a")]))
            ])
        #expect(result.finding?.outcome == .counted)
        #expect(result.usage.devices[0].peak == 130)
    }

    @Test("Two that began meanwhile compete: none counts, and each is told with what it held")
    func ambiguous() {
        let reading = observation(
            [Listed(50, 100, in: docker(first)), Listed(51, 70, in: docker(second))],
            engine: engine([(first, "a"), (second, "b")]))
        let result = result("docker run alpine", readings: [reading], last: reading)
        #expect(result.finding?.outcome == .ambiguous)
        #expect(
            result.finding?.parts == [
                .init(id: first, name: "a", peak: 100, stillRuns: true, held: 100),
                .init(id: second, name: "b", peak: 70, stillRuns: true, held: 70),
            ])
        #expect(result.usage.devices[0].peak == 0)
        #expect(result.finding?.isWhole == false)
    }

    @Test("So do two of which one holds nothing: it may be the command's")
    func ambiguousIdle() {
        let reading = observation(
            [Listed(50, 100, in: docker(first))], engine: engine([(first, "a"), (second, "b")]))
        #expect(result("docker run alpine", readings: [reading]).finding?.outcome == .ambiguous)
    }

    @Test("A name decides, also where the engine has not told every name")
    func named() {
        let both = [Listed(50, 100, in: docker(first)), Listed(51, 70, in: docker(second))]
        for containers in [[(first, "a"), (second, "b")], [(second, "b")], [(first, "a")]] as [[(String, String?)]] {
            let result = result(
                "docker run --name b alpine", readings: [observation(both, engine: engine(containers))])
            #expect(result.finding?.outcome == .counted)
            #expect(result.finding?.parts.first?.id == second)
            #expect(result.usage.devices[0].peak == 70)
        }
    }

    @Test("A container of that name that ran before is not what the client started")
    func nameTaken() {
        let reading = observation([Listed(50, 100, in: docker(old))], engine: engine([(old, "b")]))
        let result = result("docker run --name b alpine", before: engine([(old, "b")]), readings: [reading])
        #expect(result.finding?.outcome == .nothing)
        #expect(result.usage.devices[0].peak == 0)
    }

    @Test(
        "Where the engine told nothing before the command began, what is new is not known, but a name and a descendant are"
    )
    func lateList() {
        let reading = observation([Listed(50, 100, in: docker(first))], engine: engine([(first, "a")]))
        let unnamed = result("docker run alpine", before: nil, readings: [reading])
        #expect(unnamed.finding?.outcome == .unknown(.late))
        #expect(unnamed.finding?.parts.map(\.peak) == [100])
        #expect(unnamed.usage.devices[0].peak == 0)
        let named = result("docker run --name a alpine", before: nil, readings: [reading])
        #expect(named.finding?.outcome == .counted)
        let descendant = result("docker run alpine", before: nil, readings: [reading], descendants: [50])
        #expect(descendant.finding?.outcome == .counted)
        #expect(descendant.usage.devices[0].peak == 100)
    }

    @Test("An engine that cannot be asked is told with its error")
    func engineTrouble() {
        var reading = observation([Listed(50, 100, in: docker(first))])
        reading.sources = [SourceReport(name: "docker", seconds: 0, error: .other("no permission"))]
        let result = result("docker run alpine", before: nil, readings: [reading])
        #expect(result.finding?.outcome == .unknown(.engine(.other("no permission"))))
        // Another engine that is silent tells nothing of Docker's.
        var other = observation([Listed(50, 100, in: docker(first))], engine: engine([(first, "a")]))
        other.sources.append(SourceReport(name: "podman", seconds: 0, error: .other("no permission")))
        #expect(self.result("docker run alpine", readings: [other]).finding?.outcome == .counted)
    }

    @Test("What another runtime started is not the client's")
    func otherRuntime() {
        let reading = observation(
            [
                Listed(50, 100, in: docker(first)),
                Listed(51, 70, in: "0::/machine.slice/libpod-\(second).scope/container"),
            ], engine: engine([(first, "a")]))
        let result = result("docker run alpine", readings: [reading])
        #expect(result.finding?.outcome == .counted)
        #expect(result.usage.devices[0].peak == 100)
    }

    @Test(
        "A container that the engine goes on to leave out is another engine's: no rival, and not taken for the command's"
    )
    func leftOut() {
        let other = Listed(51, 70, in: docker(second))
        let both = observation([Listed(50, 100, in: docker(first)), other], engine: engine([(first, "a")]))
        #expect(result("docker run alpine", readings: [both]).finding?.outcome == .ambiguous)
        let result = result("docker run alpine", readings: [both, both, both])
        #expect(result.finding?.outcome == .counted)
        #expect(result.usage.devices[0].peak == 100)
        let alone = observation([other], engine: [])
        let nothing = self.result("docker run alpine", readings: [alone, alone, alone])
        #expect(nothing.finding?.outcome == .nothing)
        #expect(nothing.usage.devices[0].peak == 0)
    }

    @Test("docker exec: the processes of that container that began after the command")
    func exec() {
        let before = Listed(50, 100, in: docker(first), start: 700)
        let reading = observation(
            [before, Listed(51, 30, in: docker(first), start: 900)], engine: engine([(first, "a")]))
        for name in ["a", "aaaa"] {
            let result = result(
                "docker exec \(name) python3", before: engine([(first, "a")]), holding: [before], readings: [reading])
            #expect(result.finding?.outcome == .counted)
            #expect(result.usage.devices[0].peak == 30)
            #expect(result.usage.devices[0].heldBefore == nil)
        }
        let none = result("docker exec gone python3", before: engine([(first, "a")]), readings: [reading])
        #expect(none.finding?.outcome == .nothing)
    }

    @Test("docker start: every process of the container")
    func start() {
        let reading = observation([Listed(50, 100, in: docker(first))], engine: engine([(first, "a")]))
        let result = result("docker start -a a", readings: [reading])
        #expect(result.finding?.outcome == .counted)
        #expect(result.usage.devices[0].peak == 100)
    }

    @Test("docker run -d: the container goes on, and what it holds then is told")
    func detached() {
        let reading = observation([Listed(50, 100, in: docker(first))], engine: engine([(first, "a")]))
        let result = result("docker run -d alpine", readings: [observation([], engine: [])], last: reading)
        #expect(result.finding?.outcome == .counted)
        #expect(result.finding?.parts == [.init(id: first, name: "a", peak: 100, stillRuns: true, held: 100)])
    }

    @Test("docker compose: the new containers of one project together, and others do not compete")
    func compose() {
        var containers = engine([(first, "lab-a-1"), (second, "lab-b-1")], project: "lab")
        containers += engine([(old, "somebody")])
        let listed = [
            Listed(50, 100, in: docker(first)), Listed(51, 70, in: docker(second)), Listed(52, 10, in: docker(old)),
        ]
        // Before the engine has told of them.
        let result = result(
            "docker compose up",
            readings: [observation(listed, engine: []), observation(listed, engine: containers)])
        #expect(result.finding?.outcome == .counted)
        #expect(result.finding?.parts.map(\.id) == ["lab"])
        #expect(result.usage.devices[0].peak == 170)
        let other = self.result(
            "docker compose -p other up", readings: [observation(listed, engine: containers)])
        #expect(other.finding?.outcome == .nothing)
    }

    @Test("systemd-run: the service of that name, or the only one that began meanwhile")
    func services() {
        func unit(_ name: String) -> String { "0::/system.slice/\(name)" }
        let one = [Listed(50, 100, in: unit("run-u1.service")), Listed(51, 7, in: unit("cron.service"))]
        let only = result("systemd-run --wait x", readings: [observation(one)])
        #expect(only.finding?.outcome == .counted)
        #expect(only.usage.devices[0].peak == 100)
        let two = one + [Listed(52, 50, in: unit("run-u2.service"))]
        let several = result("systemd-run --wait x", readings: [observation(two)])
        #expect(several.finding?.outcome == .ambiguous)
        #expect(several.finding?.parts.map(\.peak) == [100, 50])
        let named = result("systemd-run --wait --unit cron x", readings: [observation(two)])
        #expect(named.finding?.outcome == .counted)
        #expect(named.usage.devices[0].peak == 7)
        let earlier = [Listed(50, 100, in: unit("run-u1.service"), start: 700)]
        let none = result("systemd-run --wait x", holding: earlier, readings: [observation(earlier)])
        #expect(none.finding?.outcome == .nothing)
    }

    @Test("Other commands have no finding, and count as ever")
    func otherCommands() {
        let result = result(
            "python3 train.py", readings: [observation([Listed(50, 100), Listed(51, 30, in: docker(first))])],
            descendants: [50])
        #expect(result.finding == nil)
        #expect(result.usage.devices[0].peak == 100)
    }

    @Test("From inside a container, what another one holds is not 0")
    func fromInside() {
        var reading = observation([], engine: engine([(first, "a")]))
        reading.view = ProcessView(inInitialNamespace: false, nvidiaDriver: "550.1.1")
        let result = result("docker run alpine", readings: [reading])
        #expect(result.finding?.outcome == .counted)
        #expect(result.usage.devices[0].whyUnmeasured == .othersHidden)
        #expect(result.usage.devices[0].measure != .process)
    }

    // MARK: run --container

    @Test("A watched container ends when its engine does not list it any more; a silent engine is no end")
    func watched() {
        let there = observation([Listed(50, 100, in: docker(first))], engine: engine([(first, "a")]))
        guard case .one(let container) = Snapshot(there).container(named: "a") else { return #expect(Bool(false)) }
        var watched = WatchedContainer(container)
        watched.begin(there)
        func add(_ observation: Observation, _ time: Double, isFresh: Bool) -> Bool {
            watched.add(observation, at: time, isFresh: isFresh) { _ in [:] }
        }
        #expect(!add(there, 0, isFresh: true))
        #expect(!add(observation([]), 1, isFresh: false))
        #expect(!add(observation([], engine: engine([(first, "a")])), 2, isFresh: true))
        #expect(add(observation([], engine: []), 3, isFresh: true))
        watched.end(observation([], engine: []), at: 3, began: 0)
        #expect(watched.usage.devices[0].peak == 100)
        #expect(watched.usage.remaining == nil)
    }

    @Test("One that no engine knows ends with the last of its processes that was seen")
    func watchedUnknown() {
        let there = observation([Listed(50, 100, in: docker(first))])
        guard case .one(let container) = Snapshot(there).container(named: "aaaa") else { return #expect(Bool(false)) }
        var watched = WatchedContainer(container)
        watched.begin(there)
        #expect(!watched.add(there, at: 0, isFresh: false) { _ in [:] })
        #expect(!watched.add(observation([]), at: 1, isFresh: false) { _ in [50: 900] })
        #expect(watched.add(observation([]), at: 2, isFresh: false) { _ in [50: 7777] }, "another process of that PID")
    }

    @Test("A name means one container, several, none, or cannot be told")
    func names() {
        var reading = observation([], engine: engine([(first, "a"), (second, "aaa")]))
        #expect(Snapshot(reading).container(named: "x") == .none)
        if case .one(let container) = Snapshot(reading).container(named: "aaa") {
            #expect(container.id == second, "a whole name comes before the beginning of an id")
        } else {
            #expect(Bool(false))
        }
        reading.engines.append(ObservedEngine(runtime: .podman, containers: engine([(old, "a")]), owner: 0))
        if case .several(let all) = Snapshot(reading).container(named: "a") {
            #expect(all.count == 2)
        } else {
            #expect(Bool(false))
        }
        reading.sources.append(SourceReport(name: "podman", seconds: 0, error: .other("silent")))
        #expect(Snapshot(reading).container(named: "x") == .unknown)
    }
}
