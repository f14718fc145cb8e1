import CSimulator
import Glibc
import HostDescription

/// The state of the simulated GPUs: which process holds how much of which device. `Server` calls it for its clients.
struct SimulatedHost {
    /// One connection of a process. It corresponds to the driver device that the process has open.
    struct Client {
        var pid: UInt32
        /// Inode of the process's PID namespace, as the process reported it.
        var pidNamespace: UInt64
        /// The process's PID in that namespace.
        var pidInside: UInt32
        var hasCUDA = false
        var contexts: Set<Int> = []
        var allocations: [UInt64: (device: Int, bytes: UInt64)] = [:]
        /// Unattributed (measured on an H100 with driver 580.159.04: docs/measured.md, `managed`).
        var managed: [UInt64: (device: Int, bytes: UInt64)] = [:]
        /// The device of each allocation opened from another process's handle, by address. Such memory counts only for
        /// the process that allocated it (measured on an H100 with driver 580.159.04: docs/measured.md, `ipc`).
        var imports: [UInt64: Int] = [:]
        /// By device.
        var accounts: [Int: Account] = [:]

        /// The device memory that counts for this process: its context and its allocations.
        func held(on device: Int, context: UInt64) -> UInt64 {
            allocations.values.reduce(contexts.contains(device) ? context : 0) {
                $1.device == device ? $0 + $1.bytes : $0
            }
        }
    }

    struct Device {
        var record: sim_device
        var keepsAccounts = false
        var isPersistent = true
        var hasMPS = false
        var chargesTo: String?
        /// By PID. Of several ended processes with one PID, the last.
        var endedAccounts: [UInt32: Account] = [:]
        var context: UInt64
        /// Unattributed memory per process: from cuInit on, and with a context.
        var overhead: (initialized: UInt64, context: UInt64) = (0, 0)
        var unattributed: UInt64
        var recorded: [HostDescription.Process]
        var listCodes: [Int32]
        var listsGrow: Bool
        var claims: UInt32
        var lengthAnswer: sim_length_answer
        var loss: Loss
        /// What the memory calls return instead of the actual used and free memory.
        var reported: (used: UInt64?, free: UInt64?)
    }

    /// cudaMalloc takes memory from the GPU in multiples of 2 MiB.
    static let granularity: UInt64 = 2 << 20
    static let mebibyte: UInt64 = 1 << 20
    /// CUresult.
    static let outOfMemory: Int32 = 2
    static let invalidValue: Int32 = 1
    static let invalidDevice: Int32 = 101

    let driver: DriverVersion
    let recordBytes: UInt32
    let thirdListsCode: Int32
    let cuda: Int
    let tellsProcessMemory: Bool
    let initializeCode: Int32
    let ownNamespace: UInt64
    private(set) var devices: [Device] = []
    private(set) var clients: [Int32: Client] = [:]
    private var nextAddress: UInt64 = 0x7f00_0000_0000
    let gpuCount: Int

    init(_ host: HostDescription, ownNamespace: UInt64) {
        driver = DriverVersion(host.driver)
        recordBytes = host.recordBytes ?? driver.recordBytes
        thirdListsCode = host.thirdLists ?? 0
        cuda = host.cuda
        tellsProcessMemory = host.tellsProcessMemory ?? true
        initializeCode = host.initialize ?? 0
        self.ownNamespace = ownNamespace
        gpuCount = host.devices.count
        for gpu in host.devices {
            var device = Device(
                uuid: gpu.uuid, total: gpu.totalMiB, reserved: gpu.reservedMiB, unattributed: gpu.unattributedMiB,
                processes: gpu.processes, faults: gpu.faults, number: devices.count)
            device.context = (gpu.contextMiB ?? 0) * Self.mebibyte
            device.overhead = ((gpu.initializedKiB ?? 0) << 10, (gpu.contextOverheadKiB ?? 0) << 10)
            device.reported = (gpu.usedMiB.map { $0 * Self.mebibyte }, gpu.freeMiB.map { $0 * Self.mebibyte })
            device.record.sleeps_ms = UInt32((gpu.wakesInSeconds ?? 0) * 1000)
            device.record.utilization = gpu.utilization ?? 0
            device.keepsAccounts = gpu.accounting ?? false
            device.isPersistent = device.record.sleeps_ms == 0
            device.hasMPS = gpu.mps ?? false
            device.record.compute_mode = gpu.computeMode ?? 0
            device.chargesTo = gpu.chargesTo
            device.record.max_instances = gpu.instances == nil ? 0 : 7
            fill(&device.record.name, gpu.name)
            fill(&device.record.pci, gpu.pci)
            devices.append(device)
        }
        for (parent, gpu) in host.devices.enumerated() {
            for instance in gpu.instances ?? [] {
                var device = Device(
                    uuid: instance.uuid, total: instance.totalMiB, reserved: instance.reservedMiB,
                    unattributed: instance.unattributedMiB, processes: instance.processes, faults: instance.faults,
                    number: devices.count)
                device.context = devices[parent].context
                device.record.parent = UInt32(parent)
                device.record.slot = instance.slot
                device.record.gpu_instance = instance.gpuInstance
                device.record.compute_instance = instance.computeInstance
                device.record.utilization_code = 3
                fill(&device.record.name, gpu.name + " MIG")
                fill(&device.record.pci, gpu.pci)
                devices.append(device)
            }
        }
    }

    mutating func open(_ fd: Int32, _ client: Client) { clients[fd] = client }

    mutating func close(_ fd: Int32) {
        guard let client = clients.removeValue(forKey: fd) else { return }
        for (number, account) in client.accounts { devices[number].endedAccounts[client.pid] = account }
    }

    func describe(_ number: Int) -> sim_device {
        guard devices.indices.contains(number) else {
            var nothing = sim_device()
            nothing.code = 2  // NVML_ERROR_INVALID_ARGUMENT
            return nothing
        }
        let device = devices[number]
        var record = device.record
        record.used = device.reported.used ?? used(number)
        record.free = device.reported.free ?? free(number)
        record.is_lost = isLost(number) ? 1 : 0
        record.is_persistent = device.isPersistent ? 1 : 0
        record.keeps_accounts = device.keepsAccounts ? 1 : 0
        if device.isPersistent { record.sleeps_ms = 0 }
        return record
    }

    mutating func countCall(on number: Int) {
        if devices.indices.contains(number) { devices[number].loss.count() }
    }

    /// Whether the client is in the host's PID namespace, which is gpusimd's own.
    func isOfHost(_ fd: Int32) -> Bool { clients[fd]?.pidNamespace == ownNamespace }

    /// The PID that the driver lists to the client at `fd` for another client; nil if it does not list that client.
    func pid(of client: Client, seenBy fd: Int32) -> UInt32? {
        if !driver.translatesPIDs || isOfHost(fd) { return client.pid }
        return client.pidNamespace == clients[fd]?.pidNamespace ? client.pidInside : nil
    }

    /// The processes in one of the driver's lists, as the client at `fd` sees them. `code` is an nvmlReturn_t.
    func processes(on number: Int, list: Int, seenBy fd: Int32) -> (code: Int32, processes: [sim_process]) {
        guard devices.indices.contains(number), list < 3 else { return (2, []) }
        let device = devices[number]
        let gpuIsLost: Int32 = 15
        guard !isLost(number) else { return (gpuIsLost, []) }
        guard device.listCodes[list] == 0 else { return (device.listCodes[list], []) }

        var found: [sim_process] = []
        if !driver.translatesPIDs || isOfHost(fd) {
            let type = ["compute", "graphics", "mps"][list]
            for process in device.recorded where (process.types ?? ["compute"]).contains(type) {
                if let end = process.endsAtCall, device.loss.calls >= end { continue }
                found.append(
                    sim_process(
                        pid: process.pid, gpu_instance: process.gpuInstance ?? SIM_NONE,
                        compute_instance: process.computeInstance ?? SIM_NONE, padding: 0,
                        bytes: process.bytes ?? UInt64.max))
            }
        }
        if list == Int(SIM_COMPUTE.rawValue) || list == Int(SIM_MPS.rawValue) && device.hasMPS {
            var held: [UInt32: UInt64] = [:]
            for client in clients.values where client.contexts.contains(number) {
                guard let pid = pid(of: client, seenBy: fd) else { continue }
                held[pid, default: 0] += client.held(on: number, context: device.context)
            }
            let isInstance = device.record.parent != SIM_NONE
            for (pid, bytes) in held.sorted(by: { $0.key < $1.key }) {
                found.append(
                    sim_process(
                        pid: pid, gpu_instance: isInstance ? device.record.gpu_instance : SIM_NONE,
                        compute_instance: isInstance ? device.record.compute_instance : SIM_NONE, padding: 0,
                        bytes: bytes))
            }
        }
        if !tellsProcessMemory { for index in found.indices { found[index].bytes = UInt64.max } }
        return (0, Array(found.prefix(Int(SIM_MAX_PROCESSES))))
    }

    /// A partitioned GPU takes no programs; its instances do (NVIDIA, MIG User Guide).
    private func takesPrograms(_ number: Int) -> Bool {
        devices.indices.contains(number) && devices[number].record.max_instances == 0
    }

    /// The memory that a program can allocate now. An integrated GPU uses host memory, which counts as unlimited here.
    private func available(on number: Int) -> UInt64 { devices[number].record.total == 0 ? .max / 2 : free(number) }

    mutating func initializeCUDA(_ fd: Int32) { clients[fd]?.hasCUDA = true }

    mutating func makeContext(_ fd: Int32, on number: Int) -> Int32 {
        guard takesPrograms(number), let client = clients[fd] else { return Self.invalidDevice }
        if client.contexts.contains(number) { return 0 }
        guard devices[number].context <= available(on: number) else { return Self.outOfMemory }
        clients[fd]?.contexts.insert(number)
        clients[fd]?.keepAccount(on: number, of: devices[number])
        return 0
    }

    mutating func dropContext(_ fd: Int32, on number: Int) -> Int32 {
        guard var client = clients[fd], client.contexts.remove(number) != nil else { return Self.invalidDevice }
        client.allocations = client.allocations.filter { $0.value.device != number }
        client.managed = client.managed.filter { $0.value.device != number }
        client.imports = client.imports.filter { $0.value != number }
        clients[fd] = client
        return 0
    }

    mutating func allocate(
        _ fd: Int32, on number: Int, bytes: UInt64, isManaged: Bool = false
    ) -> (code: Int32, address: UInt64) {
        guard takesPrograms(number), clients[fd]?.contexts.contains(number) == true else {
            return (Self.invalidDevice, 0)
        }
        let free = available(on: number)
        guard bytes > 0 else { return (Self.invalidValue, 0) }
        guard bytes <= free else { return (Self.outOfMemory, 0) }
        let rounded = (bytes + Self.granularity - 1) / Self.granularity * Self.granularity
        guard rounded <= free else { return (Self.outOfMemory, 0) }
        let address = nextAddress
        nextAddress += rounded
        if isManaged {
            clients[fd]?.managed[address] = (number, rounded)
        } else {
            clients[fd]?.allocations[address] = (number, rounded)
        }
        clients[fd]?.keepAccount(on: number, of: devices[number])
        return (0, address)
    }

    mutating func free(_ fd: Int32, address: UInt64) -> Int32 {
        let isOwn =
            clients[fd]?.allocations.removeValue(forKey: address) != nil
            || clients[fd]?.managed.removeValue(forKey: address) != nil
        return isOwn ? 0 : Self.invalidValue
    }

    /// The memory lives as long as the process that allocated it (CUDA driver API, cuIpcOpenMemHandle).
    mutating func open(_ address: UInt64, in fd: Int32) -> (code: Int32, address: UInt64) {
        let owner = clients.first { $0.key != fd && $0.value.allocations[address] != nil }
        guard let memory = owner?.value.allocations[address], clients[fd]?.contexts.contains(memory.device) == true
        else {
            return (Self.invalidValue, 0)
        }
        clients[fd]?.imports[nextAddress] = memory.device
        nextAddress += memory.bytes
        return (0, nextAddress - memory.bytes)
    }

    /// - Returns: an nvmlReturn_t.
    mutating func set(_ mode: sim_mode, on number: Int, _ isOn: Bool) -> Int32 {
        guard devices.indices.contains(number) else { return 2 }
        guard !isLost(number) else { return 15 }
        // Partitioned GPUs have no accounting (nvml.h, nvmlDeviceSetAccountingMode).
        if mode == SIM_ACCOUNTING, devices[number].record.max_instances > 0 { return 3 }
        if mode == SIM_ACCOUNTING {
            devices[number].keepsAccounts = isOn
            if !isOn { devices[number].endedAccounts = [:] }
        } else {
            devices[number].isPersistent = isOn
        }
        return 0
    }

    /// Writes each GPU's memory use as the dmem controller does, to a file in the format of `dmem.current`.
    func writeCharges() {
        for (number, device) in devices.enumerated() {
            // Rename the finished file, so that no reader finds it empty.
            guard let path = device.chargesTo, let file = fopen(path + ".new", "we") else { continue }
            let bytes = clients.values.reduce(0) { $0 + $1.held(on: number, context: device.context) }
            let pci = withUnsafeBytes(of: device.record.pci) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            fputs("nvidia/\(pci)/vidmem \(bytes)\n", file)
            fclose(file)
            rename(path + ".new", path)
        }
    }

    private func free(_ number: Int) -> UInt64 {
        let taken = used(number) + devices[number].record.reserved
        return taken < devices[number].record.total ? devices[number].record.total - taken : 0
    }

    /// The used memory of a device, for a GPU including that of its instances.
    private func used(_ number: Int) -> UInt64 {
        let device = devices[number]
        var bytes = device.unattributed
        for process in device.recorded { bytes += process.bytes ?? 0 }
        for client in clients.values {
            bytes += client.held(on: number, context: device.context)
            for memory in client.managed.values where memory.device == number { bytes += memory.bytes }
            if client.contexts.contains(number) {
                bytes += device.overhead.context
            } else if client.hasCUDA {
                bytes += device.overhead.initialized
            }
        }
        for (index, other) in devices.enumerated() where other.record.parent == UInt32(number) { bytes += used(index) }
        return bytes
    }
}

extension SimulatedHost.Device {
    init(
        uuid: String, total: UInt64, reserved: UInt64?, unattributed: UInt64?,
        processes: [HostDescription.Process]?, faults: HostDescription.Faults?, number: Int
    ) {
        record = sim_device()
        record.number = UInt32(number)
        record.parent = SIM_NONE
        record.total = total * SimulatedHost.mebibyte
        record.reserved = (reserved ?? 0) * SimulatedHost.mebibyte
        record.handle_code = faults?.handle ?? 0
        record.memory_code = faults?.memory ?? 0
        record.utilization_code = faults?.utilization ?? 0
        fill(&record.uuid, uuid)
        context = 0
        self.unattributed = (unattributed ?? 0) * SimulatedHost.mebibyte
        recorded = processes ?? []
        record.prints = faults?.prints == true ? 1 : 0
        record.crashes = faults?.crashes ?? 0
        fill(&record.writes_to, faults?.writesTo ?? "")
        listsGrow = faults?.growing ?? false
        claims = faults?.claims ?? 0
        lengthAnswer = faults?.lengthAnswer ?? SIM_LENGTH_REFUSED
        loss = Loss(faults)
        reported = (nil, nil)
        listCodes = [faults?.compute ?? 0, faults?.graphics ?? 0, faults?.mps ?? 0]
    }
}

/// Writes a string into a C character array, cut to fit and always terminated.
func fill<Field>(_ field: inout Field, _ text: String) {
    withUnsafeMutableBytes(of: &field) { bytes in
        let utf8 = Array(text.utf8.prefix(bytes.count - 1))
        bytes.copyBytes(from: utf8)
        bytes[utf8.count] = 0
    }
}
