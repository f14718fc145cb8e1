import Glibc

/// Places of this machine that no option moves: they are about the program itself, not about the host that it reads.
package enum SystemPath {
    /// The program that runs, also where its file has been replaced meanwhile.
    package static let ownProgram = "/proc/self/exe"
    package static let nothing = "/dev/null"

    /// File descriptors of this process.
    package static func openFiles() -> [Int32] {
        ((try? FileReading.names(in: "/proc/self/fd")) ?? []).compactMap { Int32($0) }
    }

    /// The name that `ps` and the kernel's log show, which otherwise is that of the file or link a process was started from.
    package static func nameOwnProcess(_ name: String) {
        let fd = open("/proc/self/comm", O_WRONLY | O_CLOEXEC)
        guard fd >= 0 else { return }
        _ = write(fd, name, name.utf8.count)
        close(fd)
    }
}
