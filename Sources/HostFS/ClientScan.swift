import CProcess
import Glibc
import Ledger

/// Finds the files of DRM devices that processes have open. Keeps between scans what spares the next one a look. Used by one
/// thread.
///
/// Every descriptor's link is read each time, because a number may mean another file by then; its fdinfo is opened only where
/// the link leads to a DRM device. All of a process's files are read through its one open `fd` folder, which belongs to that
/// process alone.
package final class ClientScan {
    private let root: String
    /// Descriptors of DRM devices whose driver reports nothing about them.
    private var silent: [UInt32: Silent] = [:]
    private var link = [UInt8](repeating: 0, count: 64)
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    private struct Silent {
        var startTick: Int64
        /// When they were looked at.
        var since: ContinuousClock.Instant
        /// By descriptor.
        var minors: [UInt32: UInt32?] = [:]
    }

    /// Time after which descriptors that reported nothing are opened again.
    private static let freshness = Duration.seconds(10)
    private var now = ContinuousClock.now
    /// Something was not ours to read.
    private var isDenied = false
    /// Skip our own PID: we open devices only to query them.
    private let ownPID: UInt32?

    package init(_ proc: ProcFS) {
        root = proc.root
        ownPID = proc.isOwn && FileReading.isLink("\(proc.root)/self") ? UInt32(getpid()) : nil
    }

    /// - Parameter seconds: after which the rest of the processes is counted as unread: one of them can have very many files.
    /// - Throws: if the processes cannot be listed at all.
    package func read(within seconds: Double = .infinity) throws(FileError) -> ClientList {
        guard let folder = opendir(root) else { throw FileError(path: root, code: errno) }
        defer { closedir(folder) }
        let directoryFD = dirfd(folder)
        now = ContinuousClock.now
        var list = ClientList(clients: [], unreadable: 0)
        var silent: [UInt32: Silent] = [:]
        while let entry = readdir(folder) {
            guard let pid = Self.number(entry) else { continue }
            guard (ContinuousClock.now - now) / .seconds(1) < seconds else {
                list.unreadable += 1
                continue
            }
            read(pid, in: directoryFD, into: &list, &silent)
        }
        self.silent = silent
        return list
    }

    private func read(_ pid: UInt32, in proc: Int32, into list: inout ClientList, _ silent: inout [UInt32: Silent]) {
        if pid == ownPID { return }
        guard let folder = Self.folder("\(pid)/fd", in: proc) else {
            // It has ended, or it is not ours to read, or we have no descriptor left ourselves.
            guard ![ENOENT, ESRCH].contains(errno), hasDescriptors(pid, in: proc) else { return }
            readWithoutLinks(pid, in: proc, into: &list, &silent)
            return
        }
        defer { closedir(folder) }
        let directoryFD = dirfd(folder)
        isDenied = false
        var open: [(descriptor: UInt32, minor: UInt32?)] = []
        while let entry = readdir(folder) {
            let found = withUnsafePointer(to: &entry.pointee.d_name.0) { minor(of: $0, in: directoryFD) }
            if let minor = found, let descriptor = Self.number(entry) { open.append((descriptor, minor)) }
        }
        // Root may open the folder, and without CAP_SYS_PTRACE not read the links in it (as in a container with --pid=host).
        if isDenied { return readWithoutLinks(pid, in: proc, into: &list, &silent) }
        if !open.isEmpty, !read(open, of: pid, in: directoryFD, into: &list, &silent) { list.unreadable += 1 }
    }

    /// CAP_SYS_PTRACE opens another user's fdinfo, and not the folder of the links beside it (kernel, fs/proc/fd.c). Then every
    /// descriptor has to be opened once, and those that are no client again only after a while.
    private func readWithoutLinks(
        _ pid: UInt32, in proc: Int32, into list: inout ClientList, _ silent: inout [UInt32: Silent]
    ) {
        guard let folder = Self.folder("\(pid)/fdinfo", in: proc) else {
            if ![ENOENT, ESRCH].contains(errno) { list.unreadable += 1 }
            return
        }
        defer { closedir(folder) }
        var open: [(descriptor: UInt32, minor: UInt32?)] = []
        while let entry = readdir(folder) {
            if let descriptor = Self.number(entry) { open.append((descriptor, nil)) }
        }
        if !open.isEmpty, !read(open, of: pid, in: dirfd(folder), into: &list, &silent) { list.unreadable += 1 }
    }

    /// - Parameter folder: a folder of the process's own, which always belongs to the same process.
    /// - Returns: whether all of it could be read, and said which device it is of.
    private func read(
        _ open: [(descriptor: UInt32, minor: UInt32?)], of pid: UInt32, in folder: Int32, into list: inout ClientList,
        _ silent: inout [UInt32: Silent]
    ) -> Bool {
        isDenied = false
        guard let text = bytes("../stat", in: folder),
            let startTick = ProcessStat(String(decoding: text, as: UTF8.self))?.startTick
        else { return !isDenied }
        let known = self.silent[pid].flatMap { known in
            known.startTick == startTick && now - known.since < Self.freshness ? known : nil
        }
        var quiet = Silent(startTick: startTick, since: known?.since ?? now)
        var met: Set<ClientKey> = []
        var isWhole = true
        // If the driver reports nothing, the amount is unknown, once for each process and device.
        func keepSilent(_ descriptor: UInt32, _ minor: UInt32?) {
            quiet.minors[descriptor] = .some(minor)
            guard let minor, met.insert(ClientKey(id: Self.unreported(pid), pci: nil, minor: minor)).inserted else {
                return
            }
            list.clients.append(
                DRMClient(
                    pid: pid, startTick: startTick, id: Self.unreported(pid), pci: nil, minor: minor, regions: []))
        }
        for (descriptor, minor) in open {
            if let before = known?.minors[descriptor], before == minor {
                keepSilent(descriptor, minor)
                continue
            }
            isDenied = false
            guard let text = bytes("../fdinfo/\(descriptor)", in: folder) else {
                if isDenied { isWhole = false }
                continue
            }
            let info = FDInfo(text)
            guard info.driver != nil, let id = info.client else {
                keepSilent(descriptor, minor)
                continue
            }
            // Without its link, and from a driver of a platform device, the device of this client is unknown.
            guard info.pci != nil || minor != nil else {
                isWhole = false
                continue
            }
            // One file under several numbers.
            guard met.insert(ClientKey(id: id, pci: info.pci, minor: info.pci == nil ? minor : nil)).inserted else {
                continue
            }
            list.clients.append(
                DRMClient(
                    pid: pid, startTick: startTick, id: id, pci: info.pci, minor: minor, regions: info.regions,
                    evicted: info.evicted, hasComputed: info.hasComputed, hasDrawn: info.hasDrawn))
        }
        if !quiet.minors.isEmpty { silent[pid] = quiet }
        return isWhole
    }

    /// Replaces the client id if the driver does not report one: a number that the kernel's counters do not reach.
    private static func unreported(_ pid: UInt32) -> UInt64 { 1 << 63 | UInt64(pid) }

    private static func folder(_ path: String, in directoryFD: Int32) -> OpaquePointer? {
        let fd = openat(directoryFD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        guard let folder = fdopendir(fd) else {
            close(fd)
            return nil
        }
        return folder
    }

    private struct ClientKey: Hashable {
        var id: UInt64
        var pci: String?
        var minor: UInt32?
    }

    /// The minor number of the DRM device that a descriptor leads to; nil if it leads to another file.
    private func minor(of name: UnsafePointer<CChar>, in folder: Int32) -> UInt32? {
        let count = link.withUnsafeMutableBytes { readlinkat(folder, name, $0.baseAddress!, $0.count) }
        if count < 0, [EACCES, EPERM].contains(errno) { isDenied = true }
        guard count > 5 else { return nil }
        return link.withUnsafeBytes { link -> UInt32? in
            if memcmp(link.baseAddress!, "/dev/", 5) != 0 {
                // In a chroot the same file has another folder before its path.
                let isElsewhere =
                    link[0] == UInt8(ascii: "/") && count > 5
                    && (0...(count - 5)).contains { memcmp(link.baseAddress! + $0, "/dri/", 5) == 0 }
                return isElsewhere ? self.minor(at: name, in: folder) : nil
            }
            if count > 9, memcmp(link.baseAddress!, "/dev/dri/", 9) == 0 {
                // The link to a deleted file ends in " (deleted)".
                let digits = link[9..<count].drop { !Self.isDigit($0) }.prefix { Self.isDigit($0) }
                return UInt32(String(decoding: digits, as: UTF8.self))
            }
            // An engine may give a device another name (`--device /dev/dri/renderD128:/dev/gpu`); that the descriptors of
            // nearly everybody lead to these is known.
            for usual in ["null", "pts/", "tty", "urandom", "zero", "nvidia", "kfd", "shm/", "ptmx", "fuse"] {
                if count >= 5 + usual.utf8.count, memcmp(link.baseAddress! + 5, usual, usual.utf8.count) == 0 {
                    return nil
                }
            }
            return self.minor(at: name, in: folder)
        }
    }

    /// By the file itself, whatever it is called.
    private func minor(at name: UnsafePointer<CChar>, in folder: Int32) -> UInt32? {
        var (major, minor) = (UInt32(0), UInt32(0))
        guard cprocess_character_device(folder, name, &major, &minor) == 0 else { return nil }
        // DRM_MAJOR (kernel, include/drm/drm_file.h).
        return major == 226 ? minor : nil
    }

    /// Whether a process has open files. Kernel threads and dead processes have none, and no right is enough to list
    /// them.
    private func hasDescriptors(_ pid: UInt32, in proc: Int32) -> Bool {
        guard let text = bytes("\(pid)/stat", in: proc), let stat = ProcessStat(String(decoding: text, as: UTF8.self))
        else { return true }
        return !stat.isKernelThread && !stat.isDead
    }

    private func bytes(_ path: String, in folder: Int32) -> ArraySlice<UInt8>? {
        let fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard fd >= 0 else {
            if ![ENOENT, ESRCH].contains(errno) { isDenied = true }
            return nil
        }
        defer { close(fd) }
        guard FileReading.isRegular(fd) else {
            isDenied = true
            return nil
        }
        var have = 0
        while have < buffer.count {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(fd, $0.baseAddress! + have, $0.count - have) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else {
                if errno != ESRCH { isDenied = true }
                return nil
            }
            if count == 0 { break }
            have += count
        }
        return buffer[..<have]
    }

    private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }

    private static func number(_ entry: UnsafeMutablePointer<dirent>) -> UInt32? {
        withUnsafePointer(to: &entry.pointee.d_name.0) { name in
            var number: UInt32 = 0
            var character = name
            guard character.pointee != 0 else { return nil }
            while character.pointee != 0 {
                let digit = UInt8(bitPattern: character.pointee)
                guard isDigit(digit), number < 400_000_000 else { return nil }
                number = number * 10 + UInt32(digit - UInt8(ascii: "0"))
                character += 1
            }
            return number
        }
    }
}
