/// How many bytes of a foreign text are kept. Each limit is what the kernel or an engine allows, or well above usual
/// lengths, so that only an artificially long text is cut.
package enum TextLimit {
    /// `comm` has 15 bytes, and a kernel thread's name up to 63 (kernel, fs/proc/array.c, proc_task_name).
    package static let processName = 64
    /// LOGIN_NAME_MAX of limits.h.
    package static let userName = 256
    /// A name in the DNS; the kernel's own has 64 bytes.
    package static let hostName = 255
    /// Also of drivers, versions and addresses. NVML's longest name has 95 bytes (nvml.h, NVML_DEVICE_NAME_V2_BUFFER_SIZE).
    package static let deviceName = 255
    /// An engine's has 64; a name that LXC or nspawn gives is that of a folder (NAME_MAX).
    package static let containerID = 255
    /// Kubernetes makes the longest: `k8s_CONTAINER_POD_NAMESPACE_UID_COUNT` with up to 63, 253, 63 and 36 bytes.
    package static let containerName = 512
    /// Docker: 255 bytes for the name, 128 for the tag, 71 for the digest (distribution/reference).
    package static let image = 512
    /// Docker sets none; people keep JSON in labels.
    package static let label = 4096
    /// A region of device memory: "drm/0000:03:00.0/vram0".
    package static let region = 255
    /// The kernel writes no path longer than PATH_MAX, and on cgroup v1 a dozen of them for a process.
    package static let path = 4096
    package static let cgroup = 1 << 16
    /// A source's error message; that of a missing library lists every path that was searched.
    package static let message = 8192
    package static let commandLine = 1 << 15
}

/// How many things of a kind are taken from a source.
package enum CountLimit {
    package static let containers = 65_536
    /// Of a container.
    package static let labels = 1024
    /// In a driver's list. NVIDIA's has at most 950 (ListReading.capacity).
    package static let listedProcesses = 16_384
    package static let devices = 1024
    /// Mounts that can name the container that we run in; a container has a dozen.
    package static let ownMounts = 64
}

extension EngineContainer {
    /// With texts cut to the limits, and no more labels than engines have. An empty text means none: Podman's
    /// infrastructure container has the image "".
    package var bounded: EngineContainer {
        func reported(_ text: String?, _ limit: Int) -> String? {
            text.flatMap { $0.isEmpty ? nil : $0.capped(at: limit) }
        }
        var container = self
        container.id = id.capped(at: TextLimit.containerID)
        container.name = reported(name, TextLimit.containerName)
        container.image = reported(image, TextLimit.image)
        let kept = labels.count > CountLimit.labels ? labels.sorted { $0.key < $1.key } : Array(labels)
        container.labels = Dictionary(
            kept.prefix(CountLimit.labels).map {
                ($0.key.capped(at: TextLimit.label), $0.value.capped(at: TextLimit.label))
            }, uniquingKeysWith: { first, _ in first })
        return container
    }
}

extension ListReading {
    /// A list that is longer than any driver's has failed: part of it would be a wrong sum.
    package static func tooLong(_ count: Int) -> ListReading {
        .failed(.listTooLong(count))
    }

    fileprivate var bounded: ListReading {
        switch self {
        case .absent: self
        case .failed(let why): .failed(why.bounded)
        case .read(let processes): processes.count > CountLimit.listedProcesses ? .tooLong(processes.count) : self
        }
    }
}

extension Reading {
    fileprivate var bounded: Reading {
        if case .unknown(let why) = self { .unknown(why.bounded) } else { self }
    }
}

extension ObservedDevice {
    fileprivate var bounded: ObservedDevice {
        func short(_ text: String?) -> String? { text?.capped(at: TextLimit.deviceName) }
        var device = self
        device.index = index.capped(at: TextLimit.deviceName)
        device.parentIndex = short(parentIndex)
        device.uuid = short(uuid)
        device.name = short(name)
        device.pci = short(pci)
        device.driver = short(driver)
        device.memory = memory.bounded.map { memory in
            var memory = memory
            memory.source = short(memory.source)
            memory.whyNoUse = memory.whyNoUse?.bounded
            return memory
        }
        device.utilizationPercent = utilizationPercent.bounded
        device.compute = compute.bounded
        device.graphics = graphics.bounded
        device.mps = mps.bounded
        return device
    }
}

extension ObservedProcess {
    fileprivate var bounded: ObservedProcess {
        var process = self
        process.name = name.capped(at: TextLimit.processName)
        process.user = user?.capped(at: TextLimit.userName)
        process.cgroup = cgroup.bounded.map { $0.capped(at: TextLimit.cgroup) }
        process.namespaceCgroup = namespaceCgroup?.capped(at: TextLimit.cgroup)
        return process
    }
}

extension ChargedCgroup {
    fileprivate var bounded: ChargedCgroup {
        func short(_ table: [String: UInt64]) -> [String: UInt64] {
            table.filter { $0.key.utf8.count <= TextLimit.region }
        }
        var cgroup = self
        cgroup.path = path.capped(at: TextLimit.path)
        cgroup.current = short(current)
        cgroup.limits = short(limits)
        cgroup.capacity = capacity.map(short)
        return cgroup
    }
}

extension DRMClient {
    fileprivate var bounded: DRMClient {
        var client = self
        client.pci = pci?.capped(at: TextLimit.deviceName)
        client.regions = regions.filter { $0.name.utf8.count <= TextLimit.region }
        return client
    }
}

extension Observation {
    /// The contents of a recording, with the same limits as those of sources. Errors of sources are put on one line: a
    /// recording may contain anything.
    package var bounded: Observation {
        var copy = self
        copy.host = host.capped(at: TextLimit.hostName)
        copy.view.ownContainer = view.ownContainer?.capped(at: TextLimit.containerID)
        copy.view.ownEngine = view.ownEngine?.capped(at: TextLimit.deviceName)
        copy.view.ownMounts = view.ownMounts?.prefix(CountLimit.ownMounts).map { mount in
            OwnMount(root: mount.root.capped(at: TextLimit.path), point: mount.point.capped(at: TextLimit.path))
        }
        copy.view.nvidiaDriver = view.nvidiaDriver?.capped(at: TextLimit.deviceName)
        copy.view.kernel = view.kernel?.capped(at: TextLimit.deviceName)
        copy.devices = devices.map(\.bounded)
        copy.processes = processes.map(\.bounded)
        copy.engines = engines.map { engine in
            var engine = engine
            engine.containers = engine.containers.prefix(CountLimit.containers).map(\.bounded)
            return engine
        }
        copy.ramLimits = ramLimits?.filter { $0.key.utf8.count <= TextLimit.containerID }.mapValues(\.bounded)
        copy.cgroupLimits = cgroupLimits?.filter { $0.key.utf8.count <= TextLimit.containerID + TextLimit.path }
            .mapValues(\.bounded)
        copy.cgroupOwners = cgroupOwners?.filter { $0.key.utf8.count <= TextLimit.containerID + TextLimit.path }
        copy.clients = clients?.bounded.map { list in
            var list = list
            list.clients = list.clients.map(\.bounded)
            return list
        }
        copy.deviceMemory = deviceMemory?.map(\.bounded)
        copy.sources = sources.map { source in
            var source = source
            source.name = source.name.capped(at: TextLimit.path).cleaned
            source.error = source.error?.bounded.onOneLine
            return source
        }
        return copy
    }
}
