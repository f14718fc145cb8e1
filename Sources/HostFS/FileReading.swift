import Glibc
import Ledger

/// A file that could not be read: which, and the error number.
package struct FileError: Error, Equatable, CustomStringConvertible {
    package var path: String
    package var code: Int32

    package init(path: String, code: Int32) {
        self.path = path
        self.code = code
    }

    static let notRegular = Reason.notRegular

    package var reason: Reason { .file(path: path, code: code) }

    package var description: String {
        let path = path.cleaned
        return code == Self.notRegular ? "\(path): not a regular file" : "\(path): \(String(cString: strerror(code)))"
    }
    /// There is no such file, or the process that it belongs to has ended (ESRCH, of an open /proc file).
    package var isAbsent: Bool { [ENOENT, ESRCH, ENOTDIR].contains(code) }
    package var isForbidden: Bool { [EACCES, EPERM].contains(code) }
}

/// Reads small kernel files. Sizes in /proc and /sys lie, so a file is read to its end, and no further than `limit` bytes.
///
/// Refuses pipes, devices and sockets instead of waiting for their data. A file system that hangs (FUSE, NFS) still blocks
/// the caller, so only the children of this program read files of the host.
package enum FileReading {
    package static let limit = 1 << 20

    package static func text(_ path: String) throws(FileError) -> String {
        try text(path, in: AT_FDCWD, named: path)
    }

    package static func bytes(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        try bytes(path, in: AT_FDCWD, named: path, limit: limit)
    }

    /// - Parameters:
    ///   - path: relative to the open folder `folder`.
    ///   - name: the whole path, for messages.
    static func text(_ path: String, in folder: Int32, named name: String) throws(FileError) -> String {
        String(decoding: try bytes(path, in: folder, named: name, limit: limit), as: UTF8.self)
    }

    private static func bytes(
        _ path: String, in folder: Int32, named name: String, limit: Int
    ) throws(FileError) -> [UInt8] {
        let fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard fd >= 0 else { throw FileError(path: name, code: errno) }
        defer { close(fd) }
        guard isRegular(fd) else { throw FileError(path: name, code: FileError.notRegular) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while bytes.count < limit {
            let count = read(fd, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw FileError(path: name, code: errno) }
            if count == 0 { break }
            bytes.append(contentsOf: buffer[..<count])
        }
        return bytes
    }

    /// A file that the user named, which may also be a pipe or a terminal.
    ///
    /// - Throws: ETIMEDOUT if its end does not come within `seconds`.
    package static func bytesOfUsersFile(
        _ path: String, limit: Int, within seconds: Double
    ) throws(FileError) -> [UInt8] {
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard fd >= 0 else { throw FileError(path: path, code: errno) }
        defer { close(fd) }
        let end = ContinuousClock.now.advanced(by: .seconds(seconds))
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < limit {
            // A pipe without a writer has no end yet. A regular file is always ready.
            var waiting = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
            let left = (end - ContinuousClock.now) / .milliseconds(1)
            let ready = poll(&waiting, 1, Int32(max(0, min(left, 2e9)).rounded(.up)))
            if ready < 0 && errno == EINTR { continue }
            guard ready > 0 else { throw FileError(path: path, code: ETIMEDOUT) }
            let count = read(fd, &buffer, buffer.count)
            if count < 0 && [EINTR, EAGAIN].contains(errno) { continue }
            guard count >= 0 else { throw FileError(path: path, code: errno) }
            if count == 0 { break }
            bytes.append(contentsOf: buffer[..<count])
        }
        return bytes
    }

    static func isRegular(_ fd: Int32) -> Bool {
        var status = stat()
        return fstat(fd, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    package static func link(_ path: String) -> String? { link(path, in: AT_FDCWD) }

    /// - Parameter path: relative to the open folder `folder`.
    static func link(_ path: String, in folder: Int32) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlinkat(folder, path, &buffer, buffer.count - 1)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }

    static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// Who owns a folder. It is not opened.
    static func owner(ofFolder path: String) -> Result<UInt32, FileError> {
        var status = stat()
        guard lstat(path, &status) == 0 else { return .failure(FileError(path: path, code: errno)) }
        guard status.st_mode & S_IFMT == S_IFDIR else { return .failure(FileError(path: path, code: ENOTDIR)) }
        return .success(status.st_uid)
    }

    /// - Throws: if there is no such folder, or if we may not open it.
    static func checkFolder(_ path: String) throws(FileError) {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw FileError(path: path, code: errno) }
        close(folder)
    }

    /// - Parameters:
    ///   - foldersOnly: only for /sys and /proc, where each entry has its kind.
    ///   - most: the most names that are read.
    package static func names(
        in path: String, foldersOnly: Bool = false, most: Int = .max
    ) throws(FileError) -> [String] {
        guard let folder = opendir(path) else { throw FileError(path: path, code: errno) }
        defer { closedir(folder) }
        var names: [String] = []
        while names.count < most, let entry = readdir(folder) {
            if foldersOnly, entry.pointee.d_type != UInt8(DT_DIR) { continue }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
