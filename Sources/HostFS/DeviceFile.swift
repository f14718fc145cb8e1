import Glibc

/// A device file that is open for questions. Opening one can wake its GPU.
package struct DeviceFile: ~Copyable {
    package let descriptor: Int32

    package init(_ path: String) throws(FileError) {
        descriptor = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
    }

    deinit { close(descriptor) }

    /// Repeats the ioctl if a signal interrupted it.
    ///
    /// - Returns: 0, or the error number.
    package borrowing func ask<Question>(_ request: UInt, _ question: inout Question) -> Int32 {
        for _ in 0..<100 {
            let result = withUnsafeMutablePointer(to: &question) { ioctl(descriptor, request, $0) }
            if result >= 0 { return 0 }
            if errno != EINTR, errno != EAGAIN { return errno }
        }
        return EAGAIN
    }
}
