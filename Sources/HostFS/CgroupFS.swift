import Glibc
import Ledger

/// The cgroup file systems under a /sys of one's choice.
package struct CgroupFS: Sendable {
    package let root: String

    package init(sysfs: String) {
        root = "\(sysfs)/fs/cgroup"
    }

    /// The RAM limit of a cgroup in bytes, from its own folder.
    package func ramLimit(of folder: CgroupFolder) -> Reading<Limit<UInt64>> {
        let files = files(for: folder)
        for path in files {
            if let text = try? FileReading.text(path), let limit = HostFS.ramLimit(text) { return .known(limit) }
        }
        return .unknown(files.first.map { .at(path: $0, .notFound) } ?? .fact(.outsideView))
    }

    /// The RAM that the process with this /proc/PID/cgroup may have, of all the limits on the way to the root.
    package func ramLimit(cgroup: String) -> Reading<Limit<UInt64>> {
        least(
            of: folders(cgroup, controller: "memory"),
            [{ "\($0)/memory.max" }, { "\($0)/memory.limit_in_bytes" }].map { file in
                { folder in (try? FileReading.text(file(folder))).flatMap(HostFS.ramLimit) }
            })
    }

    /// The CPUs that it may keep busy: its quota in each period.
    package func cpuLimit(cgroup: String) -> Reading<Limit<Double>> {
        least(
            of: folders(cgroup, controller: "cpu"),
            [
                { folder in (try? FileReading.text("\(folder)/cpu.max")).flatMap(HostFS.cpuLimit) },
                { folder in
                    guard let quota = try? FileReading.text("\(folder)/cpu.cfs_quota_us"),
                        let period = try? FileReading.text("\(folder)/cpu.cfs_period_us")
                    else { return nil }
                    return HostFS.cpuLimit(quota.replacing("-1", with: "max") + " " + period)
                },
            ])
    }

    /// Its cgroup in the hierarchy that has the controller, and the ones around it up to the root that is shown here.
    func folders(_ cgroup: String, controller: String) -> [String] {
        // By bytes: to Swift a slash that a combining mark follows is another character, and so is a newline behind a
        // carriage return. Names of cgroups can hold both.
        let lines = cgroup.utf8.split(separator: UInt8(ascii: "\n")).map {
            $0.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false).map { Substring($0) }
        }
        let v1 = lines.first { $0.count == 3 && $0[1].split(separator: ",").contains(Substring(controller)) }
        guard let line = v1 ?? lines.first(where: { $0.count == 3 && $0[1].isEmpty }) else { return [] }
        let top = v1 == nil ? root : "\(root)/\(controller)"
        let components = line[2].pathNames.filter { $0 != ".." }
        return (0...components.count).map { count in top + components.prefix(count).map { "/" + $0 }.joined() }
    }

    private func least<Amount: Comparable>(
        of folders: [String], _ readers: [(String) -> Limit<Amount>?]
    ) -> Reading<Limit<Amount>> {
        var least: Amount?
        var isRead = false
        for folder in folders {
            guard let limit = readers.lazy.compactMap({ $0(folder) }).first else { continue }
            isRead = true
            if let amount = limit.amount { least = Swift.min(least ?? amount, amount) }
        }
        // The root of the unified hierarchy has no such file, and no limit.
        let isUnified = (try? FileReading.text("\(root)/cgroup.controllers")) != nil
        return isRead || isUnified ? .known(Limit(least)) : .unknown(.at(path: root, .noCgroups))
    }

    // MARK: Owners

    /// Who owns a folder; nil if that cannot be read. It is not opened.
    package func owner(of folder: CgroupFolder) -> UInt32? {
        guard !folder.path.hasPrefix("/..") else { return nil }
        var isHidden = false
        for top in tops(of: folder.hierarchy) {
            switch FileReading.owner(ofFolder: top + folder.path) {
            case .success(let owner): return owner
            case .failure(let error): isHidden = isHidden || error.isForbidden || error.code == ENAMETOOLONG
            }
        }
        // If the folder cannot be looked at (no permission, path too long, removed, a name that is not UTF-8), the owner of the
        // folder around it can have created it. If the hierarchy is not visible from here, the owner stays unknown.
        guard let parent = folder.parent, isHidden || parent.path != "/" else { return nil }
        return owner(of: parent)
    }

    /// The folders in which a hierarchy can be mounted: the unified one is the whole tree, or beside those of v1 on a
    /// hybrid host.
    private func tops(of hierarchy: String) -> [String] {
        guard !hierarchy.isEmpty else { return [root, "\(root)/unified"] }
        let name = hierarchy.hasPrefix("name=") ? String(hierarchy.dropFirst("name=".count)) : hierarchy
        return ["\(root)/\(name)"] + name.split(separator: ",").map { "\(root)/\($0)" }
    }

    private func files(for folder: CgroupFolder) -> [String] {
        let controllers = folder.hierarchy.split(separator: ",")
        let path = folder.path == "/" ? "" : folder.path
        if controllers.contains("memory") { return ["\(root)/memory\(path)/memory.limit_in_bytes"] }
        // The unified hierarchy is the whole tree, or beside v1's on a hybrid host.
        return folder.hierarchy.isEmpty
            ? ["\(root)\(path)/memory.max", "\(root)/unified\(path)/memory.max"] : []
    }
}
