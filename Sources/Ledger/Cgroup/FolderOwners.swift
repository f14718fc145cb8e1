/// The owners of the folders that contain containers' cgroups. The owner of a folder can create cgroups in it, and can
/// name one like another user's container: a user whose service has `Delegate=yes`, or to whom pam_cgfs gave a folder.
struct FolderOwners: Sendable {
    private let owners: [String: UInt32]
    /// Some folder is not root's.
    let hasForeign: Bool
    /// What the kernel shows for a uid that our user namespace does not map (kernel, include/linux/highuid.h); nil outside one.
    private let unmapped: UInt32?

    init(_ observation: Observation) {
        owners = observation.cgroupOwners ?? [:]
        unmapped = observation.view.inUserNamespace == true ? 65534 : nil
        hasForeign = owners.contains { $0.value != 0 }
    }

    /// The owner of the folder that a container's cgroup is in, if that is neither root nor the owner of the whole hierarchy.
    ///
    /// A hierarchy whose root is not root's is a copy of a host's files, or was handed over as a whole: its owner is root in there.
    func foreignOwner(above container: CgroupContainer) -> UInt32? {
        guard hasForeign, let owner = owner(above: container), !isRoot(owner, of: container) else { return nil }
        return owner
    }

    /// Whether the folder is known to be root's.
    func isRoots(above container: CgroupContainer) -> Bool {
        owner(above: container).map { isRoot($0, of: container) } ?? false
    }

    /// A user whose word counts for all containers: root, and in a copy of a host the owner of the copy. nil is not known.
    func isRoot(_ owner: UInt32?) -> Bool {
        owner == nil || owner == 0 || owner == unmapped
            || owners.contains { $0.key.hasSuffix(":/") && $0.value == owner }
    }

    /// nil if it is not known.
    private func owner(above container: CgroupContainer) -> UInt32? {
        guard let owner = owners[CgroupFolder(above: container).key] else { return nil }
        return owner == unmapped ? nil : owner
    }

    private func isRoot(_ owner: UInt32, of container: CgroupContainer) -> Bool {
        owner == 0 || owner == owners[CgroupFolder(hierarchy: container.hierarchy, path: "/").key]
    }
}

/// A folder of a cgroup hierarchy.
package struct CgroupFolder: Hashable, Sendable {
    /// As `CgroupContainer` has it.
    package var hierarchy: String
    package var path: String

    /// What recordings call it: the end of its line in /proc/PID/cgroup, ":/system.slice" or "memory:/docker".
    package var key: String { "\(hierarchy):\(path)" }

    package init(hierarchy: String, path: String) {
        self.hierarchy = hierarchy
        self.path = path
    }

    /// The folder of the container itself.
    init(_ container: CgroupContainer) {
        hierarchy = container.hierarchy
        path = container.path
    }

    init(above container: CgroupContainer) {
        hierarchy = container.hierarchy
        path = Self.parent(of: container.path) ?? "/"
    }

    /// The folder around it; nil for a hierarchy's root.
    package var parent: CgroupFolder? { Self.parent(of: path).map { CgroupFolder(hierarchy: hierarchy, path: $0) } }

    /// Itself and the folders around it, the innermost first. A user can nest them very deep; no runtime does.
    var upwards: [CgroupFolder] {
        var folders = [self]
        while folders.count < 16, let parent = folders.last?.parent { folders.append(parent) }
        return folders
    }

    private static func parent(of path: String) -> String? {
        guard path != "/", let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
