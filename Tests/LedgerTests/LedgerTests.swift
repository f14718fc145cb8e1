import Testing

@testable import Ledger

private let docker = "0::/docker/6525e65814a99d431b6978e8f8c895013176c6c58173b56639d4b020c14e6022"
private let dockerID = "6525e65814a99d431b6978e8f8c895013176c6c58173b56639d4b020c14e6022"

private func process(_ pid: UInt32, _ cgroup: String, start: Int64 = 10, dead: Bool = false) -> ObservedProcess {
    ObservedProcess(
        pid: pid, startTick: start, isDead: dead, cgroup: .known(cgroup), namespacePIDs: [pid], name: "p\(pid)")
}

private func card(
    _ listed: [ListedProcess], used: UInt64 = 1000, index: String = "0", asked: Int64? = 100
) -> ObservedDevice {
    ObservedDevice(
        index: index, uuid: "GPU-\(index)", memory: .known(ObservedMemory(total: 2000, used: used, free: 900)),
        utilizationPercent: .known(1), compute: .read(listed), askedAtTick: asked)
}

private func snapshot(
    _ devices: [ObservedDevice], _ processes: [ObservedProcess], _ view: ProcessView = ProcessView(),
    engines: [ObservedEngine] = []
) -> Snapshot {
    Snapshot(
        Observation(time: 0, host: "h", view: view, devices: devices, processes: processes, engines: engines))
}

struct LedgerTests {
    @Test("A process that all three lists name counts once, with the largest of its values")
    func mergesLists() {
        var device = card([ListedProcess(pid: 1, bytes: 100)])
        device.graphics = .read([ListedProcess(pid: 1, bytes: 300)])
        device.mps = .read([ListedProcess(pid: 1, bytes: nil)])
        let result = snapshot([device], [process(1, docker)])
        #expect(result.processes.map(\.bytes) == [300])
        #expect(result.processes[0].types == [.compute, .graphics, .mps])
        #expect(result.devices[0].ledger.containers == 300)
        #expect(result.devices[0].ledger.complete)
    }

    @Test("What the driver does not tell adds nothing and marks its holder and its device")
    func unreported() {
        let listed = [ListedProcess(pid: 1, bytes: 100), ListedProcess(pid: 2, bytes: nil)]
        let result = snapshot([card(listed)], [process(1, docker), process(2, docker)])
        #expect(result.containers[0].usage[0].bytes == 100)
        #expect(!result.containers[0].usage[0].complete)
        #expect(!result.devices[0].ledger.complete)

        let nothing = snapshot([card([listed[1]])], [process(2, docker)])
        #expect(nothing.containers[0].usage[0].bytes == nil)
        #expect(nothing.containers[0].usage[0].unavailable != nil)
    }

    @Test("A sentinel or an absurd amount is unknown, never a number")
    func absurd() {
        let result = snapshot([card([ListedProcess(pid: 1, bytes: 1 << 60)])], [process(1, docker)])
        #expect(result.processes[0].bytes == nil)
        #expect(result.devices[0].ledger.containers == 0)
        #expect(!result.devices[0].ledger.complete)
    }

    @Test("A PID that is not there is gone where every process is to be seen, and hidden where not")
    func goneOrHidden() {
        let device = card([ListedProcess(pid: 7, bytes: 100)])
        #expect(snapshot([device], []).processes[0].holder == .gone)
        #expect(snapshot([device], [], ProcessView(hidesProcesses: true)).processes[0].holder == .hidden)
        let inside = ProcessView(inInitialNamespace: false, nvidiaDriver: "550.144.03")
        #expect(snapshot([device], [], inside).processes[0].holder == .hidden)
    }

    @Test("A PID that was given anew after the driver was asked inherits no memory")
    func reusedPID() {
        let device = card([ListedProcess(pid: 1, bytes: 100)], asked: 500)
        #expect(snapshot([device], [process(1, docker, start: 501)]).processes[0].holder == .gone)
        #expect(snapshot([device], [process(1, docker, start: 500)]).processes[0].holder == .container)
        #expect(snapshot([device], [process(1, docker, start: 501)]).processes[0].name == nil)
    }

    @Test("Inside a container an old driver's PIDs are the host's, and never looked up as our own")
    func untranslatedPIDs() {
        let device = card([ListedProcess(pid: 1, bytes: 100)])
        func holder(_ driver: String?) -> Holder {
            let view = ProcessView(inInitialNamespace: false, nvidiaDriver: driver)
            return snapshot([device], [process(1, "0::/x")], view).processes[0].holder
        }
        #expect(holder("535.104.05") == .hidden)
        #expect(holder("535.113.01") == .host)
        #expect(holder("470.256.02") == .hidden)
        #expect(holder("580.65") == .host)
        #expect(holder(nil) == .hidden)
    }

    @Test("A zombie in a container is the container's, and by itself gone")
    func zombies() {
        let device = card([ListedProcess(pid: 1, bytes: 100)])
        #expect(snapshot([device], [process(1, docker, dead: true)]).processes[0].holder == .container)
        #expect(snapshot([device], [process(1, "4:memory:/\n0::/", dead: true)]).processes[0].holder == .gone)
    }

    @Test("A process whose cgroup may not be read is hidden, not the host's")
    func unreadableCgroup() {
        let secret = ObservedProcess(pid: 1, startTick: 0, cgroup: .unknown(.file(path: "/proc/1/cgroup", code: 13)))
        let result = snapshot([card([ListedProcess(pid: 1, bytes: 100)])], [secret])
        #expect(result.processes[0].holder == .hidden)
        #expect(result.devices[0].ledger.hidden == 100)
    }

    @Test("A remainder below zero stays below zero")
    func overlap() {
        let result = snapshot([card([ListedProcess(pid: 1, bytes: 1500)], used: 1000)], [process(1, docker)])
        #expect(result.devices[0].ledger.unattributed == -500)
    }

    @Test("Without the compute list no term of the ledger is known; a failed graphics list only leaves it incomplete")
    func failedLists() {
        var device = card([])
        device.compute = .failed(.call("nvmlDeviceGetHandleByIndex_v2", code: 15))
        #expect(snapshot([device], []).devices[0].ledger == DeviceLedger())
        var other = card([ListedProcess(pid: 1, bytes: 100)])
        other.graphics = .failed(.call("nvmlDeviceGetComputeRunningProcesses_v3", code: 999))
        let ledger = snapshot([other], [process(1, docker)]).devices[0].ledger
        #expect(ledger.containers == 100)
        #expect(!ledger.complete)
        #expect(!ledger.listsRead)
    }

    @Test("With the old memory call what the driver reserves is unknown and inside what is used")
    func oldMemoryCall() {
        var device = card([])
        device.memory = .known(ObservedMemory(total: 2000, used: 1100, free: 900, reportsReserved: false))
        let memory = snapshot([device], []).devices[0].memory
        #expect(memory.reserved == nil)
        #expect(memory.used == 1100)
        #expect(snapshot([card([])], []).devices[0].memory.reserved == 100)
    }

    @Test("A container that no engine knows has its row, without a name")
    func unknownContainer() {
        let result = snapshot([card([ListedProcess(pid: 1, bytes: 100)])], [process(1, docker)])
        #expect(result.containers.map(\.id) == [dockerID])
        #expect(!result.containers[0].known)
        #expect(result.containers[0].name == nil)
    }

    @Test("A name comes from whichever engine knows the id, and what holds nothing waits apart")
    func engines() {
        let podman = ObservedEngine(runtime: .podman, containers: [EngineContainer(id: "aa", name: "idle", image: nil)])
        let docker = ObservedEngine(
            runtime: .docker, containers: [EngineContainer(id: dockerID, name: "ollama", image: "ollama/ollama")])
        let device = card([ListedProcess(pid: 1, bytes: 100)])
        let result = snapshot(
            [device], [process(1, "0::/x/\(dockerID)")], ProcessView(), engines: [podman, docker])
        #expect(result.containers.map(\.name) == ["ollama"])
        #expect(result.containers[0].runtime == .docker)
        #expect(result.idleContainers.map(\.name) == ["idle"])
    }

    @Test("Inside a cgroup namespace a path below its root is our own container's")
    func cgroupNamespace() {
        let own = OwnMount(root: "/overlay-containers/\(dockerID)/userdata/.containerenv", point: "/run/.containerenv")
        let view = ProcessView(
            inInitialNamespace: false, inCgroupNamespace: true, ownMounts: [own], nvidiaDriver: "550.1")
        let result = snapshot([card([ListedProcess(pid: 1, bytes: 100)])], [process(1, "0::/")], view)
        #expect(result.processes[0].container == dockerID)
        var unnamed = view
        unnamed.ownMounts = []
        unnamed.ownEngine = "lxc"
        let nameless = snapshot([card([ListedProcess(pid: 1, bytes: 100)])], [process(1, "0::/")], unnamed)
        #expect(nameless.processes[0].holder == .container)
        #expect(nameless.containers.map(\.id) == [Container.ownWithoutID])
        #expect(nameless.containers[0].runtime == .lxc)
        let outside = snapshot([card([ListedProcess(pid: 1, bytes: 100)])], [process(1, "0::/../x.service")], view)
        #expect(outside.processes[0].holder == .host)
    }

    @Test("From inside a container nobody knows that another holds nothing")
    func listsFromInside() {
        let device = card([ListedProcess(pid: 1, bytes: 100)])
        #expect(snapshot([device], [process(1, docker)]).devices[0].ledger.listsRead)
        let inside = ProcessView(inInitialNamespace: false, nvidiaDriver: "550.144.03")
        #expect(!snapshot([device], [process(1, docker)], inside).devices[0].ledger.listsRead)
    }

    @Test("A PID seen inside a container leads to its process on the host")
    func ownership() {
        var inner = process(4242, docker)
        inner.namespacePIDs = [4242, 17]
        let observation = Observation(
            time: 0, host: "h", view: ProcessView(), devices: [card([ListedProcess(pid: 4242, bytes: 5)])],
            processes: [inner, process(17, "0::/system.slice/ssh.service")])
        let owners = Owners(observation, in: Snapshot(observation)).owners(of: 17)
        #expect(owners.map(\.pid) == [17, 4242])
        #expect(owners[0].holder == .host)
        #expect(owners[1].container?.id == dockerID)
        #expect(Owners(observation, in: Snapshot(observation)).owners(of: 99).isEmpty)
    }
}

struct InstanceTests {
    private func instance(
        _ slot: Int, gi: UInt32, ci: UInt32, _ listed: [ListedProcess], used: UInt64 = 400
    ) -> ObservedDevice {
        var device = card(listed, used: used, index: "0:\(slot)")
        device.parentIndex = "0"
        device.gpuInstance = gi
        device.computeInstance = ci
        return device
    }

    @Test("A process of an instance stands under it and not under the GPU too")
    func listedOnce() {
        let gpu = card(
            [
                ListedProcess(pid: 1, bytes: 300, gpuInstance: 7, computeInstance: 0),
                ListedProcess(pid: 2, bytes: 50), ListedProcess(pid: 3, bytes: 20),
            ], used: 500)
        let result = snapshot(
            [gpu, instance(0, gi: 7, ci: 0, [ListedProcess(pid: 2, bytes: 50)])],
            [process(1, docker), process(2, docker), process(3, docker)])
        #expect(result.processes.map { "\($0.pid) on \($0.device)" } == ["3 on 0", "1 on 1", "2 on 1"])
        #expect(result.devices[0].ledger.instances == 400)
        #expect(result.devices[0].ledger.unattributed == 80)
        #expect(result.devices[1].ledger.unattributed == 50)
        #expect(result.devices[1].parent == "GPU-0")
    }

    @Test("Of the compute instances that share a GPU instance the first carries its memory and its ledger")
    func sharedGPUInstance() {
        let result = snapshot(
            [
                card([], used: 500), instance(0, gi: 1, ci: 0, [ListedProcess(pid: 1, bytes: 100)]),
                instance(1, gi: 1, ci: 1, [ListedProcess(pid: 2, bytes: 200)]),
            ], [process(1, docker), process(2, "0::/x.service")])
        #expect(result.devices[2].memory.sharedWith == "GPU-0:0")
        #expect(result.devices[2].memory.used == nil)
        #expect(result.devices[2].ledger.containers == nil)
        #expect(result.devices[1].ledger.containers == 100)
        #expect(result.devices[1].ledger.host == 200)
        #expect(result.devices[0].ledger.instances == 400)
    }

    @Test("Where an instance does not tell what it uses, the GPU's remainder is unknown")
    func sickInstance() {
        var sick = instance(0, gi: 1, ci: 0, [])
        sick.memory = .unknown(.call("nvmlDeviceGetHandleByIndex_v2", code: 15))
        let ledger = snapshot([card([], used: 500), sick], []).devices[0].ledger
        #expect(ledger.instances == nil)
        #expect(ledger.unattributed == nil)
        #expect(!ledger.complete)
        #expect(ledger.containers == 0)
    }
}

struct PastedTextTests {
    @Test(
        "PIDs are found in the messages that people paste",
        arguments: [
            ("Process 4242 has 10.50 GiB memory in use. Process 77 has 1 GiB", [4242, 77]),
            ("Out of memory: Killed process 4242 (python3) total-vm:1kB", [4242]),
            ("NVRM: Xid (PCI:0000:01:00): 31, pid=1234, name=python, Ch 00000008", [1234]),
            ("PID: 12 and pid 13", [12, 13]), ("4242\n4243\n", [4242, 4243]),
            ("GPU 0 has a total capacity of 23.69 GiB of which 1.5 GiB is free", []), ("process ended", []),
            ("Process 99999999999 has", []), ("", []),
        ] as [(String, [UInt32])])
    func finds(_ text: String, _ expected: [UInt32]) {
        #expect(pids(inMessage: text) == expected)
    }
}
