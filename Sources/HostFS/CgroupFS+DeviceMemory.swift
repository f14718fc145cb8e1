import Glibc
import Ledger

/// What the dmem controller has charged, as far as its cgroups could be walked.
package struct DeviceMemoryCharges: Sendable, Equatable {
    /// The whole machine and each container; nil if the kernel has no such controller.
    package var cgroups: [ChargedCgroup]?
    /// Why some containers are missing; nil if none are.
    package var trouble: Reason?

    package init(cgroups: [ChargedCgroup]?, trouble: Reason? = nil) {
        self.cgroups = cgroups
        self.trouble = trouble
    }
}

extension CgroupFS {
    /// A user who can create cgroups can create very many. No healthy host has this many, or nests them this deep.
    private static let mostFolders = 1 << 14
    private static let deepest = 40

    /// What the dmem controller has charged to the whole machine and to each container.
    ///
    /// Containers are found by the names of their cgroups and not through processes: memory stays charged to a cgroup whose
    /// processes may be hidden from us, or gone. Level by level, so that a deep chain costs those beside it nothing.
    ///
    /// - Parameter seconds: after which the walk stops; at most 1.
    package func deviceMemory(within seconds: Double) -> DeviceMemoryCharges {
        // Beside v1's hierarchies the unified one is a folder of its own.
        var top: String?
        for folder in [root, "\(root)/unified"] where top == nil {
            do throws(FileError) {
                let controllers = try FileReading.text("\(folder)/cgroup.controllers")
                if controllers.split(whereSeparator: \.isWhitespace).contains("dmem") { top = folder }
            } catch {
                if !error.isAbsent { return DeviceMemoryCharges(cgroups: nil, trouble: error.reason) }
            }
        }
        guard let top else { return DeviceMemoryCharges(cgroups: nil) }
        var whole = ChargedCgroup(path: "/", current: table("\(top)/dmem.current"))
        whole.capacity = table("\(top)/dmem.capacity")
        var found = [whole]
        let end = ContinuousClock.now.advanced(by: .seconds(min(seconds, 1)))
        var level = [Folder(path: "", limits: [:])]
        var (count, unread) = (0, 0)
        for _ in 0..<Self.deepest {
            var next: [Folder] = []
            for folder in level {
                for name in names(in: top + folder.path, &unread) {
                    count += 1
                    guard count <= Self.mostFolders, ContinuousClock.now < end else {
                        return DeviceMemoryCharges(cgroups: found, trouble: .cgroupsAfter(count - 1))
                    }
                    next.append(look(at: "\(folder.path)/\(name)", in: top, limits: folder.limits, &found))
                }
            }
            if next.isEmpty {
                return DeviceMemoryCharges(cgroups: found, trouble: unread == 0 ? nil : .unreadCgroups(unread))
            }
            level = next
        }
        return DeviceMemoryCharges(cgroups: found, trouble: .cgroupsAfter(count))
    }

    /// The folder of the process with this /proc/PID/cgroup in the unified hierarchy, and the one around it; nil if there is none.
    package func unifiedFolder(cgroup: String, isParent: Bool) -> String? {
        guard (try? FileReading.text("\(root)/cgroup.controllers")) != nil else { return nil }
        let folders = folders(cgroup, controller: "dmem")
        let index = folders.count - (isParent ? 2 : 1)
        return folders.indices.contains(index) ? folders[index] : nil
    }

    /// `dmem.current` of such a folder, by region.
    package func deviceMemory(in folder: String) -> [String: UInt64] { table("\(folder)/dmem.current") }

    private struct Folder {
        var path: String
        /// The least ones on the way down.
        var limits: [String: UInt64]
    }

    private func look(
        at path: String, in top: String, limits: [String: UInt64], _ found: inout [ChargedCgroup]
    ) -> Folder {
        let limits = limits.merging(table("\(top)\(path)/dmem.max")) { min($0, $1) }
        if CgroupMembership.canBeContainer(path) {
            let current = table("\(top)\(path)/dmem.current").filter { $0.value > 0 }
            if !current.isEmpty || !limits.isEmpty {
                found.append(ChargedCgroup(path: path, current: current, limits: limits))
            }
        }
        return Folder(path: path, limits: limits)
    }

    private func names(in folder: String, _ unread: inout Int) -> [String] {
        do throws(FileError) {
            return try FileReading.names(in: folder, foldersOnly: true, most: Self.mostFolders + 1).sorted()
        } catch {
            if !error.isAbsent { unread += 1 }
            return []
        }
    }

    private func table(_ path: String) -> [String: UInt64] { (try? FileReading.text(path)).map(dmemTable) ?? [:] }
}

/// `dmem.current`, `dmem.max` and `dmem.capacity`: a region, a blank, and bytes or "max", in lines. "max" is no limit.
package func dmemTable(_ text: String) -> [String: UInt64] {
    var table: [String: UInt64] = [:]
    for line in text.split(separator: "\n") {
        guard let blank = line.lastIndex(of: " "), line[..<blank].utf8.count <= TextLimit.region,
            let bytes = UInt64(line[line.index(after: blank)...])
        else {
            continue
        }
        table[String(line[..<blank])] = bytes
    }
    return table
}
