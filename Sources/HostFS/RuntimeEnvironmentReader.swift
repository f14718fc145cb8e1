import Glibc
import Ledger

/// Reads where this program runs: marks that engines leave, device files, its own cgroup.
package struct RuntimeEnvironmentReader: Sendable {
    private let proc: ProcFS
    private let cgroups: CgroupFS

    package init(_ proc: ProcFS, _ cgroups: CgroupFS) {
        self.proc = proc
        self.cgroups = cgroups
    }

    /// Reads a part of the environment; the returned function writes the part into the value.
    package typealias Part = @Sendable () -> @Sendable (inout RuntimeEnvironment) -> Void

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
                let found = identity()
                return {
                    ($0.kind, $0.id, $0.isVerified) = (found.kind, found.id, found.isVerified)
                    ($0.engine, $0.cgroup) = (found.engine, found.cgroup)
                }
            },
            { [self] in
                let nodes = deviceNodes()
                let compute = Self.computeNode()
                return { ($0.deviceNodes, $0.computeNode) = (nodes, compute) }
            },
            { [self] in
                guard let cgroup = ownCgroup else {
                    let why = Reason.at(path: "\(proc.root)/self/cgroup", .notFound)
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
    package static func unread(minors: [UInt32], why: Reason.Fact) -> RuntimeEnvironment {
        RuntimeEnvironment(
            kind: .unknown, id: nil, engine: nil,
            variables: choosing.compactMap { name in
                variable(name).map { RuntimeEnvironment.Variable(name: name, value: $0) }
            },
            deviceNodes: nil, libraries: [],
            renderNodes: minors.reduce(into: [:]) { $0[$1] = .unknown(.at(path: DRMNode.path(ofMinor: $1), why)) },
            computeNode: .unknown(.fact(why)), ramLimit: .unknown(.fact(why)), cpuLimit: .unknown(.fact(why)))
    }

    private var ownCgroup: String? { proc.ownCgroup }

    private struct Identity {
        var kind: RuntimeEnvironment.Kind
        var id: String?
        var isVerified: Bool
        var engine: String?
        var cgroup: String?
    }

    private func identity() -> Identity {
        let cgroup = ownCgroup
        var view = try? proc.view()
        if view?.inCgroupNamespace == true {
            let mounts = proc.ownMounts
            view?.ownMounts = mounts
        }
        let container = CgroupMembership(cgroup: cgroup ?? "").innermost
        let own = container == nil ? view?.own : nil
        let id = container?.id ?? own?.id
        // A machine whose file system was made of an image has an engine's mark, and the kernel says that it is the host.
        let isHost = id == nil && view?.inInitialNamespace == true && view?.inCgroupNamespace == false
        let engine =
            isHost
            ? nil : engine() ?? container.flatMap { $0.runtime == .unknown ? nil : $0.runtime.rawValue }
        let kind: RuntimeEnvironment.Kind =
            id != nil || engine != nil || view?.inInitialNamespace == false
            ? .container : view?.inInitialNamespace == nil ? .unknown : .host
        return Identity(kind: kind, id: id, isVerified: own?.isVerified ?? true, engine: engine, cgroup: cgroup)
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
        if Self.variable("KUBERNETES_SERVICE_HOST")?.isEmpty == false { return "Kubernetes" }
        return SystemPath.engineMark
    }

    /// A cgroup's rule of devices refuses at the opening alone.
    private static func renderNode(_ minor: UInt32) -> Reading<String> {
        let path = DRMNode.path(ofMinor: minor)
        do throws(FileError) {
            _ = try DeviceFile(path)
            return .known(path)
        } catch {
            return .unknown(error.reason)
        }
    }

    /// Not opened: that would make us one of its processes.
    private static func computeNode() -> Reading<String> {
        let path = "/dev/kfd"
        return access(path, R_OK | W_OK) == 0 ? .known(path) : .unknown(.file(path: path, code: errno))
    }

    /// What libraries of the vendors open: NVIDIA's own files, WSL's, Jetson's, AMD's compute file, and render nodes. nil if the
    /// folder cannot be read.
    private func deviceNodes() -> [String]? {
        let folder = "/dev"
        let others = ["dxg", "kfd", "nvgpu", "nvhost-gpu", "nvhost-ctrl-gpu"]
        guard
            let found = (try? FileReading.names(in: folder))?.filter({ name in
                name.hasPrefix("nvidia") && name != "nvidia-caps" || others.contains(name)
            })
        else { return nil }
        let render = ((try? FileReading.names(in: "\(folder)/dri")) ?? []).filter { $0.hasPrefix("renderD") }
        return found.sorted().map { "\(folder)/\($0)" } + render.sorted().map { "\(folder)/dri/\($0)" }
    }
}
