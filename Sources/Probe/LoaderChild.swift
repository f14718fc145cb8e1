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
        let told = CommandLine.arguments.dropFirst().map { load($0) + "\n" }.joined()
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
        guard let child = OwnChild.start([name] + libraries.map { paths[$0] ?? $0 }) else { return [] }
        defer {
            kill(child.pid, SIGKILL)
            waitpid(child.pid, nil, WNOHANG)
            close(child.channel)
        }
        var lines = ChildLines(child)
        return libraries.map { library in
            guard let line = try? lines.next(within: seconds), let mark = line.first else {
                return DriverLibrary(name: library, file: .unknown("it could not be loaded within \(seconds.plain) s"))
            }
            let rest = String(line.dropFirst())
            return DriverLibrary(name: library, file: mark == "+" ? .known(rest) : .unknown(rest))
        }
    }
}
