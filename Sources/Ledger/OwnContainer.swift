/// A line of our own mount table that can name the container that we run in.
package struct OwnMount: Codable, Sendable, Hashable {
    /// What of the file system is mounted: the fourth field of /proc/self/mountinfo (proc(5)).
    package var root: String
    /// Where: the fifth.
    package var point: String

    package init(root: String, point: String) {
        self.root = root
        self.point = point
    }

    /// Whether a mount at this path can identify a container or its pod.
    package static func namesContainer(_ point: Substring) -> Bool {
        point == "/" || point == containerenv || isTerminationLog(point) || shared.contains(point)
            || secrets.contains { point == $0 || point.utf8.starts(with: "\($0)/".utf8) }
    }

    /// The file in which a container of Kubernetes leaves its last words.
    fileprivate static func isTerminationLog(_ point: Substring) -> Bool { point.hasSuffix("/termination-log") }

    static let containerenv: Substring = "/run/.containerenv"
    /// Containers of one pod, and those that join another's network, have these from the folder of one of them (moby,
    /// `--network container:NAME`; libpod, makeBindMounts; CRI-O).
    static let shared: [Substring] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]
    static let secrets: [Substring] = ["/run/secrets", "/var/run/secrets"]
}

/// The container that we run in, as far as our own mounts identify it.
enum OwnContainer: Equatable {
    case named(String)
    /// This one, or another that shares its network: Docker gives both the same files.
    case likely(String)
    case unknown

    init(_ view: ProcessView) {
        if let mounts = view.ownMounts {
            self = Self.judge(mounts)
        } else {
            // A recording of version 0.1.0, which took files that can be another's.
            self = view.ownContainer.map { .likely($0) } ?? .unknown
        }
    }

    var id: String? {
        switch self {
        case .named(let id), .likely(let id): id
        case .unknown: nil
        }
    }

    var isVerified: Bool { if case .likely = self { false } else { true } }

    /// What only this container has mounted names it. If two ids compete, none is believed.
    private static func judge(_ mounts: [OwnMount]) -> OwnContainer {
        let own = Set(mounts.filter(\.isOwn).compactMap(\.id))
        if !own.isEmpty { return own.count == 1 ? .named(own.first!) : .unknown }
        guard !mounts.contains(where: \.isPods) else { return .unknown }
        let shared = mounts.filter { OwnMount.shared.contains($0.point[...]) }
        // Podman's containers have a mount of their own; here Docker's are left.
        let ids = shared.map { mount in mount.folder?.parent == "containers" ? mount.folder?.id : nil }
        guard let hostname = shared.firstIndex(where: { $0.point == "/etc/hostname" }), let id = ids[hostname],
            ids.allSatisfy({ $0 == nil || $0 == id })
        else { return .unknown }
        return .likely(id)
    }
}

extension OwnMount {
    fileprivate var isOwn: Bool {
        point == "/" || point[...] == Self.containerenv || Self.secrets.contains(point[...])
    }

    /// The kubelet brings it into the containers of a pod.
    fileprivate var isPods: Bool {
        Self.isTerminationLog(point[...]) || point.contains("/kubernetes.io/")
            || zip(components, components.dropFirst()).contains { $0 == "kubelet" && $1 == "pods" }
    }

    private var components: [Substring] { root.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) } }

    /// The folder of a container that the root lies in, `containers/ID` of Docker's or `overlay-containers/ID` of Podman's and
    /// CRI-O's.
    fileprivate var folder: (parent: Substring, id: String)? {
        for (parent, component) in zip(components, components.dropFirst())
        where (parent == "containers" || parent.utf8.suffix(11).elementsEqual("-containers".utf8))
            && isHex(component, 64...64)
        {
            return (parent, String(component))
        }
        return nil
    }

    /// A layer of an image has an id as long, so a root file system names its container only if it is called `rootfs`
    /// (containerd's bundles).
    fileprivate var id: String? {
        guard point == "/" else { return folder?.id }
        for (component, next) in zip(components, components.dropFirst())
        where next == "rootfs" && isHex(component, 64...64) {
            return String(component)
        }
        return nil
    }
}
