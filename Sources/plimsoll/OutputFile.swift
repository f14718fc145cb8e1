import Glibc

/// A file that is written whole or not at all: beside its place first, so that a full disk leaves no half of it and harms no
/// earlier one. A device or a pipe is written to as it is.
struct OutputFile {
    let path: String

    init(_ path: String) {
        self.path = path
    }

    /// Fails now where it would fail later, as far as that can be told.
    func check() throws {
        let place = self.place
        let fd = try open(place)
        close(fd)
        if !place.isSpecial { unlink(place.partial) }
    }

    func write(_ bytes: [UInt8]) throws {
        let place = self.place
        let fd = try open(place)
        var code = Self.write(bytes, to: fd)
        if close(fd) != 0, code == 0 { code = errno }
        if code == 0, !place.isSpecial, rename(place.partial, place.file) != 0 { code = errno }
        guard code != 0 else { return }
        if !place.isSpecial { unlink(place.partial) }
        throw failure(code)
    }

    private struct Place {
        /// A link stays what it is, and what it leads to is written.
        var file: String
        var isSpecial: Bool
        var partial: String { isSpecial ? file : "\(file).partial-\(getpid())" }
    }

    private var place: Place {
        var file = path
        if let resolved = realpath(path, nil) {
            file = String(cString: resolved)
            free(resolved)
        }
        var status = stat()
        return Place(file: file, isSpecial: stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG)
    }

    private func open(_ place: Place) throws -> Int32 {
        let flags = place.isSpecial ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
        let fd = Glibc.open(place.partial, flags, 0o644)
        guard fd >= 0 else { throw failure(errno) }
        return fd
    }

    /// 0, or the error number.
    private static func write(_ bytes: [UInt8], to fd: Int32) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            if count >= 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return errno }
        }
        return 0
    }

    private func failure(_ code: Int32) -> Failure {
        .impossible("\(path) could not be written: \(String(cString: strerror(code)))")
    }
}
