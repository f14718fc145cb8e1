import Foundation

/// The cgroups that real engines of the tests make containers in.
package enum RealCgroups {
    /// Whether the tests were told to run on cgroup v2 alone (`scripts/with-engine.sh --cgroup2`).
    package static let areUnified = FileManager.default.fileExists(atPath: "/sys/fs/cgroup/cgroup.controllers")

    /// Whether RAM can be limited: on a machine of v1 its memory controller is missing from v2.
    package static let limitRAM: Bool = {
        guard areUnified else { return FileManager.default.fileExists(atPath: "/sys/fs/cgroup/memory") }
        let controllers = (try? String(contentsOfFile: "/sys/fs/cgroup/cgroup.controllers", encoding: .utf8)) ?? ""
        return controllers.split(whereSeparator: \.isWhitespace).contains("memory")
    }()
}
