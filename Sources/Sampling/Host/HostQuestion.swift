import ContainerRuntimes
import HostFS
import Ledger

/// What the child that reads the host's files is asked, beside the GPUs that kernel drivers run.
enum HostQuestion: Sendable, Equatable {
    /// What can be seen of processes from here, and the host's memory.
    case surroundings
    /// What the dmem controller has charged.
    case deviceMemory
    /// Processes by PID. `sample` counts those of this child; `forgets`: what was in no earlier one need not be remembered;
    /// `whole`: also what was told already.
    case processes([UInt32], sample: UInt32, forgets: Bool, whole: Bool)
    /// Every process that has one of these PIDs in a namespace of its own.
    case insidePIDs([UInt32])
    /// The processes of threads.
    case threads([UInt32])
    /// The parents of each process, as far up as this one.
    case ancestors([UInt32], upTo: UInt32)
    case commandLines([ProcessKey])
    /// Where this program runs; the device files with these minor numbers are opened.
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
    /// Those that are there; one that did not answer says so in its place. Facts of cgroups are told when they were read.
    case processes([ToldProcess], CgroupFacts)
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

/// Why an engine did not tell its containers.
struct EngineTrouble: Sendable, Equatable {
    var message: String
    /// Nobody listens there.
    var isAbsence = false
    /// We may not ask it.
    var isForbidden = false
}

/// What is told of a process: everything, or that it is as it was when that was told last.
enum ToldProcess: Sendable, Equatable {
    case whole(ObservedProcess)
    case same(pid: UInt32, startTick: Int64)
}

extension [ToldProcess] {
    /// Those of which everything is told.
    var whole: [ObservedProcess] { compactMap { if case .whole(let process) = $0 { process } else { nil } } }
}

/// What the cgroups of containers tell.
struct CgroupFacts: Sendable, Equatable {
    /// By `CgroupFolder.key`: RAM limits in bytes; a value of nil is "no limit".
    var limits: [String: Reading<UInt64?>] = [:]
    /// By `CgroupFolder.key`: who owns the folders that tell who can make these cgroups.
    var owners: [String: UInt32] = [:]
}
