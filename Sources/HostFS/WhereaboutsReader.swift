import Glibc
import Ledger

/// What tells where this program itself runs: marks that engines leave, device files, its own cgroup.
package struct WhereaboutsReader {
    private let proc: ProcFS
    private let cgroups: CgroupFS

    package init(procfs: String, sysfs: String) {
        proc = ProcFS(root: procfs)
        cgroups = CgroupFS(sysfs: sysfs)
    }

    /// - Parameters:
    ///   - variable: the value of an environment variable of ours.
    ///   - minors: of device files to be tried: opening one can wake its GPU, and takes no memory of it.
    package func read(
        variable: (String) -> String?, libraries: [DriverLibrary], minors: [UInt32] = []
    ) -> Whereabouts {
        let cgroup = (try? FileReading.text("\(proc.root)/self/cgroup")) ?? ""
        let view = try? proc.view()
        let container = CgroupMembership(cgroup: cgroup).innermost
        let id = container?.id ?? view?.ownContainer
        // A machine whose file system was made of an image has an engine's mark, and the kernel says that it is the host.
        let isHost = id == nil && view?.inInitialNamespace == true && view?.inCgroupNamespace == false
        let engine =
            isHost
            ? nil : engine(variable) ?? container.flatMap { $0.runtime == .unknown ? nil : $0.runtime.rawValue }
        let kind: Whereabouts.Kind =
            id != nil || engine != nil || view?.inInitialNamespace == false
            ? .container : view?.inInitialNamespace == nil ? .unknown : .host
        return Whereabouts(
            kind: kind, id: id, engine: engine,
            variables: Self.choosing.compactMap { name in
                variable(name).map { Whereabouts.Variable(name: name, value: $0) }
            },
            deviceNodes: deviceNodes(), libraries: libraries,
            renderNodes: minors.reduce(into: [:]) { $0[$1] = Self.renderNode($1) }, computeNode: Self.computeNode(),
            ramLimit: cgroups.ramLimit(cgroup: cgroup),
            cpuLimit: cgroups.cpuLimit(cgroup: cgroup))
    }

    /// Whose memory is that of a command which we run here.
    ///
    /// - Parameter variable: the value of an environment variable of ours.
    package func scope(variable: (String) -> String?) -> CommandScope {
        let isContainer = read(variable: variable, libraries: []).kind == .container
        let cgroup = isContainer ? try? FileReading.text("\(proc.root)/self/cgroup") : nil
        return CommandScope(ownPID: UInt32(getpid()), cgroup: cgroup)
    }

    /// The variables by which the runtimes' hooks and the vendors' libraries choose GPUs (NVIDIA Container Toolkit, "Docker
    /// Specialized Configurations"; CUDA C++ Programming Guide, "CUDA Environment Variables"; ROCm, "GPU isolation").
    private static let choosing = [
        "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "CUDA_VISIBLE_DEVICES", "AMD_VISIBLE_DEVICES",
        "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK",
    ]

    private func engine(_ variable: (String) -> String?) -> String? {
        // Podman and systemd set it; LXC and nspawn are told by it too (systemd, "The Container Interface").
        if variable("KUBERNETES_SERVICE_HOST") != nil { return "Kubernetes" }
        if SystemPath.exists("/.dockerenv") { return "Docker" }
        if SystemPath.exists("/run/.containerenv") { return "Podman" }
        return variable("container")
    }

    /// A cgroup's rule of devices refuses at the opening alone.
    private static func renderNode(_ minor: UInt32) -> Reading<String> {
        let path = DRMNode.path(ofMinor: minor)
        do throws(FileError) {
            _ = try DeviceFile(path)
            return .known(path)
        } catch {
            return .unknown(error.description)
        }
    }

    /// Not opened: that would make us one of its processes.
    private static func computeNode() -> Reading<String> {
        let path = "/dev/kfd"
        return access(path, R_OK | W_OK) == 0 ? .known(path) : .unknown(FileError(path: path, code: errno).description)
    }

    /// What libraries of the vendors open: NVIDIA's own files, WSL's, AMD's compute file, and render nodes.
    private func deviceNodes() -> [String] {
        let folder = "/dev"
        let found = ((try? FileReading.names(in: folder)) ?? []).filter { name in
            name.hasPrefix("nvidia") && name != "nvidia-caps" || name == "dxg" || name == "kfd"
        }
        let render = ((try? FileReading.names(in: "\(folder)/dri")) ?? []).filter { $0.hasPrefix("renderD") }
        return found.sorted().map { "\(folder)/\($0)" } + render.sorted().map { "\(folder)/dri/\($0)" }
    }
}
