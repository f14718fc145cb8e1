/// The containers that a process is in, as its cgroup paths name them.
package struct CgroupMembership: Sendable, Equatable {
    /// Outermost first; empty for a process of the host.
    package var containers: [CgroupContainer]
    /// Some path lies below the root that is shown to us: seen from inside a cgroup namespace, our own container's.
    package var isBelowRoot: Bool

    package var innermost: CgroupContainer? { containers.last }
}

/// A container, and where its cgroup is: what a RAM limit is read from.
package struct CgroupContainer: Sendable, Equatable {
    package var id: String
    package var runtime: Runtime
    /// "" for the unified hierarchy, else the v1 controllers or `name=…` of the line.
    package var hierarchy: String
    /// The path down to the container's own component, as the line has it.
    package var path: String
}

extension CgroupMembership {
    /// - Parameter text: the content of /proc/PID/cgroup; see cgroups(7). A line is `hierarchy:controllers:path`, split at
    ///   the first two colons only, because a path may hold more (`kubepods.slice:cri-containerd:ID`).
    package init(cgroup text: String) {
        let lines = text.split(separator: "\n").compactMap(CgroupLine.init)
        // Hierarchies can disagree: an old runc leaves the unified one alone, and a service manager may move a process in
        // one and not in another. The longest chain knows most; on equal terms the unified hierarchy comes first, then
        // systemd's, then the controllers that every runtime joins.
        let chains = lines.sorted { $0.preference < $1.preference }.map { ContainerPath.containers(of: $0) }
        let longest = chains.map(\.count).max() ?? 0
        containers = chains.first { $0.count == longest } ?? []
        isBelowRoot = !lines.contains { $0.path.hasPrefix("/..") }
    }
}

struct CgroupLine {
    var controllers: Substring
    var path: Substring

    init?(_ line: Substring) {
        let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        // The kernel writes no path longer than PATH_MAX.
        guard fields.count == 3, fields[2].hasPrefix("/"), fields[2].utf8.count <= 4096 else { return nil }
        controllers = fields[1]
        // Linux appends this to the path of a cgroup that was removed under a process that is dying.
        path = fields[2].hasSuffix(" (deleted)") ? fields[2].dropLast(" (deleted)".count) : fields[2]
    }

    var preference: Int {
        if controllers.isEmpty { return 0 }
        let order = ["name=systemd", "memory", "devices", "pids"]
        let names = controllers.split(separator: ",")
        return 1 + (order.firstIndex { name in names.contains { $0 == name } } ?? order.count)
    }
}

extension CgroupMembership {
    /// Where each hierarchy has the cgroup of `container`.
    package static func places(of container: String, cgroup text: String) -> [CgroupContainer] {
        text.split(separator: "\n").compactMap(CgroupLine.init).compactMap { line in
            ContainerPath.containers(of: line).last { $0.id == container }
        }
    }
}
