import GPUDrivers
import Glibc
import HostFS
import Ledger
import Sampling

/// This program as a child process of `measure`, which asks the driver and holds GPU memory. The worker runs on this
/// host, in a PID namespace or in a container. The worker ends when its channel ends, which frees all that it holds.
package enum MeasureWorker {
    static let command = "measure-worker"
    private static let output: Int32 = 4

    /// Serves and does not return, if this program was started as the worker. A wrapper such as `docker run` cannot
    /// choose the program's name, so the second argument identifies the worker.
    package static func serveIfAsked() {
        let arguments = ProgramArguments.all
        guard arguments.count == 6, arguments[1] == command else { return }
        dup2(STDIN_FILENO, HelperProcess.channel)
        dup2(STDOUT_FILENO, output)
        // A library can print to the standard output, so answers go to another descriptor.
        let nothing = open(SystemPath.nothing, O_RDWR)
        for fd in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] { dup2(nothing, fd) }
        HelperProcess.settle(as: "plimsoll-probe", keepingUpTo: output)
        let requests = WorkerRequests(arguments)
        LineServer(input: HelperProcess.channel, output: output).serve(atEnd: requests.restore) {
            requests.answer($0)
        }
    }
}

/// A request to the worker: a line with a name and arguments.
struct WorkerRequest {
    let words: [String]

    init(_ line: String) { words = line.split(separator: " ").map(String.init) }

    var name: String { words.first ?? "" }

    /// The driver's index of the GPU, which is the first argument of most requests.
    var gpu: Int { Int(clamping: number(1)) }

    /// An argument, counted from 1; nil if it is missing.
    func argument(_ index: Int) -> String? { words.indices.contains(index) ? words[index] : nil }

    /// An argument as a number; 0 if it is missing or no number.
    func number(_ index: Int) -> UInt64 { argument(index).flatMap { UInt64($0) } ?? 0 }
}

/// Why the worker has no answer.
enum WorkerError: Error {
    case nvml(NVMLError)
    case cuda(CUDAError)
    case unknownRequest

    /// The answer as a line, without "error". The line has words and numbers of our own, and none of a library's text.
    /// The parent reads it in `WorkerProcess.failure`.
    var line: String {
        switch self {
        case .nvml(.notFound): "missing \(NotTried.Prerequisite.nvidiaDriver.rawValue)"
        case .nvml(.symbolMissing(_, let symbol)): "function \(symbol)"
        case .nvml(.failed(let call, let code)): "nvml \(code.value) \(call)"
        case .nvml(.versionMismatch): "nvml 18 nvmlInit_v2"
        case .cuda(let error) where error.code == CUDAError.noLibrary: "missing \(NotTried.Prerequisite.cuda.rawValue)"
        case .cuda(let error) where error.code == CUDAError.noFunction: "function \(error.call)"
        case .cuda(let error) where error.code == CUDAError.noDevice:
            "missing \(NotTried.Prerequisite.cudaDevice.rawValue)"
        case .cuda(let error): "cuda \(error.code) \(error.call)"
        case .unknownRequest: "question"
        }
    }
}
