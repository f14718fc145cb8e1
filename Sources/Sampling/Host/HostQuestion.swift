import ContainerRuntimes
import HostFS
import Ledger

/// What the child that reads the host's files is asked, beside the GPUs that kernel drivers run.
enum HostQuestion: Sendable, Equatable {
    /// What can be seen of processes from here, and the host's memory.
    case surroundings
    /// What the dmem controller has charged.
    case deviceMemory
    /// Processes by PID. `sample` numbers the samples of this child. `forgets`: processes of no earlier sample need not
    /// be remembered. `whole`: send everything, also what was sent before.
    case processes([UInt32], sample: UInt32, forgets: Bool, whole: Bool)
    /// Every process that has one of these PIDs in a namespace of its own.
    case insidePIDs([UInt32])
    /// The processes of threads.
    case threads([UInt32])
    /// The parents of each process, as far up as this one.
    case ancestors([UInt32], upTo: UInt32)
    case commandLines([ProcessKey])
    /// Where this program runs; device files with these minor numbers are opened.
    case runtimeEnvironment(minors: [UInt32])
    /// The current context of the Docker client with these variables.
    case dockerContext([String: String])
    /// The containers of the engine at this socket, whose path can lead to a file system that hangs.
    case engine(socket: String, seconds: Double)

    struct ProcessKey: Sendable, Equatable {
        var pid: UInt32
        var startTick: Int64
    }
}

enum HostAnswer: Sendable, Equatable {
    /// The view, or why there is none.
    case surroundings(Reading<ProcessView>, HostMemory?)
    case deviceMemory(DeviceMemoryCharges, CgroupFacts)
    /// The processes that exist; a process that did not answer has a reason instead of values. Facts about cgroups are
    /// sent when they are read.
    case processes([SentProcess], CgroupFacts)
    /// The process of each that is a thread.
    case threads([UInt32: UInt32])
    case ancestors([UInt32: [UInt32]])
    case commandLines([UInt32: String])
    case runtimeEnvironment(RuntimeEnvironment)
    case dockerContext(DockerContext)
    case engine(ObservedEngine, seconds: Double)
    case noEngine(EngineTrouble, seconds: Double)
    /// There was none in time.
    case silent
    /// Why there is no answer.
    case failed(Reason)

    /// Why this is no answer to a question of another kind.
    var trouble: Reason {
        switch self {
        case .failed(let why): why
        case .silent: .fact(HostReader.silence)
        default: .other("the process that reads the host's files answered another question")
        }
    }
}

/// Why an engine did not list its containers.
struct EngineTrouble: Sendable, Equatable {
    var message: String
    /// Whether no process listens there.
    var isAbsence = false
    /// We may not ask it.
    var isForbidden = false
}

/// A process in an answer: complete, or unchanged since it was last sent.
enum SentProcess: Sendable, Equatable {
    case whole(ObservedProcess)
    case same(pid: UInt32, startTick: Int64)
}

extension [SentProcess] {
    /// The processes that were sent completely.
    var whole: [ObservedProcess] { compactMap { if case .whole(let process) = $0 { process } else { nil } } }
}

/// What was read about the cgroups of containers.
struct CgroupFacts: Sendable, Equatable {
    /// By `CgroupFolder.key`: RAM limits in bytes.
    var limits: [String: Reading<Limit<UInt64>>] = [:]
    /// Owners of the folders that decide who can create these cgroups, by `CgroupFolder.key`.
    var owners: [String: UInt32] = [:]
}
