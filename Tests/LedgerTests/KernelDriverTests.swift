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
                        ObservedMemory(total: 16 << 30, used: 10 << 30, free: 6 << 30, tellsReserved: false)),
                    driver: "amdgpu", minors: [1, 128], utilizationPercent: .unknown("-"),
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

    @Test("A recording without the newer keys is read as ever, and what nobody read makes a ledger incomplete")
    func incomplete() {
        var unread = observation(ProcessView())
        unread.clients = .known(ClientList(clients: [], unreadable: 3))
        let snapshot = Snapshot(unread)
        #expect(!snapshot.devices[0].ledger.complete)
        #expect(!snapshot.devices[0].ledger.listsRead)
        #expect(snapshot.unread == "3 processes could not be read; run as root or with CAP_SYS_PTRACE")
        unread.clients = nil
        #expect(!Snapshot(unread).devices[0].ledger.complete)
    }
}
