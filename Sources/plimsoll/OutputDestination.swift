import Glibc
import HostFS

/// O_PATH of fcntl.h, which Swift does not import: a file is looked at and not opened for reading or writing.
private let openPath: Int32 = 0o1000_0000

/// An open folder, for system calls that take a name relative to it. No other folder can be substituted for an open one.
final class OutputFolder {
    let fd: Int32
    let status: stat

    /// - Parameter follows: whether a symbolic link is followed.
    init(_ name: String, in parent: Int32 = AT_FDCWD, follows: Bool = true) throws(SystemError) {
        // It also opens a folder that may be entered but not listed.
        let flags = openPath | O_DIRECTORY | O_CLOEXEC | (follows ? 0 : O_NOFOLLOW)
        fd = openat(parent, name, flags)
        guard fd >= 0 else { throw SystemError() }
        var status = stat()
        guard fstat(fd, &status) == 0 else {
            let error = SystemError()
            close(fd)
            throw error
        }
        self.status = status
    }

    deinit { close(fd) }

    var isProcFS: Bool { status.st_dev == SystemPath.procFSDevice }

    // MARK: Who may create names here

    /// Other users than the owner may: everybody, or the members of the group. An access control list counts here too, because
    /// its rights are below those that the kernel shows as the group's (acl(5)).
    var isShared: Bool { status.st_mode & (S_IWOTH | S_IWGRP) != 0 }
    /// Whether only this user and root may create names in the folder.
    var isOurs: Bool { !isShared && [geteuid(), 0].contains(status.st_uid) }
    /// A folder of a group whose members, of which this user is one, work on each other's files, such as one of mode 2775. With
    /// the sticky bit they do not, and root belongs to no such group.
    var isOfOurGroup: Bool {
        guard status.st_mode & (S_IWOTH | S_ISVTX) == 0, isShared, geteuid() != 0 else { return false }
        if status.st_gid == getegid() { return true }
        var groups = [gid_t](repeating: 0, count: Int(max(0, getgroups(0, nil))))
        let count = getgroups(Int32(groups.count), &groups)
        return groups.prefix(Int(max(0, count))).contains(status.st_gid)
    }
}

struct SystemError: Error {
    var code: Int32

    /// - Parameter code: by default that of the call before.
    init(_ code: Int32 = errno) { self.code = code }
}

/// The destination of an output: an open folder and a name in it.
struct OutputDestination {
    /// What the user typed, for messages.
    let path: String
    let folder: OutputFolder
    let name: String
    /// What has the name now; nil if nothing has.
    let existing: stat?
    /// The file whose mode and owner a new file takes over; nil if another user may create names in the folder: that user
    /// may have given this name to a file of ours that everyone may read, and a recording would become readable to
    /// everyone.
    var predecessor: stat? { existing.flatMap { !folder.isOurs && $0.st_nlink > 1 ? nil : $0 } }
    /// The name is a link of procfs, which only the kernel can follow.
    var isMagicLink = false
}

enum OutputTarget {
    /// A descriptor that this program was started with, such as that of /dev/stdout.
    case descriptor(Int32)
    /// A pipe or a character device.
    case special(OutputDestination)
    /// A regular file, or none yet.
    case regular(OutputDestination)

    /// Walks along a path, one component at a time, and checks every symbolic link before following it.
    ///
    /// A link that is the last component must be ours or root's. A link to a folder on the way may have any owner,
    /// because users link folders in their homes. But in a folder in which users other than its owner may create names,
    /// the link must be ours, root's, or the folder owner's, as the kernel requires with fs.protected_symlinks. There, a
    /// link must also have only one name: another user may have given a second name to a link that we or root have
    /// elsewhere.
    ///
    /// - Parameter process: the program that the user started.
    init(_ path: String, of process: pid_t) throws(OutputFileError) {
        self = try PathWalk(path: path, process: process, isJudging: true).target()
    }

    /// The descriptor of a process that a path of a file to be read leads to; nil if it leads to none.
    static func descriptor(of path: String, in process: pid_t) -> Int32? {
        let walk = PathWalk(path: path, process: process, isJudging: false)
        guard case .descriptor(let fd)? = try? walk.target() else { return nil }
        return fd
    }
}

private struct PathWalk {
    /// As many as the kernel follows (path_resolution(7)).
    private static let mostLinks = 40

    let path: String
    let process: pid_t
    /// Whether links of other users are refused.
    let isJudging: Bool

    func target() throws(OutputFileError) -> OutputTarget {
        guard !path.isEmpty else { throw .failed(path: path, code: ENOENT) }
        if let descriptor = SystemPath.ownDescriptor(named: path, of: process) { return .descriptor(descriptor) }
        var rest = Self.components(of: path)
        var folder = try start(of: path)
        var links = 0
        while let name = rest.popFirst() {
            if let descriptor = Self.ownDescriptor(name, rest, in: folder) { return .descriptor(descriptor) }
            let isLast = rest.isEmpty
            if !isLast, let next = try subfolder(name, of: folder) {
                folder = next
                continue
            }
            guard let entry = try look(at: name, in: folder) else {
                guard isLast else { throw .failed(path: path, code: ENOENT) }
                return .regular(OutputDestination(path: path, folder: folder, name: name, existing: nil))
            }
            guard let text = entry.link else {
                guard isLast else { throw .failed(path: path, code: ENOTDIR) }
                return try target(OutputDestination(path: path, folder: folder, name: name, existing: entry.status))
            }
            links += 1
            guard links <= Self.mostLinks else { throw .failed(path: path, code: ELOOP) }
            try checkLink(entry.status, in: folder, isLast: isLast, named: isLast && links == 1 ? nil : name)
            if isLast, folder.isProcFS { return try magicTarget(name, in: folder) }
            if isLast, let fd = SystemPath.ownDescriptor(named: text, of: process) { return .descriptor(fd) }
            rest = Self.components(of: text) + rest
            if text.isAbsolutePath { folder = try start(of: text) }
        }
        throw .notWritable(path: path, .folder)
    }

    /// `self/fd/N` of procfs, in whatever way the path comes there. This is a child, and the user means the program that he
    /// started.
    private static func ownDescriptor(_ name: String, _ rest: ArraySlice<String>, in folder: OutputFolder) -> Int32? {
        guard rest.count == 2, rest.first == "fd", ["self", "thread-self"].contains(name), folder.isProcFS,
            let digits = rest.last, digits.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 })
        else { return nil }
        return Int32(digits)
    }

    /// A slash at the end asks for a folder.
    ///
    /// By bytes, as the kernel does it: to Swift a slash that a combining mark follows is another character than a slash.
    private static func components(of path: String) -> ArraySlice<String> {
        let names = path.pathNames.map(String.init)
        return (names + (path.endsWithSlash && !names.isEmpty ? ["."] : []))[...]
    }

    private func start(of text: String) throws(OutputFileError) -> OutputFolder {
        do throws(SystemError) {
            return try OutputFolder(text.isAbsolutePath ? "/" : ".")
        } catch {
            throw .failed(path: path, code: error.code)
        }
    }

    /// The folder of that name; nil if it is a link or no folder.
    private func subfolder(_ name: String, of folder: OutputFolder) throws(OutputFileError) -> OutputFolder? {
        do throws(SystemError) {
            return try OutputFolder(name, in: folder.fd, follows: folder.isProcFS)
        } catch {
            guard [ENOTDIR, ELOOP].contains(error.code) else { throw .failed(path: path, code: error.code) }
            return nil
        }
    }

    /// - Returns: nil if there is no such name. The status and the text of a link are of the same link: one open file gives
    ///   both.
    private func look(
        at name: String, in folder: OutputFolder
    ) throws(OutputFileError) -> (status: stat, link: String?)? {
        let fd = openat(folder.fd, name, openPath | O_NOFOLLOW | O_CLOEXEC)
        guard fd >= 0 else {
            guard errno == ENOENT else { throw .failed(path: path, code: errno) }
            return nil
        }
        defer { close(fd) }
        var status = stat()
        guard fstat(fd, &status) == 0 else { throw .failed(path: path, code: errno) }
        guard status.st_mode & S_IFMT == S_IFLNK else { return (status, nil) }
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) { readlinkat(fd, "", $0.baseAddress!, $0.count) }
        }
        guard count > 0 else { throw .failed(path: path, code: errno) }
        guard let text = String(validating: buffer[..<count], as: UTF8.self) else {
            throw .failed(path: path, code: EILSEQ)
        }
        return (status, text)
    }

    private func checkLink(
        _ link: stat, in folder: OutputFolder, isLast: Bool, named name: String?
    ) throws(OutputFileError) {
        guard isJudging else { return }
        var isTrusted = [geteuid(), 0].contains(link.st_uid)
        if !isLast { isTrusted = isTrusted || !folder.isShared || link.st_uid == folder.status.st_uid }
        guard isTrusted else { throw .foreignLink(path: path, link: name, owner: link.st_uid) }
        if !folder.isOurs, link.st_nlink > 1 { throw .sharedLink(path: path) }
    }

    private func target(_ destination: OutputDestination) throws(OutputFileError) -> OutputTarget {
        switch destination.existing.map({ $0.st_mode & S_IFMT }) {
        case S_IFREG:
            try checkOwner(of: destination)
            return .regular(destination)
        case S_IFIFO:
            try checkOwner(of: destination)
            return .special(destination)
        case S_IFCHR: return .special(destination)
        case S_IFDIR: throw .notWritable(path: path, .folder)
        case S_IFBLK: throw .notWritable(path: path, .blockDevice)
        case S_IFSOCK: throw .notWritable(path: path, .socket)
        default: throw .notWritable(path: path, .other)
        }
    }

    /// Refuses files and pipes of other users in a folder in which others may create names: their owner would read what
    /// we write. The kernel has the same rule in fs.protected_regular and fs.protected_fifos, for folders with the sticky
    /// bit; many systems leave it off.
    ///
    /// A file of a group member in a folder of our group is written in place, because such folders are for sharing. A
    /// pipe is not.
    private func checkOwner(of destination: OutputDestination) throws(OutputFileError) {
        guard destination.folder.isShared, let existing = destination.existing else { return }
        guard ![geteuid(), destination.folder.status.st_uid].contains(existing.st_uid) else { return }
        guard destination.folder.isOfOurGroup, existing.st_mode & S_IFMT == S_IFREG else {
            throw .foreignFile(path: path, owner: existing.st_uid)
        }
    }

    /// The target of a procfs link: /proc/PID/fd/1 of another process, which people use to write to the log of a
    /// container. The text of such a link may be "pipe:[123]", or a path in another mount namespace, so only the kernel
    /// can follow it.
    private func magicTarget(_ name: String, in folder: OutputFolder) throws(OutputFileError) -> OutputTarget {
        var status = stat()
        guard fstatat(folder.fd, name, &status, 0) == 0 else { throw .failed(path: path, code: errno) }
        guard status.st_mode & S_IFMT != S_IFREG else { throw .foreignDescriptor(path: path) }
        var destination = OutputDestination(path: path, folder: folder, name: name, existing: status)
        destination.isMagicLink = true
        return try target(destination)
    }
}
