import Glibc
import Ledger

/// What tells where this program itself runs: marks that engines leave, device files, its own cgroup.
package struct WhereaboutsReader: Sendable {
    private let proc: ProcFS
    private let cgroups: CgroupFS

    package init(_ proc: ProcFS, _ cgroups: CgroupFS) {
        self.proc = proc
        self.cgroups = cgroups
    }

    /// Reads a part of where we are; what it returns notes the part.
    package typealias Part = @Sendable () -> @Sendable (inout Whereabouts) -> Void

    /// Each a reading of its own, since any of them can hang.
    ///
    /// - Parameter minors: of device files to be tried: opening one can wake its GPU, and takes no memory of it.
    package func parts(minors: [UInt32]) -> [Part] {
        let opened = minors.map { minor -> Part in
            {
                let node = Self.renderNode(minor)
                return { $0.renderNodes[minor] = node }
            }
        }
        return [
            { [self] in
                let (kind, id, engine, cgroup) = identity()
                return { ($0.kind, $0.id, $0.engine, $0.cgroup) = (kind, id, engine, cgroup) }
            },
            { [self] in
                let nodes = deviceNodes()
                let compute = Self.computeNode()
                return { ($0.deviceNodes, $0.computeNode) = (nodes, compute) }
            },
            { [self] in
                guard let cgroup = ownCgroup else {
                    let why = "\(proc.root)/self/cgroup cannot be read"
                    return { ($0.ramLimit, $0.cpuLimit) = (.unknown(why), .unknown(why)) }
                }
                let (ram, cpus) = (cgroups.ramLimit(cgroup: cgroup), cgroups.cpuLimit(cgroup: cgroup))
                return { ($0.ramLimit, $0.cpuLimit) = (ram, cpus) }
            },
        ] + opened
    }

    /// What is known before any part is read: the environment.
    ///
    /// - Parameter why: why the parts are not known.
    package static func unread(minors: [UInt32], why: String) -> Whereabouts {
        Whereabouts(
            kind: .unknown, id: nil, engine: nil,
            variables: choosing.compactMap { name in
                variable(name).map { Whereabouts.Variable(name: name, value: $0) }
            },
            deviceNodes: [], libraries: [],
            renderNodes: minors.reduce(into: [:]) { $0[$1] = .unknown("\(DRMNode.path(ofMinor: $1)): \(why)") },
            computeNode: .unknown(why), ramLimit: .unknown(why), cpuLimit: .unknown(why))
    }

    private var ownCgroup: String? {
        (try? FileReading.text("\(proc.root)/self/cgroup"))?.capped(at: TextLimit.cgroup)
    }

    private func identity() -> (Whereabouts.Kind, id: String?, engine: String?, cgroup: String?) {
        let cgroup = ownCgroup
        let view = try? proc.view()
        let container = CgroupMembership(cgroup: cgroup ?? "").innermost
        let id = container?.id ?? (view?.inCgroupNamespace == true ? proc.ownContainer : nil)
        // A machine whose file system was made of an image has an engine's mark, and the kernel says that it is the host.
        let isHost = id == nil && view?.inInitialNamespace == true && view?.inCgroupNamespace == false
        let engine =
            isHost
            ? nil : engine() ?? container.flatMap { $0.runtime == .unknown ? nil : $0.runtime.rawValue }
        let kind: Whereabouts.Kind =
            id != nil || engine != nil || view?.inInitialNamespace == false
            ? .container : view?.inInitialNamespace == nil ? .unknown : .host
        return (kind, id, engine, cgroup)
    }

    /// One that is empty chooses too: no device.
    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// The variables by which the runtimes' hooks and the vendors' libraries choose GPUs (NVIDIA Container Toolkit, "Docker
    /// Specialized Configurations"; CUDA C++ Programming Guide, "CUDA Environment Variables"; ROCm, "GPU isolation").
    private static let choosing = [
        "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "CUDA_VISIBLE_DEVICES", "AMD_VISIBLE_DEVICES",
        "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK",
    ]

    private func engine() -> String? {
        func variable(_ name: String) -> String? { Self.variable(name).flatMap { $0.isEmpty ? nil : $0 } }
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
