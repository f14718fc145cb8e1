extension Observation {
    /// The same without names of the host, its users, containers, images, processes, Compose projects, paths and GPUs: each has a
    /// placeholder, the same wherever it stands. Ids, PIDs, amounts and the structure of cgroup paths stay, so that the ledger
    /// adds up as before.
    package var redacted: Observation {
        var redaction = Redaction()
        return redaction.applied(to: self)
    }
}

private struct Redaction {
    /// By kind and name, in the order in which they are met.
    private var placeholders: [String: [String: String]] = [:]

    private mutating func placeholder(_ kind: String, _ name: String) -> String {
        if name.isEmpty { return name }
        if let placeholder = placeholders[kind]?[name] { return placeholder }
        let placeholder = "\(kind)-\((placeholders[kind]?.count ?? 0) + 1)"
        placeholders[kind, default: [:]][name] = placeholder
        return placeholder
    }

    mutating func applied(to original: Observation) -> Observation {
        var copy = original
        copy.host = placeholder("host", original.host)
        copy.engines = original.engines.map { engine in
            var engine = engine
            engine.containers = engine.containers.map { container($0) }
            return engine
        }
        copy.processes = original.processes.map { process($0) }
        copy.devices = original.devices.map { device($0) }
        copy.view.ownMounts = original.view.ownMounts?.map { mount in
            OwnMount(root: path(mount.root), point: path(mount.point))
        }
        // Of systemd's container interface it can be any word.
        copy.view.ownEngine = original.view.ownEngine.map { Self.engines.contains($0) ? $0 : placeholder("engine", $0) }
        copy.view.ownContainer = original.view.ownContainer.map { path($0) }
        copy.ramLimits = renamed(original.ramLimits)?.mapValues { reading($0) }
        copy.cgroupLimits = renamed(original.cgroupLimits)?.mapValues { reading($0) }
        copy.cgroupOwners = renamed(original.cgroupOwners)
        copy.deviceMemory = original.deviceMemory?.map { charged in
            var charged = charged
            charged.path = path(charged.path)
            return charged
        }
        copy.clients = original.clients.map { reading($0) }
        copy.sources = original.sources.map { source in
            var source = source
            // The kind of the source, and the socket of a second one of its kind.
            let kind = source.name.prefix { $0 != ":" }
            source.name = kind + path(String(source.name.dropFirst(kind.count)))
            source.error = source.error.map { reason($0) }
            return source
        }
        return copy
    }

    private mutating func container(_ original: EngineContainer) -> EngineContainer {
        var container = original
        container.id = path(original.id)
        // As in the cgroups of runtimes that name containers there: whose a cgroup is can depend on a name.
        container.name = original.name.map { path($0) }
        // An image without a name is identified by its digest.
        container.image = original.image.map { $0.hasPrefix("sha256:") ? $0 : placeholder("image", $0) }
        container.labels = original.labels.mapValues { placeholder("label", $0) }
        return container
    }

    private mutating func process(_ original: ObservedProcess) -> ObservedProcess {
        var process = original
        // Names of programs that everybody has say nothing of anybody, and some of them decide whose memory it is.
        if !Self.programs.contains(original.name) { process.name = placeholder("process", original.name) }
        // A user without a name is identified by the user's number.
        process.user = original.user.map { $0 == "root" || UInt32($0) != nil ? $0 : placeholder("user", $0) }
        process.cgroup = reading(original.cgroup).map { cgroup($0) }
        process.namespaceCgroup = original.namespaceCgroup.map { cgroup($0) }
        return process
    }

    private mutating func device(_ original: ObservedDevice) -> ObservedDevice {
        var device = original
        // "GPU-d59a9a0e-…": the first digits identify a GPU on its host. If two GPUs have the same first digits, a number
        // follows.
        device.uuid = original.uuid.map { uuid in
            let kind = String(uuid.utf8.prefix { $0 != UInt8(ascii: "-") }.map { Character(Unicode.Scalar($0)) })
            let number = placeholder("uuid", uuid).split(separator: "-").last ?? ""
            let start = uuid.dropFirst(kind.count + 1).prefix(8)
            return "\(kind)-\(start)-0000-0000-0000-" + String(repeating: "0", count: max(0, 12 - number.count))
                + number
        }
        device.memory = reading(original.memory).map { memory in
            var memory = memory
            memory.whyNoUse = memory.whyNoUse.map { reason($0) }
            return memory
        }
        device.utilizationPercent = reading(original.utilizationPercent)
        (device.compute, device.graphics, device.mps) = (list(device.compute), list(device.graphics), list(device.mps))
        return device
    }

    private mutating func list(_ list: ListReading) -> ListReading {
        if case .failed(let why) = list { .failed(reason(why)) } else { list }
    }

    private mutating func reading<Value>(_ reading: Reading<Value>) -> Reading<Value> {
        if case .unknown(let why) = reading { .unknown(reason(why)) } else { reading }
    }

    private mutating func renamed<Value>(_ table: [String: Value]?) -> [String: Value]? {
        table.map { table in
            // In one order, because placeholders are numbered.
            table.sorted { $0.key < $1.key }.reduce(into: [:]) { $0[path($1.key)] = $1.value }
        }
    }

    /// Text of /proc/PID/cgroup. Controllers are words of the kernel's.
    private mutating func cgroup(_ text: String) -> String {
        text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
            path(String(Substring($0)))
        }.joined(separator: "\n")
    }

    private mutating func reason(_ original: Reason) -> Reason {
        switch original {
        case .fact, .noAnswer, .listTooLong, .percent, .recordsLeftOut, .unreadProcesses, .unreadCgroups,
            .cgroupsAfter, .call, .cuda, .unreportedByKernel, .versionMismatch:
            original
        case .file(let path, let code): .file(path: self.path(path), code: code)
        case .at(let path, let fact): .at(path: self.path(path), fact)
        case .noLibrary(let tried): .noLibrary(tried: tried.map { path($0) })
        case .ofLibrary(let library, _): .ofLibrary(path(library), Self.leftOut)
        case .missingSymbol(let library, let symbol): .missingSymbol(library: path(library), symbol)
        case .ofGPU(let index, let reason): .ofGPU(index: index, self.reason(reason))
        case .ofClients(let reason): .ofClients(self.reason(reason))
        case .askedAgain(let reason, let seconds): .askedAgain(self.reason(reason), seconds: seconds)
        case .several(let reasons): .several(reasons.map { reason($0) })
        case .other: .other(Self.leftOut)
        }
    }

    /// Replaces the message of an engine or a library, which can contain any name.
    private static let leftOut = "its message was removed by --redact"

    // MARK: Paths

    /// A path, or a part of one. What separates its words stays, and so do words that the kernel, systemd, engines and runtimes use,
    /// numbers and ids.
    private mutating func path(_ text: String) -> String {
        var result = ""
        var word = ""
        func isSeparator(_ scalar: Unicode.Scalar) -> Bool { "/-._:@ ',;()=~+".unicodeScalars.contains(scalar) }
        var rest = Substring(text).unicodeScalars[...]
        while let scalar = rest.first {
            let uuid = word.isEmpty || word == "pod" ? Self.lengthOfUUID(rest) : 0
            let address = word.isEmpty ? Self.lengthOfAddress(rest) : 0
            if address > 0 {
                result += kept("address" + rest.prefix(address).map { String($0) }.joined())
                rest = rest.dropFirst(address)
            } else if uuid > 0 {
                result += word + String(rest.prefix(uuid))
                word = ""
                rest = rest.dropFirst(uuid)
            } else if isSeparator(scalar) {
                result += kept(word) + String(scalar)
                word = ""
                rest = rest.dropFirst()
            } else if String(rest.prefix(4)) == "\\x2d" {
                // A dash, as systemd escapes it.
                result += kept(word) + "\\x2d"
                word = ""
                rest = rest.dropFirst(4)
            } else {
                word.unicodeScalars.append(scalar)
                rest = rest.dropFirst()
            }
        }
        return result + kept(word)
    }

    /// The scalars of an id in groups, as UUIDs have them and Garden's containers, with dashes or underscores; 0 if there is none.
    private static func lengthOfUUID(_ text: Substring.UnicodeScalarView) -> Int {
        for groups in [[8, 4, 4, 4, 12], [8, 4, 4, 4, 4]] {
            let length = groups.reduce(groups.count - 1, +)
            let parts = text.prefix(length).split(omittingEmptySubsequences: false) { $0 == "-" || $0 == "_" }
            guard parts.count == groups.count, zip(parts, groups).allSatisfy({ isHex(Substring($0), $1...$1) }),
                text.dropFirst(length).first.map({ !isHex(Substring(String($0)), 1...1) }) != false
            else { continue }
            return length
        }
        return 0
    }

    /// The scalars of an IPv4 address; 0 if there is none.
    private static func lengthOfAddress(_ text: Substring.UnicodeScalarView) -> Int {
        let length = text.prefix { (48...57).contains($0.value) || $0 == "." }.count
        let parts = text.prefix(length).split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8(String($0)) != nil } ? length : 0
    }

    private mutating func kept(_ word: String) -> String {
        let text = Substring(word)
        let isNumber = text.utf8.allSatisfy { (48...57).contains($0) }
        let digits = text.utf8.count { (48...57).contains($0) }
        let isID = digits > 0 && isHex(text, 12...64)
        let isPod = word.hasPrefix("pod") && isHex(text.dropFirst(3), 32...32)
        if isNumber || isID || isPod || Self.vocabulary.contains(word) { return word }
        // Without a dash, so that it stays one word.
        let name = placeholder("name", word).replacing("-", with: "")
        // BuildKit's ids have 25 letters and digits, and so can a name.
        guard text.utf8.count == 25, !word.contains(where: \.isUppercase) else { return name }
        return name + String(repeating: "z", count: max(0, 25 - name.utf8.count))
    }

    private static let engines: Set = [
        "Docker", "Podman", "podman", "docker", "lxc", "lxc-libvirt", "systemd-nspawn", "wsl", "oci",
    ]

    private static let programs = DRMClient.openers.union([
        "nvidia-cuda-mps", "nvidia-persiste", "python", "python3", "Xorg", "Xwayland", "gnome-shell", "kwin_wayland",
        "plimsoll-cuda",
    ])

    private static let vocabulary: Set<String> = Set(
        """
        docker libpod payload conmon cri containerd crio nerdctl runc crun youki runsc krun buildah buildkit kata overhead \
        apptainer singularity oci nomad share podman pod pods parent pause lxc lxd incus monitor mesos garden ecs ecstasks \
        actions job moby default k8s k3s io kubepods kubelet kubernetes besteffort burstable guaranteed container containers \
        supervisor systemd nspawn machine qemu slice scope service mount socket swap timer user users session run app apps snap \
        flatpak vte tmux ptyxis spawn gnome dbus system slurm slurmstepd step task uid elogind init root rootfs home tmp var \
        lib lib64 usr local etc proc self sys fs cgroup unified dev dri class drm card renderD device devices bus pci kfd \
        topology nodes node mem banks properties overlay overlay2 vfs storage volumes volume userdata hostname hosts resolv \
        conf secrets containerenv sock api termination log empty dir host merged diff work fuse name memory cpu cpuset cpuacct \
        blkio freezer pids net cls prio perf event hugetlb rdma misc dmem libnvidia ml so libcuda nvidia wsl driver opengl \
        x86 64 aarch64 linux gnu bin sbin opt data sandboxes deleted
        """.split(whereSeparator: \.isWhitespace).map(String.init))
}
