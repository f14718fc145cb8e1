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
        if place.isSpecial {
            // A pipe is opened once: who reads from it takes its closing for the end.
            guard !place.isFolder else { throw failure(EISDIR) }
            guard access(place.file, W_OK) == 0 else { throw failure(errno) }
            return
        }
        close(try open(place))
        unlink(place.partial)
    }

    func write(_ bytes: [UInt8]) throws {
        let place = self.place
        let fd = try open(place)
        var code = Output.put(bytes, to: fd)
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
        var isFolder: Bool
        var partial: String { isSpecial ? file : "\(file).partial-\(getpid())" }
    }

    private var place: Place {
        var file = path
        if let resolved = realpath(path, nil) {
            file = String(cString: resolved)
            free(resolved)
        }
        var status = stat()
        let kind = stat(path, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
        return Place(file: file, isSpecial: kind != S_IFREG, isFolder: kind == S_IFDIR)
    }

    private func open(_ place: Place) throws -> Int32 {
        let flags = place.isSpecial ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
        var fd = Glibc.open(place.partial, flags, 0o644)
        if fd < 0, errno == EEXIST, unlink(place.partial) == 0 {
            // Left by one of our PID that was killed: in a container that is each of them.
            fd = Glibc.open(place.partial, flags, 0o644)
        }
        guard fd >= 0 else { throw failure(errno) }
        return fd
    }

    private func failure(_ code: Int32) -> Failure {
        .impossible("\(path) could not be written: \(String(cString: strerror(code)))")
    }
}
