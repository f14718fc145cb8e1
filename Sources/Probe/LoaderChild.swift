import Glibc
import HostFS
import Ledger
import Sampling

/// This program as a child process that loads the NVIDIA driver's libraries, reports their files, and initializes CUDA.
/// The initialization takes a few MiB of GPU memory until the child ends (docs/measured.md, `check`). A context would
/// take hundreds.
package enum LoaderChild {
    static let name = "plimsoll-loader"
    /// The libraries of NVIDIA's driver that programs need: one to monitor GPUs, one to compute on them.
    package static let libraries = ["libnvidia-ml.so.1", "libcuda.so.1"]

    /// Serves and does not return, if this program was started as this child.
    package static func serveIfAsked() {
        guard ProgramArguments.all.first == name else { return }
        HelperProcess.settle(as: name)
        for library in ProgramArguments.all.dropFirst() {
            // Sent before the next library is loaded, because that can crash.
            send(load(library))
        }
        // The last one is CUDA's.
        if let library = ProgramArguments.all.dropFirst().last { send(initialize(library)) }
        _exit(0)
    }

    private static func send(_ line: String) {
        let line = line + "\n"
        _ = write(HelperProcess.channel, line, line.utf8.count)
    }

    /// Initializes CUDA.
    ///
    /// - Returns: a line: `=COUNT` with the number of CUDA devices, or `!CODE FUNCTION NAME` with the error.
    private static func initialize(_ library: String) -> String {
        do throws(CUDAError) {
            return "=\(try CUDADriver(library: library).deviceCount())"
        } catch {
            return "!\(error.code) \(bounded(error.call)) \(bounded(error.name ?? "CUDA error \(error.code)"))"
        }
    }

    /// Loads a library.
    ///
    /// - Returns: a line: `+FILE`, or `-REASON` if it did not load.
    private static func load(_ library: String) -> String {
        guard dlopen(library, RTLD_LAZY | RTLD_LOCAL) != nil else {
            return "-" + bounded(dlerror().map { String(cString: $0) } ?? "not loaded")
        }
        return "+" + bounded(SystemPath.loadedFile(of: library) ?? library)
    }

    /// A path or a reason without control characters, and of bounded length. The child does this so that one answer is
    /// one line. The parent does this again, because a library can have taken over the child.
    fileprivate static func bounded(_ text: String) -> String { text.capped(at: TextLimit.message).cleaned }

    /// - Parameters:
    ///   - paths: files to load instead, by the name of the library.
    ///   - seconds: total time limit for all libraries.
    package static func start(paths: [String: String], within seconds: Double) -> Loading {
        Loading([name] + libraries.map { paths[$0] ?? $0 }, within: seconds)
    }
}

/// The loading of libraries in a child process.
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

    /// Waits for the answers until the deadline.
    ///
    /// - Returns: the libraries, and the number of CUDA devices; nil if the CUDA library did not load.
    package func libraries() -> (libraries: [DriverLibrary], cuda: Reading<Int>?) {
        let child: HelperProcess
        switch self.child {
        case .success(let started): child = started
        case .failure(let error):
            let why = "cannot start the process that loads it: \(error)"
            return (LoaderChild.libraries.map { DriverLibrary(name: $0, file: .unknown(.ofLibrary($0, why))) }, nil)
        }
        defer {
            child.kill()
            close(child.channel)
        }
        var lines = ChildLines(child)
        var failed: DriverLibrary?
        let libraries = LoaderChild.libraries.map { library in
            // After a library that hangs or crashes the child, the others are not loaded.
            if let failed {
                return DriverLibrary(
                    name: library, file: .unknown(.ofLibrary(library, "not tried, because \(failed.name) failed")))
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
                    error == .silent ? "it did not load within \(seconds.plain) s" : "it crashes when it is loaded"
                let silent = DriverLibrary(name: library, file: .unknown(.ofLibrary(library, why)))
                failed = silent
                return silent
            }
        }
        return (libraries, libraries.last?.file.value == nil ? nil : devices(from: &lines))
    }

    /// The loader's error without the name of the library, with which dlerror(3) begins it.
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
                return .unknown(.other("the process that loads libcuda.so.1 gave an unknown answer"))
            }
            return .unknown(.cuda(call: words[1], name: words[2], code: code))
        } catch {
            return .unknown(
                error == .silent
                    ? .noAnswer(seconds: seconds) : .other("libcuda.so.1 crashes during initialization"))
        }
    }
}
