import Ledger

/// The cgroup file systems under a /sys of one's choice.
package struct CgroupFS: Sendable {
    package let root: String

    package init(sysfs: String) {
        root = "\(sysfs)/fs/cgroup"
    }

    /// A container's RAM limit in bytes, from its own cgroup; a value of nil is "no limit".
    ///
    /// - Parameter cgroup: the text of /proc/PID/cgroup of one of its processes: which hierarchy counts RAM is not always
    ///   the one that names the container.
    package func ramLimit(of container: String, cgroup: String) -> Reading<UInt64?> {
        var tried: [String] = []
        for place in CgroupMembership.places(of: container, cgroup: cgroup) {
            guard !place.path.hasPrefix("/..") else { continue }
            for path in files(for: place) {
                if let text = try? FileReading.text(path), let limit = HostFS.ramLimit(text) { return .known(limit) }
                tried.append(path)
            }
        }
        return .unknown(tried.isEmpty ? "its cgroup lies outside what is seen from here" : "not found: \(tried[0])")
    }

    private func files(for place: CgroupContainer) -> [String] {
        let controllers = place.hierarchy.split(separator: ",")
        if controllers.contains("memory") { return ["\(root)/memory\(place.path)/memory.limit_in_bytes"] }
        // The unified hierarchy is the whole tree, or beside v1's on a hybrid host.
        return place.hierarchy.isEmpty
            ? ["\(root)\(place.path)/memory.max", "\(root)/unified\(place.path)/memory.max"] : []
    }
}
