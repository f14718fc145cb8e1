import Ledger

extension CgroupFS {
    /// What the dmem controller has charged to the whole machine and to each container; nil where the kernel has no such
    /// controller.
    ///
    /// Containers are found by the names of their cgroups and not through processes: memory stays charged to a cgroup whose
    /// processes may be hidden from us, or gone.
    package func deviceMemory() -> [ChargedCgroup]? {
        // Beside v1's hierarchies the unified one is a folder of its own.
        let top = [root, "\(root)/unified"].first { top in
            let controllers = (try? FileReading.text("\(top)/cgroup.controllers")) ?? ""
            return controllers.split(whereSeparator: \.isWhitespace).contains("dmem")
        }
        guard let top else { return nil }
        var whole = ChargedCgroup(path: "/", current: table("\(top)/dmem.current"))
        whole.capacity = table("\(top)/dmem.capacity")
        var found = [whole]
        collect(in: top, under: "", limits: [:], into: &found)
        return found
    }

    /// - Parameter limits: the least ones on the way down.
    private func collect(
        in root: String, under path: String, limits: [String: UInt64], into found: inout [ChargedCgroup]
    ) {
        // Deeper than any engine nests, and than a kernel's path goes.
        guard path.utf8.count < 4096, found.count < 1 << 14 else { return }
        for name in (try? FileReading.names(in: root + path, foldersOnly: true))?.sorted() ?? [] {
            let path = "\(path)/\(name)"
            let limits = limits.merging(table("\(root)\(path)/dmem.max")) { min($0, $1) }
            if CgroupMembership.isContainer(path) {
                let current = table("\(root)\(path)/dmem.current").filter { $0.value > 0 }
                if !current.isEmpty || !limits.isEmpty {
                    found.append(ChargedCgroup(path: path, current: current, limits: limits))
                }
            }
            collect(in: root, under: path, limits: limits, into: &found)
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
