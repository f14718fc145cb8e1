import Glibc
import HostFS
import Ledger
import Sampling

/// This program as a child that loads the driver's libraries, tells from where, and initializes CUDA. That takes a few MiB of GPU
/// memory until the child ends (docs/measured.md, `check`); hundreds come with a context.
package enum LoaderChild {
    static let name = "plimsoll-loader"
    /// What programs on a GPU need of NVIDIA's driver: to watch it, and to use it.
    package static let libraries = ["libnvidia-ml.so.1", "libcuda.so.1"]

    /// Serves where this program was started as the child, and does not return then.
    package static func serveIfAsked() {
        guard ProgramArguments.all.first == name else { return }
        HelperProcess.settle(as: name)
        for library in ProgramArguments.all.dropFirst() {
            // Told before the next one is loaded, which may crash.
            tell(load(library))
        }
        // The last one is CUDA's.
        if let library = ProgramArguments.all.dropFirst().last { tell(initialize(library)) }
        _exit(0)
    }

    private static func tell(_ line: String) {
        let line = line + "\n"
        _ = write(HelperProcess.channel, line, line.utf8.count)
    }

    /// A line: `=` and how many devices CUDA has, or `!`, the code, the function and the error's name.
    private static func initialize(_ library: String) -> String {
        do throws(CUDAError) {
            return "=\(try CUDADriver(library: library).deviceCount())"
        } catch {
            return "!\(error.code) \(bounded(error.call)) \(bounded(error.name ?? "CUDA error \(error.code)"))"
        }
    }

    /// A line: a mark, and the file or the reason.
    private static func load(_ library: String) -> String {
        guard dlopen(library, RTLD_LAZY | RTLD_LOCAL) != nil else {
            return "-" + bounded(dlerror().map { String(cString: $0) } ?? "not loaded")
        }
        return "+" + bounded(SystemPath.loadedFile(of: library) ?? library)
    }

    /// A path or a reason as it is told. The child does so, so that one line is one answer; the parent does so again, because
    /// a library may have taken the child over.
    fileprivate static func bounded(_ text: String) -> String { text.capped(at: TextLimit.message).cleaned }

    /// - Parameters:
    ///   - paths: another file for a library's name.
    ///   - seconds: how long they may take to load, all together.
    package static func start(paths: [String: String], within seconds: Double) -> Loading {
        Loading([name] + libraries.map { paths[$0] ?? $0 }, within: seconds)
    }
}

/// Libraries that a child loads.
package struct Loading {
    private let child: Result<HelperProcess, ChildStartError>
    private let seconds: Double
    private let deadline: Double

    fileprivate init(_ words: [String], within seconds: Double) {
        self.seconds = seconds
        deadline = monotonicSeconds() + seconds
        do throws(ChildStartError) {
            child = .success(try HelperProcess.start(words))
        } catch {
            child = .failure(error)
        }
    }

    /// Waits for the libraries until the deadline.
    ///
    /// - Returns: also how many devices CUDA has; nil if its library was not loaded.
    package func libraries() -> (libraries: [DriverLibrary], cuda: Reading<Int>?) {
        let child: HelperProcess
        switch self.child {
        case .success(let started): child = started
        case .failure(let error):
            let why = "the process that loads it could not be started: \(error)"
            return (LoaderChild.libraries.map { DriverLibrary(name: $0, file: .unknown(.ofLibrary($0, why))) }, nil)
        }
        defer {
            child.kill()
            close(child.channel)
        }
        var lines = ChildLines(child)
        var missing: DriverLibrary?
        let libraries = LoaderChild.libraries.map { library in
            // The first that does not answer is the one that keeps the others from it.
            if let missing {
                return DriverLibrary(
                    name: library, file: .unknown(.ofLibrary(library, "not tried, because of \(missing.name)")))
            }
            do throws(ChildLines.Failure) {
                let line = try lines.next(within: max(0, deadline - monotonicSeconds()))
                let mark = line.unicodeScalars.first
                let rest = LoaderChild.bounded(String(line.unicodeScalars.dropFirst()))
                return DriverLibrary(
                    name: library,
                    file: mark == "+" ? .known(rest) : .unknown(.ofLibrary(library, Self.without(library, rest))))
            } catch {
                let why =
                    error == .silent ? "it did not load within \(seconds.plain) s" : "it crashes where it is loaded"
                let silent = DriverLibrary(name: library, file: .unknown(.ofLibrary(library, why)))
                missing = silent
                return silent
            }
        }
        return (libraries, libraries.last?.file.value == nil ? nil : devices(from: &lines))
    }

    /// The loader begins with the name of the library (dlerror(3)).
    private static func without(_ library: String, _ error: String) -> String {
        let name = "\(library): "
        guard error.utf8.starts(with: name.utf8) else { return error }
        return String(Substring(error.utf8.dropFirst(name.utf8.count)))
    }

    private func devices(from lines: inout ChildLines) -> Reading<Int> {
        do throws(ChildLines.Failure) {
            let line = try lines.next(within: max(0, deadline - monotonicSeconds()))
            if line.first == "=", let count = Int(line.dropFirst()) { return .known(max(0, count)) }
            let words = line.dropFirst().split(separator: " ", maxSplits: 2).map { LoaderChild.bounded(String($0)) }
            guard line.first == "!", words.count == 3, let code = Int32(words[0]) else {
                return .unknown(.other("it answers what cannot be understood"))
            }
            return .unknown(.cuda(call: words[1], name: words[2], code: code))
        } catch {
            return .unknown(
                error == .silent
                    ? .noAnswer(seconds: seconds) : .other("libcuda.so.1 crashes while it is initialized"))
        }
    }
}
