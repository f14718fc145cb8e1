import Synchronization

/// The containers that a process is in, as its cgroup paths name them.
package struct CgroupMembership: Sendable, Equatable {
    /// Outermost first; empty for a process of the host.
    package var containers: [CgroupContainer]
    /// Some path lies below the root that is shown to us: seen from inside a cgroup namespace, our own container's.
    package var isBelowRoot: Bool
    /// Of a process in no container that is known: the scope or folder of its path that is of no known kind, so that it may be a
    /// container's of a runtime that is not known yet.
    package var unrecognized: String?

    package var innermost: CgroupContainer? { containers.last }
}

/// A container, and the path of its cgroup, from which its RAM limit is read.
package struct CgroupContainer: Sendable, Equatable {
    package var id: String
    /// What its runtime calls it, if the id is not only that name because others can have the same.
    package var name: String?
    package var runtime: Runtime
    /// "" for the unified hierarchy, else the v1 controllers or `name=…` of the line.
    package var hierarchy: String
    /// The path down to the container's own component, as the line has it.
    package var path: String
    /// The uid N of the `user@N.service` that the path goes through: below it that user can make any folder. nil if there is
    /// none, or if it is itself inside a container, whose own user manager it then is.
    package var userManager: UInt32?
    /// The uid that owns the folder around the outermost container, if the path goes through no `user@N.service`, and if the
    /// owner is known and not root: this user can make any folder there. A uid of our user namespace.
    package var folderOwner: UInt32?
}

extension CgroupContainer {
    /// It is the one that we run in: seen from inside its cgroup namespace, it is the root.
    var isOwn: Bool { path == "/" }

    /// Others than root can make a cgroup of this name here.
    var isUsers: Bool { userManager != nil || folderOwner != nil }

    /// The folder around one of Podman's containers, as a container, if the folder is named by an id alone.
    var possiblePod: CgroupContainer? {
        guard runtime == .podman, let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        let folder = path[..<slash]
        let name = folder.utf8.suffix(64)
        guard name.count == 64, folder.utf8.dropLast(64).last == UInt8(ascii: "/"), isHex(Substring(name), 64...64)
        else {
            return nil
        }
        var pod = self
        pod.id = String(Substring(name))
        pod.runtime = .unknown
        pod.path = String(folder)
        return pod
    }

    fileprivate func owned(by owners: FolderOwners, outermost: CgroupContainer) -> CgroupContainer {
        guard outermost.userManager == nil else { return self }
        var container = self
        container.folderOwner = owners.foreignOwner(above: outermost)
        return container
    }
}

extension CgroupMembership {
    /// - Parameter text: the content of /proc/PID/cgroup; see cgroups(7). A line is `hierarchy:controllers:path`, split at
    ///   the first two colons only, because a path may hold more (`kubepods.slice:cri-containerd:ID`).
    package init(cgroup text: String) { self = KnownTexts[text].membership }

    /// - Parameter owners: owners of the folders around containers: an owner can claim to be that container.
    init(cgroup text: String, _ owners: FolderOwners) {
        self = owners.hasForeign ? Self(KnownTexts[text].lines.map { $0.owned(by: owners) }) : Self(cgroup: text)
    }

    /// The folders whose owners decide who can claim the containers of a text, with the root of each hierarchy.
    package static func foldersOfClaims(cgroup text: String) -> Set<CgroupFolder> {
        var folders: Set<CgroupFolder> = []
        for case let outermost? in KnownTexts[text].lines.map(\.containers.first) {
            let folder = CgroupFolder(above: outermost)
            folders.formUnion([folder, CgroupFolder(hierarchy: folder.hierarchy, path: "/")])
        }
        return folders
    }

    /// The cgroup of `container` in each hierarchy: the outermost, because folders inside it can have any name.
    package static func places(of container: CgroupContainer, cgroup text: String) -> [CgroupContainer] {
        KnownTexts[text].lines.compactMap { line in
            line.containers.first { $0.id == container.id || $0.path == container.path }
        }
    }

    /// The roots of the hierarchies that can limit RAM.
    static func roots(cgroup text: String) -> [CgroupFolder] {
        KnownTexts[text].lines.filter(\.limitsRAM).map { CgroupFolder(hierarchy: String($0.controllers), path: "/") }
    }

    /// The folders whose RAM limits give that of a process's container: the containers' own. Of a path that names no
    /// container, all of its folders, so that a recording has them if a later rule finds a container there.
    ///
    /// - Returns: also whether a folder is a container's, which should have a limit or report that it has none.
    package static func limitFolders(cgroup text: String) -> [CgroupFolder: Bool] {
        var folders: [CgroupFolder: Bool] = [:]
        for line in KnownTexts[text].lines where line.limitsRAM {
            let own = line.containers.map { CgroupFolder($0) }
            let all =
                own.isEmpty ? CgroupFolder(hierarchy: String(line.controllers), path: String(line.path)).upwards : own
            for folder in all where !folder.path.utf8.starts(with: "/..".utf8) { folders[folder] = !own.isEmpty }
        }
        return folders
    }

    /// Whether some hierarchy has the process in this very cgroup. A cgroup of the same name elsewhere is another one.
    static func isInside(_ container: CgroupContainer, cgroup text: String) -> Bool {
        KnownTexts[text].lines.contains { $0.containers.contains(container) }
    }

    /// - Parameter path: of a cgroup in the unified hierarchy.
    init(path: String, isBelowRoot: Bool, _ owners: FolderOwners) {
        let found = ContainerPath.meaning(of: path[...])
        containers = found.containers.map { $0.owned(by: owners, outermost: found.containers[0]) }
        unrecognized = found.unrecognized
        self.isBelowRoot = isBelowRoot
    }

    fileprivate init(_ lines: [CgroupLine]) {
        // Hierarchies can disagree: an old runc leaves the unified one alone, and a service manager may move a process in
        // one and not in another. A user may move own processes into folders of their own, on v1 in one hierarchy alone:
        // what stands elsewhere is better. The longest chain knows most; on equal terms the unified hierarchy comes first,
        // then systemd's, then the controllers that every runtime joins.
        let fixed = lines.filter { $0.containers.first.map { !$0.isUsers } ?? false }
        let candidates = fixed.isEmpty ? lines : fixed
        let longest = candidates.map(\.containers.count).max() ?? 0
        let best = candidates.filter { $0.containers.count == longest }.min { $0.preference < $1.preference }
        containers = best?.containers ?? []
        if containers.isEmpty {
            unrecognized = lines.filter { $0.unrecognized != nil }.min { $0.preference < $1.preference }?.unrecognized
        }
        isBelowRoot = !lines.contains { $0.path.utf8.starts(with: "/..".utf8) }
    }
}

/// What was read of texts: the processes of a container share theirs, and a stream sees the same ones each second.
private enum KnownTexts {
    struct Meaning {
        var lines: [CgroupLine]
        var membership: CgroupMembership
    }

    /// Few hosts have GPUs that more containers share. The bound matters for a stream, while containers start and end.
    private static let most = 64
    private static let known = Mutex<[String: Meaning]>([:])

    static subscript(text: String) -> Meaning {
        if let known = known.withLock({ $0[text] }) { return known }
        let lines = CgroupLine.all(in: text)
        let meaning = Meaning(lines: lines, membership: CgroupMembership(lines))
        known.withLock { known in
            if known.count >= most { known = [:] }
            known[text] = meaning
        }
        return meaning
    }
}

/// A line of /proc/PID/cgroup, with the containers that its path names.
private struct CgroupLine {
    var controllers: Substring
    var path: Substring
    var containers: [CgroupContainer] = []
    var unrecognized: String?

    static func all(in text: String) -> [CgroupLine] {
        // On cgroup v1 a process has a dozen lines, most of them with the same path.
        var known: [Substring: ContainerPath.Meaning] = [:]
        return text.utf8.split(separator: UInt8(ascii: "\n")).compactMap { bytes in
            guard var line = CgroupLine(Substring(bytes)) else { return nil }
            let found = known[line.path] ?? ContainerPath.meaning(of: line.path)
            known[line.path] = found
            line.unrecognized = found.unrecognized
            let hierarchy = String(line.controllers)
            line.containers = found.containers.map { container in
                var container = container
                container.hierarchy = hierarchy
                return container
            }
            return line
        }
    }

    func owned(by owners: FolderOwners) -> CgroupLine {
        guard let outermost = containers.first else { return self }
        var line = self
        line.containers = containers.map { $0.owned(by: owners, outermost: outermost) }
        return line
    }

    private init?(_ line: Substring) {
        let fields = line.utf8.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
        // The kernel writes no path longer than PATH_MAX, and no name in it longer than NAME_MAX.
        guard fields.count == 3, fields[2].first == UInt8(ascii: "/"), fields[2].count <= TextLimit.path,
            fields[2].count <= TextLimit.containerID
                || fields[2].split(separator: UInt8(ascii: "/")).allSatisfy({ $0.count <= TextLimit.containerID })
        else { return nil }
        controllers = Substring(fields[1])
        // Linux appends this to the path of a cgroup that was removed under a process that is dying.
        let deleted = " (deleted)"
        let isDeleted = fields[2].suffix(deleted.utf8.count).elementsEqual(deleted.utf8)
        path = Substring(isDeleted ? fields[2].dropLast(deleted.utf8.count) : fields[2])
    }

    var limitsRAM: Bool {
        controllers.isEmpty
            || controllers.utf8.split(separator: UInt8(ascii: ",")).contains { $0.elementsEqual("memory".utf8) }
    }

    /// The smallest decides.
    var preference: Int {
        if controllers.isEmpty { return 0 }
        let order = ["name=systemd", "memory", "devices", "pids"]
        let names = controllers.utf8.split(separator: UInt8(ascii: ",")).map { Substring($0) }
        return 1 + (order.firstIndex { name in names.contains { $0 == name } } ?? order.count)
    }
}
