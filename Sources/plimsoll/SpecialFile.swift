import Glibc
import Sampling

/// A pipe or a character device. It accepts data only while a reader reads, so it is written under a deadline.
struct SpecialFile {
    let destination: OutputDestination
    /// How long opening and writing may take together.
    let seconds: Double

    private var isPipe: Bool { destination.existing.map { $0.st_mode & S_IFMT } == S_IFIFO }

    /// A pipe is not opened here: its reader would take the close for the end.
    func check() throws(OutputFileError) {
        guard faccessat(destination.folder.fd, destination.name, W_OK, AT_EACCESS) == 0 else {
            throw .failed(path: destination.path, code: errno)
        }
    }

    /// Opens it once, and writes all of it.
    func write(_ bytes: [UInt8]) throws(OutputFileError) {
        let deadline = monotonicSeconds() + seconds
        let fd = try open(until: deadline)
        defer { close(fd) }
        switch Output.put(bytes, to: fd, until: deadline) {
        case 0: return
        case ETIMEDOUT: throw silence
        case let code: throw .failed(path: destination.path, code: code)
        }
    }

    private func open(until deadline: Double) throws(OutputFileError) -> Int32 {
        let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (destination.isMagicLink ? 0 : O_NOFOLLOW)
        while true {
            let fd = openat(destination.folder.fd, destination.name, flags)
            if fd >= 0 {
                guard destination.isSame(fd) else {
                    close(fd)
                    throw .replaced(path: destination.path)
                }
                return fd
            }
            // A pipe that has no reader yet (fifo(7)).
            guard (errno == ENXIO && isPipe) || errno == EINTR else {
                throw .failed(path: destination.path, code: errno)
            }
            guard monotonicSeconds() < deadline else { throw silence }
            usleep(20_000)
        }
    }

    private var silence: OutputFileError {
        isPipe
            ? .silentPipe(path: destination.path, seconds: seconds)
            : .silentDevice(path: destination.path, seconds: seconds)
    }
}

extension OutputDestination {
    /// Whether an open file is the one that was judged: between two calls another can take the name.
    func isSame(_ fd: Int32) -> Bool {
        var status = stat()
        guard fstat(fd, &status) == 0, let existing else { return false }
        return status.st_dev == existing.st_dev && status.st_ino == existing.st_ino
            && status.st_mode & S_IFMT == existing.st_mode & S_IFMT && status.st_uid == existing.st_uid
    }
}
