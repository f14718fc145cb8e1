import Glibc
import HostFS

/// What the child does with an output file: see `OutputFile`.
struct FileAccess {
    private let path: String
    private let content: OutputFile.Content
    private let parent: pid_t

    /// - Parameter parent: the program that the user started.
    init(_ path: String, _ content: OutputFile.Content, of parent: pid_t) {
        (self.path, self.content, self.parent) = (path, content, parent)
    }

    /// - Returns: the parent's descriptor that the path leads to; nil if it leads to a file.
    func check() throws(OutputFileError) -> Int32? {
        switch try OutputTarget(path, of: parent) {
        case .descriptor(let fd): return fd
        case .special(let destination): try SpecialFile(destination: destination, seconds: 0).check()
        case .regular(let destination):
            Ending.hold()
            switch try prepare(destination) {
            case .draft(let draft): draft.discard()
            case .inPlace(let fd): close(fd)
            }
        }
        return nil
    }

    /// - Parameter seconds: how long a pipe or a device may take.
    /// - Returns: as of `check`; nothing is written then.
    func write(_ bytes: [UInt8], within seconds: Double) throws(OutputFileError) -> Int32? {
        switch try OutputTarget(path, of: parent) {
        case .descriptor(let fd): return fd
        case .special(let destination): try SpecialFile(destination: destination, seconds: seconds).write(bytes)
        case .regular(let destination):
            Ending.hold()
            try write(bytes, to: destination)
        }
        return nil
    }

    // MARK: Regular files

    private enum Way {
        case draft(Draft)
        /// The existing file, open.
        case inPlace(Int32)
    }

    /// Errors that say that the file cannot be replaced, while it may be possible to write to it: in a folder that is not ours;
    /// for an owner whom only root can restore; for a file that is mounted by itself, as into a container.
    private static let irreplaceable = [EACCES, EPERM, EROFS, EBUSY]

    private func prepare(_ destination: OutputDestination) throws(OutputFileError) -> Way {
        do throws(SystemError) {
            return .draft(try Draft(destination, mode: content.mode))
        } catch {
            guard destination.existing != nil, Self.irreplaceable.contains(error.code) else {
                throw .failed(path: path, code: error.code)
            }
            return .inPlace(try openInPlace(destination))
        }
    }

    private func write(_ bytes: [UInt8], to destination: OutputDestination) throws(OutputFileError) {
        // Report a file size limit (ulimit -f) like a full disk, instead of being killed by SIGXFSZ.
        signal(SIGXFSZ, SIG_IGN)
        switch try prepare(destination) {
        case .inPlace(let fd): try write(bytes, inPlace: fd, of: destination)
        case .draft(let draft):
            do throws(SystemError) {
                try draft.replace(destination, with: bytes)
            } catch {
                guard destination.existing != nil, Self.irreplaceable.contains(error.code) else {
                    throw .failed(path: path, code: error.code)
                }
                try write(bytes, inPlace: try openInPlace(destination), of: destination)
            }
        }
    }

    /// Opens the existing file itself, if it cannot be replaced. This is the weaker way: it writes into an inode, and not to a
    /// name. So it must be the file that was judged, and have no other name: an attacker may have linked a file of ours to a
    /// name in a folder of his.
    private func openInPlace(_ destination: OutputDestination) throws(OutputFileError) -> Int32 {
        let fd = openat(
            destination.folder.fd, destination.name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard fd >= 0 else { throw .failed(path: path, code: errno) }
        var status = stat()
        let error: OutputFileError? =
            fstat(fd, &status) != 0
            ? .failed(path: path, code: errno)
            : !destination.isSame(fd) ? .replaced(path: path) : status.st_nlink > 1 ? .otherNames(path: path) : nil
        guard let error else { return fd }
        close(fd)
        throw error
    }

    /// The space is reserved first, so that a full disk changes nothing. A longer file is cut at the end, because cutting it
    /// first would give its space back.
    private func write(_ bytes: [UInt8], inPlace fd: Int32, of destination: OutputDestination) throws(OutputFileError) {
        var code = posix_fallocate(fd, 0, bytes.count)
        if [ENOSPC, EDQUOT, EFBIG].contains(code) {
            if let existing = destination.existing { ftruncate(fd, existing.st_size) }
        } else {
            // Not every file system can reserve space.
            code = Output.put(bytes, to: fd)
            if code == 0, ftruncate(fd, bytes.count) != 0 { code = errno }
        }
        if close(fd) != 0, code == 0 { code = errno }
        guard code == 0 else { throw .failed(path: path, code: code) }
    }
}

/// A new file beside the one that it will replace.
private struct Draft {
    private let folder: OutputFolder
    private let name: String
    private let fd: Int32

    /// - Parameter mode: of a file that has no predecessor. Otherwise it gets its predecessor's mode, group and owner.
    /// - Throws: if it cannot be created, or the owner cannot be kept.
    init(_ destination: OutputDestination, mode: mode_t) throws(SystemError) {
        folder = destination.folder
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        // A random name: no other user can create it first, and a file left by an earlier run is not in the way.
        var (name, fd) = ("", Int32(-1))
        for _ in 0..<8 {
            name = ".plimsoll-\(String(UInt64.random(in: .min ... .max), radix: 16))"
            fd = openat(folder.fd, name, flags, destination.predecessor == nil ? mode : 0o600)
            if fd >= 0 || errno != EEXIST { break }
        }
        guard fd >= 0 else { throw SystemError() }
        (self.name, self.fd) = (name, fd)
        guard let existing = destination.predecessor else { return }
        var new = stat()
        // The mode first: of a file that was given away it can no longer be set. Only the bits for reading, writing and
        // executing, as the kernel too removes the others when a file is written.
        let kept = existing.st_mode & 0o777
        guard fstat(fd, &new) == 0, new.st_mode & 0o777 == kept || fchmod(fd, kept) == 0,
            (new.st_uid, new.st_gid) == (existing.st_uid, existing.st_gid)
                || fchown(fd, existing.st_uid, existing.st_gid) == 0
        else {
            let error = SystemError()
            discard()
            throw error
        }
    }

    /// Closes the draft before renaming it: close(2) may report an error of the write.
    func replace(_ destination: OutputDestination, with bytes: [UInt8]) throws(SystemError) {
        var code: Int32 = 0
        var rest = bytes[...]
        while code == 0, !rest.isEmpty, !Ending.isAsked {
            code = Output.put(Array(rest.prefix(1 << 20)), to: fd)
            rest = rest.dropFirst(1 << 20)
        }
        if close(fd) != 0, code == 0 { code = errno }
        if Ending.isAsked { code = ECANCELED }
        if code == 0, renameat(folder.fd, name, folder.fd, destination.name) != 0 { code = errno }
        guard code != 0 else { return }
        unlinkat(folder.fd, name, 0)
        throw SystemError(code)
    }

    func discard() {
        close(fd)
        unlinkat(folder.fd, name, 0)
    }
}
