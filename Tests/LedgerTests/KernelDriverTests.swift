import Testing

@testable import Ledger

/// What is judged of GPUs that the kernel's drivers run, where the place that is read from matters.
struct KernelDriverTests {
    private static let id = String(repeating: "ab", count: 32)

    private func observation(_ view: ProcessView) -> Observation {
        Observation(
            time: 0, host: "", view: view,
            devices: [
                ObservedDevice(
                    index: "0", vendor: .amd, uuid: "GPU-1", pci: "0000:03:00.0",
                    memory: .known(
                        ObservedMemory(total: 16 << 30, used: 10 << 30, free: 6 << 30, reportsReserved: false)),
                    driver: "amdgpu", minors: [1, 128], utilizationPercent: .unknown(.fact(.notAsked)),
                    compute: .read([ListedProcess(pid: 5000, bytes: 8 << 30)]))
            ],
            processes: [ObservedProcess(pid: 12, startTick: 7, cgroup: .known("0::/docker/\(Self.id)"))],
            clients: .known(
                ClientList(
                    clients: [
                        DRMClient(
                            pid: 12, startTick: 7, id: 1, pci: "0000:03:00.0", minor: 128,
                            regions: [DRMRegion(name: "vram", resident: 2 << 30)])
                    ], unreadable: 0)))
    }

    @Test("The charge of a Podman pod's own folder is no second container's")
    func pod() {
        let pod = String(repeating: "cd", count: 32)
        var observation = observation(ProcessView())
        let charge: [String: UInt64] = ["drm/0000:03:00.0/vram": 300 << 20]
        observation.deviceMemory = [
            ChargedCgroup(path: "/", current: charge, capacity: ["drm/0000:03:00.0/vram": 16 << 30]),
            ChargedCgroup(path: "/foo/\(pod)", current: charge),
            ChargedCgroup(path: "/foo/\(pod)/libpod-\(Self.id)", current: charge),
        ]
        let snapshot = Snapshot(observation)
        #expect(snapshot.containers.map(\.id) == [Self.id])
        #expect(snapshot.containers.map { $0.usage[0].bytes } == [300 << 20])
        // What an engine runs under this id is a container, whatever its root makes in it.
        observation.engines = [
            ObservedEngine(runtime: .docker, containers: [EngineContainer(id: pod, name: "web", image: nil)], owner: 0)
        ]
        #expect(Snapshot(observation).containers.contains { $0.name == "web" && $0.usage[0].bytes == 300 << 20 })
    }

    @Test("In a container KFD's PIDs are the host's: its list is left out, and nothing stands twice")
    func container() {
        let snapshot = Snapshot(observation(ProcessView(inInitialNamespace: false)))
        #expect(snapshot.processes.map(\.pid) == [12])
        let ledger = snapshot.devices[0].ledger
        #expect(ledger.containers == 2 << 30)
        #expect(ledger.hidden == 0)
        #expect(ledger.unattributed == 8 << 30)
        #expect(ledger.leavesOutOthers)
    }

    @Test("On the host, and with the host's /proc brought into a container, KFD's PIDs are those of that /proc")
    func host() {
        for view in [ProcessView(), ProcessView(inInitialNamespace: false, procIsOwn: false)] {
            let snapshot = Snapshot(observation(view))
            #expect(Set(snapshot.processes.map(\.pid)) == [12, 5000])
            #expect(!snapshot.devices[0].ledger.leavesOutOthers)
        }
    }

    @Test("A process that got a client's PID later has none of its memory")
    func reused() {
        var reused = observation(ProcessView())
        reused.processes[0].startTick = 900
        let snapshot = Snapshot(reused)
        #expect(snapshot.processes.first { $0.pid == 12 }?.holder == .gone)
        #expect(snapshot.containers.isEmpty)
    }

    @Test("The larger of KFD's number and the clients' counts, whichever it is", arguments: [1, 9])
    func larger(_ gibibytes: UInt64) {
        var both = observation(ProcessView())
        both.devices[0].compute = .read([ListedProcess(pid: 12, bytes: gibibytes << 30)])
        let snapshot = Snapshot(both)
        #expect(snapshot.processes.map(\.bytes) == [Bytes(max(2, gibibytes) << 30)])
        #expect(snapshot.containers[0].usage[0].source == (gibibytes == 9 ? "kfd" : "fdinfo"))
    }

    @Test("A process that came after KFD was asked has none of what KFD lists under its PID")
    func listedBefore() {
        var later = observation(ProcessView())
        later.devices[0].askedAtTick = 5
        later.devices[0].compute = .read([ListedProcess(pid: 12, bytes: 8 << 30)])
        #expect(Snapshot(later).containers[0].usage[0].bytes == 2 << 30)
    }

    @Test("A charge and the same memory of a process that is hidden or gone count once")
    func chargedAndHidden() {
        var charged = observation(ProcessView(hidesProcesses: true))
        charged.deviceMemory = [
            ChargedCgroup(path: "/", current: ["drm/0000:03:00.0/vram": 10 << 30]),
            ChargedCgroup(path: "/docker/\(Self.id)", current: ["drm/0000:03:00.0/vram": 9 << 30]),
        ]
        let ledger = Snapshot(charged).devices[0].ledger
        #expect(ledger.containers == 9 << 30)
        #expect(ledger.hidden == 1 << 30)
        #expect(ledger.unattributed == 0)
    }

    @Test("A driver that tells nothing of who has its file open leaves that unknown, and never 0")
    func unreported() {
        var silent = observation(ProcessView())
        silent.devices[0].compute = .absent
        silent.devices[0].memory = .unknown(.file(path: "/sys/x", code: 2))
        silent.clients = .known(
            ClientList(
                clients: [DRMClient(pid: 12, startTick: 7, id: 1 << 63, pci: nil, minor: 128, regions: [])],
                unreadable: 0))
        let snapshot = Snapshot(silent)
        #expect(snapshot.devices[0].memory.used == nil)
        #expect(!snapshot.devices[0].ledger.complete)
        #expect(snapshot.containers[0].usage[0].bytes == nil)
    }

    @Test("Who shares a client whose memory is unknown has an unknown amount too")
    func untoldAndShared() {
        var shared = observation(ProcessView())
        shared.devices[0].compute = .absent
        shared.processes.append(ObservedProcess(pid: 13, startTick: 9, cgroup: .known("0::/x")))
        shared.clients = .known(
            ClientList(
                clients: [(12, 7), (13, 9)].map {
                    DRMClient(pid: $0, startTick: $1, id: 4, pci: "0000:03:00.0", minor: 128, regions: [])
                }, unreadable: 0))
        #expect(Snapshot(shared).processes.map(\.bytes) == [nil, nil])
    }

    @Test("A client of a divided GPU of which only the address is known counts on the partition that lists its process")
    func partition() {
        var divided = observation(ProcessView())
        divided.devices[0].compute = .absent
        divided.devices[0].isPartitioned = true
        for (number, bytes) in [(0, 8 as UInt64), (1, 0)] {
            var part = divided.devices[0]
            part.isPartitioned = nil
            part.index = "0:\(number)"
            part.uuid = "GPU-1:\(number)"
            part.parentIndex = "0"
            part.minors = [UInt32(128 + number)]
            part.memory = .known(ObservedMemory(total: 8 << 30, used: nil, free: nil))
            part.compute = .read(bytes > 0 ? [ListedProcess(pid: 12, bytes: bytes << 30)] : [])
            divided.devices.append(part)
        }
        divided.devices[0].minors = [1]
        divided.clients = .known(
            ClientList(
                clients: [
                    DRMClient(
                        pid: 12, startTick: 7, id: 1, pci: "0000:03:00.0", minor: nil,
                        regions: [DRMRegion(name: "vram", resident: 8 << 30)])
                ], unreadable: 0))
        let snapshot = Snapshot(divided)
        #expect(snapshot.processes.count == 1)
        #expect(snapshot.devices[0].ledger.instances == 8 << 30)
        #expect(snapshot.devices[0].ledger.containers == 0)
    }

    @Test("A region is a device's by its whole address, and a limit of one region of two is none of the device")
    func regions() {
        let table: [String: UInt64] = [
            "drm/10000:03:00.0/vram": 5, "nvidia/00000000:03:00.0/vidmem": 7, "drm/0000:03:00.0/stolen": 9,
        ]
        #expect(table.ofDevice(at: "0000:03:00.0") == 7)
        #expect(table.ofDevice(at: "10000:03:00.0") == 5)
        let root: [String: UInt64] = ["drm/0000:03:00.0/vram0": 2, "drm/0000:03:00.0/vram1": 2]
        var charged = observation(ProcessView())
        charged.deviceMemory = [
            ChargedCgroup(path: "/", current: root),
            ChargedCgroup(path: "/docker/\(Self.id)", current: root, limits: ["drm/0000:03:00.0/vram0": 9]),
        ]
        let charges = Charges(charged, ClaimedContainers(charged, of: []), on: [(0, "0000:03:00.0")])
        #expect(charges.limits.isEmpty)
        #expect(charges.bytes.values.first == 4)
    }

    @Test("A recording without the newer keys is read as ever, and what nobody read makes a ledger incomplete")
    func incomplete() {
        var unread = observation(ProcessView())
        unread.clients = .known(ClientList(clients: [], unreadable: 3))
        let snapshot = Snapshot(unread)
        #expect(!snapshot.devices[0].ledger.complete)
        #expect(!snapshot.devices[0].ledger.listsRead)
        #expect(snapshot.unread == .unreadProcesses(3))
        unread.clients = nil
        #expect(!Snapshot(unread).devices[0].ledger.complete)
    }
}
