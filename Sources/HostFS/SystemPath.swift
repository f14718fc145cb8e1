import CProcess
import Glibc

/// Paths of this system that no option changes: they are about the program itself, not about the host that it reads.
package enum SystemPath {
    /// The path of this program, even if its file was replaced; without a /proc, the path that it was started by.
    package static let ownProgram: String = {
        let own = "/proc/self/exe"
        if exists(own) { return own }
        return cprocess_started_path().map { String(cString: $0) } ?? own
    }()
    /// The same as a path for other programs; nil if its file has been removed or replaced.
    package static var ownProgramFile: String? {
        FileReading.link("/proc/self/exe").flatMap { exists($0) ? $0 : nil }
    }
    package static let proc = "/proc"
    package static let sys = "/sys"
    package static let nothing = "/dev/null"

    /// Closes the files of this process with higher descriptors.
    package static func closeFiles(above last: Int32) {
        // Kernels before 5.9 lack the call.
        if cprocess_close_above(last) == 0 { return }
        for fd in ((try? FileReading.names(in: "/proc/self/fd")) ?? []).compactMap({ Int32($0) }) where fd > last {
            close(fd)
        }
    }

    /// Opens closed standard descriptors: otherwise the next file that is opened would get their number, and be written
    /// to.
    package static func openStandardFiles() {
        while case let fd = open(nothing, O_RDWR), fd >= 0 {
            guard fd > STDERR_FILENO else { continue }
            close(fd)
            return
        }
    }

    /// What the engine that runs this container has left: "Docker", "Podman", or the word of systemd's container interface (such as
    /// "lxc" or "systemd-nspawn"). nil if there is nothing.
    static var engineMark: String? {
        if exists("/.dockerenv") { return "Docker" }
        if exists("/run/.containerenv") { return "Podman" }
        // The variable is there for the first process and its children; systemd, as that process, keeps it in a file.
        let named = getenv("container").map { String(cString: $0) }
        if let named, !named.isEmpty { return named }
        return (try? FileReading.text("/run/systemd/container")).flatMap { text in
            let word = text.prefix { !$0.isNewline }
            return word.isEmpty ? nil : String(word)
        }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The file that this process has loaded as the library of that name.
    package static func loadedFile(of library: String) -> String? {
        let maps = (try? FileReading.text("/proc/self/maps")) ?? ""
        let slash = UInt8(ascii: "/")
        for line in maps.utf8.split(separator: UInt8(ascii: "\n")) {
            // address perms offset dev inode path; after ".1", the name may continue with the version.
            guard let start = line.firstIndex(of: slash) else { continue }
            let path = line[start...]
            if path.split(separator: slash).last?.starts(with: library.utf8) == true { return String(Substring(path)) }
        }
        return nil
    }

    /// The files of this process's program loader and libraries, by the names that a program asks for them with.
    package static var ownLibraries: [String] {
        var names: [String] = []
        while let name = cprocess_library(Int32(names.count)) { names.append(String(cString: name)) }
        return names.filter(\.isAbsolutePath)
    }

    /// The name that `ps` and the kernel's log show, which otherwise is that of the file or link a process was started from.
    package static func nameOwnProcess(_ name: String) {
        let fd = open("/proc/self/comm", O_WRONLY | O_CLOEXEC)
        guard fd >= 0 else { return }
        _ = write(fd, name, name.utf8.count)
        close(fd)
    }
}
