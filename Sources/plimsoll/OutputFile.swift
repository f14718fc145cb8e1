import Glibc
import HostFS

/// A file that the user names, and that is written whole or not at all: a full disk leaves no half of a file and does no harm
/// to an earlier one. A device or a pipe is written as it is.
///
/// Another user may have put something under the name. See `OutputTarget` for what is refused.
struct OutputFile {
    enum Content {
        /// It tells the names of users, containers and processes: a new file is for its owner alone.
        case recording
        case report

        var mode: mode_t { self == .recording ? 0o600 : 0o666 }
    }

    let path: String
    let content: Content

    init(_ path: String, _ content: Content) {
        self.path = path
        self.content = content
    }

    /// Fails now if `write` would fail later, as far as can be told. It does not wait, and it leaves nothing behind.
    func check() throws {
        do throws(OutputFileError) {
            switch try OutputTarget(path) {
            case .descriptor(let fd): try checkDescriptor(fd)
            case .special(let place): try SpecialFile(place: place, seconds: 0).check()
            case .regular(let place):
                switch try prepare(place) {
                case .draft(let draft): draft.discard()
                case .inPlace(let fd): close(fd)
                }
            }
        } catch {
            throw Failure.impossible(error)
        }
    }

    /// - Parameter seconds: how long a pipe or a device may take.
    func write(_ bytes: [UInt8], within seconds: Double) throws {
        do throws(OutputFileError) {
            switch try OutputTarget(path) {
            case .descriptor(let fd): try write(bytes, toDescriptor: fd)
            case .special(let place): try SpecialFile(place: place, seconds: seconds).write(bytes)
            case .regular(let place): try write(bytes, to: place)
            }
        } catch {
            throw Failure.impossible(error)
        }
    }

    // MARK: Descriptors

    private func checkDescriptor(_ fd: Int32) throws(OutputFileError) {
        let flags = fcntl(fd, F_GETFL)
        // What this program opens itself is closed at exec; what it was started with cannot be.
        guard flags >= 0, flags & O_ACCMODE != O_RDONLY, fcntl(fd, F_GETFD) & FD_CLOEXEC == 0 else {
            throw .failed(path: path, code: EBADF)
        }
    }

    /// As standard output is written: where the last writer stopped, without a deadline, and a reader that has read enough is
    /// no error.
    private func write(_ bytes: [UInt8], toDescriptor fd: Int32) throws(OutputFileError) {
        try checkDescriptor(fd)
        let code = Output.put(bytes, to: fd)
        guard code == 0 || code == EPIPE else { throw .failed(path: path, code: code) }
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

    private func prepare(_ place: OutputPlace) throws(OutputFileError) -> Way {
        do throws(SystemError) {
            return .draft(try Draft(place, mode: content.mode))
        } catch {
            guard place.existing != nil, Self.irreplaceable.contains(error.code) else {
                throw .failed(path: path, code: error.code)
            }
            return .inPlace(try openInPlace(place))
        }
    }

    private func write(_ bytes: [UInt8], to place: OutputPlace) throws(OutputFileError) {
        // A limit on the size of files (ulimit -f) is then told like a full disk, and ends nothing.
        signal(SIGXFSZ, SIG_IGN)
        switch try prepare(place) {
        case .inPlace(let fd): try write(bytes, inPlace: fd, of: place)
        case .draft(let draft):
            do throws(SystemError) {
                try draft.replace(place, with: bytes)
            } catch {
                guard place.existing != nil, Self.irreplaceable.contains(error.code) else {
                    throw .failed(path: path, code: error.code)
                }
                try write(bytes, inPlace: try openInPlace(place), of: place)
            }
        }
    }

    /// Opens the existing file itself, if it cannot be replaced. This is the weaker way: it writes into an inode, and not to a
    /// name. So it must be the file that was judged, and have no other name: an attacker may have linked a file of ours to a
    /// name in a folder of his.
    private func openInPlace(_ place: OutputPlace) throws(OutputFileError) -> Int32 {
        let fd = openat(place.folder.fd, place.name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard fd >= 0 else { throw .failed(path: path, code: errno) }
        var status = stat()
        fstat(fd, &status)
        let error: OutputFileError? =
            !place.isSame(fd) ? .replaced(path: path) : status.st_nlink > 1 ? .otherNames(path: path) : nil
        guard let error else { return fd }
        close(fd)
        throw error
    }

    /// The space is reserved first, so that a full disk changes nothing. A longer file is cut at the end, because cutting it
    /// first would give its space back.
    private func write(_ bytes: [UInt8], inPlace fd: Int32, of place: OutputPlace) throws(OutputFileError) {
        var code = posix_fallocate(fd, 0, bytes.count)
        if [ENOSPC, EDQUOT, EFBIG].contains(code) {
            if let existing = place.existing { ftruncate(fd, existing.st_size) }
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
    init(_ place: OutputPlace, mode: mode_t) throws(SystemError) {
        folder = place.folder
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        // Nobody can guess the name, so nobody can take it first, and what an earlier run left is in nobody's way.
        var (name, fd) = ("", Int32(-1))
        for _ in 0..<8 {
            name = ".plimsoll-\(String(UInt64.random(in: .min ... .max), radix: 16))"
            fd = openat(folder.fd, name, flags, place.predecessor == nil ? mode : 0o600)
            if fd >= 0 || errno != EEXIST { break }
        }
        guard fd >= 0 else { throw SystemError() }
        (self.name, self.fd) = (name, fd)
        guard let existing = place.predecessor else { return }
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

    /// An error of the write may be told only when the file is closed (close(2)), so it is closed before it gets the name.
    func replace(_ place: OutputPlace, with bytes: [UInt8]) throws(SystemError) {
        var code = Output.put(bytes, to: fd)
        if close(fd) != 0, code == 0 { code = errno }
        if code == 0, renameat(folder.fd, name, folder.fd, place.name) != 0 { code = errno }
        guard code != 0 else { return }
        unlinkat(folder.fd, name, 0)
        throw SystemError(code)
    }

    func discard() {
        close(fd)
        unlinkat(folder.fd, name, 0)
    }
}
