import Glibc

extension SystemPath {
    /// The descriptor of this process that a path names, as `/dev/stdout` and `/proc/self/fd/1` do.
    ///
    /// The text decides, so that it also works where /proc is not mounted, and for a pipe, which has no path to resolve.
    ///
    /// - Parameter process: the number of the process; "self" means it too.
    package static func ownDescriptor(named path: String, of process: pid_t) -> Int32? {
        switch path {
        case "/dev/stdin": return STDIN_FILENO
        case "/dev/stdout": return STDOUT_FILENO
        case "/dev/stderr": return STDERR_FILENO
        default: break
        }
        let folders = ["/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/", "/proc/\(process)/fd/"]
        guard let folder = folders.first(where: path.hasPrefix) else { return nil }
        let digits = path.dropFirst(folder.count)
        guard digits.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else { return nil }
        return Int32(digits)
    }

    /// The device number of procfs, whose links do not lead where their text says; nil if it is not mounted.
    package static var procFSDevice: dev_t? {
        var status = stat()
        return stat("/proc", &status) == 0 ? status.st_dev : nil
    }
}
