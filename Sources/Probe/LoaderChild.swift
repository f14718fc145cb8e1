import Glibc
import HostFS
import Ledger
import Sampling

/// This program as a child that loads the driver's libraries, and tells from where. Loading takes no GPU memory: no function
/// of theirs is called.
package enum LoaderChild {
    static let name = "plimsoll-loader"
    /// What programs on a GPU need of NVIDIA's driver: to watch it, and to use it.
    package static let libraries = ["libnvidia-ml.so.1", "libcuda.so.1"]

    /// Serves where this program was started as the child, and does not return then.
    package static func serveIfAsked() {
        guard CommandLine.arguments.first == name else { return }
        OwnChild.settle(as: name)
        let told = CommandLine.arguments.dropFirst().map(load).joined(separator: "\n")
        _ = write(OwnChild.channel, told, told.utf8.count)
        _exit(0)
    }

    /// A line: a mark, and the file or the reason.
    private static func load(_ library: String) -> String {
        guard dlopen(library, RTLD_LAZY | RTLD_LOCAL) != nil else {
            let why = dlerror().map { String(cString: $0) } ?? "not loaded"
            return "-" + why.replacing("\n", with: " ")
        }
        return "+" + (SystemPath.loadedFile(of: library) ?? library)
    }

    /// - Parameters:
    ///   - paths: another file for a library's name.
    ///   - seconds: how long a library may take to load.
    package static func ask(paths: [String: String], within seconds: Double) -> [DriverLibrary] {
        let words = libraries.map { paths[$0] ?? $0 }
        let lines = answer([name] + words, within: seconds).split(separator: "\n", omittingEmptySubsequences: false)
        return zip(libraries, libraries.indices).map { library, index in
            guard index < lines.count, let mark = lines[index].first else {
                return DriverLibrary(name: library, file: .unknown("it could not be loaded within \(seconds.plain) s"))
            }
            let rest = String(lines[index].dropFirst())
            return DriverLibrary(name: library, file: mark == "+" ? .known(rest) : .unknown(rest))
        }
    }

    private static func answer(_ words: [String], within seconds: Double) -> String {
        guard let child = OwnChild.start(words) else { return "" }
        defer {
            kill(child.pid, SIGKILL)
            waitpid(child.pid, nil, WNOHANG)
            close(child.channel)
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        let deadline = monotonicSeconds() + seconds
        while bytes.count < 1 << 16 {
            var waiting = pollfd(fd: child.channel, events: Int16(POLLIN), revents: 0)
            let left = max(0, deadline - monotonicSeconds())
            let ready = poll(&waiting, 1, Int32((min(left, 3600) * 1000).rounded(.up)))
            if ready < 0 && errno == EINTR { continue }
            guard ready > 0 else { return "" }
            let count = read(child.channel, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
