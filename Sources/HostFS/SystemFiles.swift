// Parsers of files about the whole host or a namespace. Formats: proc(5), cgroup-v2.rst, namespaces(7).
import Ledger

/// /proc/uptime: seconds since boot with two decimals; in ticks.
package func uptimeTicks(_ text: String, ticksPerSecond: Int64) -> Int64? {
    guard let field = text.split(whereSeparator: \.isWhitespace).first else { return nil }
    let parts = field.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let seconds = Int64(parts[0]), seconds >= 0, seconds < 1 << 40 else { return nil }
    let digits = parts.count == 2 ? parts[1].prefix(2) : "0"
    guard let fraction = Int64(digits), fraction >= 0 else { return nil }
    let hundredths = digits.count == 1 ? fraction * 10 : fraction
    return seconds * ticksPerSecond + hundredths * ticksPerSecond / 100
}

/// The `btime` line of /proc/stat: boot in seconds since 1970.
package func bootTime(_ text: String) -> Int64? {
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) where line.starts(with: "btime ".utf8) {
        return Int64(Substring(line.dropFirst("btime ".utf8.count)))
    }
    return nil
}

/// Whether /proc/version names Microsoft: the kernel of Windows' subsystem for Linux.
package func isWindowsKernel(_ version: String) -> Bool {
    version.lowercased().contains("microsoft")
}

/// MemTotal and MemAvailable of /proc/meminfo, which are in KiB; nil if one is missing (MemAvailable exists since Linux
/// 3.14).
package func hostMemory(_ meminfo: String) -> HostMemory? {
    func bytes(_ key: String) -> UInt64? {
        let line = meminfo.split(separator: "\n").first { $0.hasPrefix(key) }
        let fields = line?.dropFirst(key.count).split(separator: " ") ?? []
        guard fields.count == 2, fields[1] == "kB", let kibibytes = UInt64(fields[0]), kibibytes < 1 << 54 else {
            return nil
        }
        return kibibytes << 10
    }
    guard let total = bytes("MemTotal:"), let available = bytes("MemAvailable:") else { return nil }
    return HostMemory(total: total, available: available)
}

/// Whether the mount table says that /proc hides other users' processes: `hidepid` of 1, 2, 4 or their names.
package func mountsHideProcesses(_ mounts: String) -> Bool {
    // As bytes: each container adds a mount or more.
    for line in mounts.utf8.split(separator: UInt8(ascii: "\n")) {
        let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 4).map { Substring($0) }
        guard fields.count >= 4, fields[2] == "proc", fields[1].pathNames.last == "proc" else { continue }
        for option in fields[3].split(separator: ",") where option.hasPrefix("hidepid=") {
            return !["0", "off"].contains(String(option.dropFirst("hidepid=".count)))
        }
    }
    return false
}

/// The lines of /proc/self/mountinfo that can name the container that the table belongs to (proc(5): the fourth field is what of the
/// file system is mounted, the fifth is where).
package func ownMounts(mountinfo: String) -> [OwnMount] {
    // By bytes: a mount's options can end in a carriage return, which to Swift is one character with the newline.
    let found = mountinfo.utf8.split(separator: UInt8(ascii: "\n")).lazy.compactMap { line -> OwnMount? in
        let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5).map { Substring($0) }
        guard fields.count > 4, OwnMount.namesContainer(fields[4]) else { return nil }
        return OwnMount(root: String(fields[3]), point: String(fields[4]))
    }
    return Array(found.prefix(CountLimit.ownMounts))
}

/// `cpu.max` of cgroup v2, "quota period" in microseconds: how many CPUs that is; nil if it cannot be parsed.
package func cpuLimit(_ text: String) -> Limit<Double>? {
    let words = text.split(whereSeparator: \.isWhitespace)
    guard words.count == 2, let period = Double(words[1]), period > 0 else { return nil }
    if words[0] == "max" { return .unlimited }
    return Double(words[0]).flatMap { $0 > 0 ? .amount($0 / period) : nil }
}

/// `memory.max` (v2) or `memory.limit_in_bytes` (v1) in bytes; nil if it cannot be parsed.
package func ramLimit(_ text: String) -> Limit<UInt64>? {
    let word = text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
    if word == "max" { return .unlimited }
    guard let bytes = UInt64(word) else { return nil }
    // v1 has no word for it: the largest page-aligned number of a signed 64-bit counter, 0x7ffffffffffff000 with pages of
    // 4 KiB; arm64 has pages of up to 64 KiB.
    return bytes >= UInt64(Int64.max) - 65535 ? .unlimited : .amount(bytes)
}

/// The inode number in a namespace link such as `pid:[4026531836]`.
package func namespaceInode(_ link: String) -> UInt64? {
    guard let open = link.firstIndex(of: "["), link.hasSuffix("]") else { return nil }
    return UInt64(link[link.index(after: open)...].dropLast())
}
