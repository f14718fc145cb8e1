import FoundationEssentials

/// The GPUs of a simulated host, and the memory that is in use before any program allocates. Read from a JSON file.
struct HostDescription: Decodable {
    var driver: String
    /// As cuDriverGetVersion returns it: 12040 is CUDA 12.4.
    var cuda: Int
    /// Bytes per record in the third version of the lists, if not the size that follows from the driver version.
    var recordBytes: UInt32?
    /// The nvmlReturn_t of the lists of the third version (_v3), if they fail while those of the second version work.
    var thirdLists: Int32?
    /// False if the library exports no process lists. The tests then load SimulatedNVML-NoLists; gpusimd does not read
    /// this.
    var hasLists: Bool?
    /// False if Windows manages the memory: the lists name processes without their memory.
    var tellsProcessMemory: Bool?
    /// The nvmlReturn_t of nvmlInit_v2, if it fails.
    var initialize: Int32?
    var devices: [GPU]

    struct GPU: Decodable {
        var name: String
        var uuid: String
        var pci: String
        var totalMiB: UInt64
        /// Reserved by driver and firmware.
        var reservedMiB: UInt64?
        /// Used memory that no listed process accounts for: the driver's heaps, page tables, managed memory.
        var unattributedMiB: UInt64?
        /// The used and free memory that the driver reports, if they do not follow from the other keys. The amounts
        /// need not add up. They do not change how much programs can allocate.
        var usedMiB: UInt64?
        var freeMiB: UInt64?
        /// The memory of one process's context on this GPU. Published figures go from 93 MiB (K80) over 107 MiB
        /// (RTX 4060 Ti) to 555 MiB (RTX PRO 6000): ollama37#73, ggml llama.cpp PR#23604.
        var contextMiB: UInt64?
        /// Unattributed memory per process: while it has initialized CUDA, and while it has a context.
        var initializedKiB: UInt64?
        var contextOverheadKiB: UInt64?
        var utilization: UInt32?
        /// How long the GPU takes to wake when no process uses it. Persistence mode is off then.
        var wakesInSeconds: Double?
        /// Accounting mode is on: the driver keeps each process's peak, even after the process has ended.
        var accounting: Bool?
        /// An MPS server runs: the MPS list has every program too (nvidia-docker, issue 868, type M+C).
        var mps: Bool?
        /// An nvmlComputeMode_t: 0 for any number of processes, 3 for a single one. The simulator does not enforce it.
        var computeMode: UInt32?
        /// A file that gpusimd writes as `dmem.current` of the cgroup that all programs on this GPU are in.
        var chargesTo: String?
        var processes: [Process]?
        var instances: [Instance]?
        var faults: Faults?
    }

    struct Instance: Decodable {
        var uuid: String
        var slot: UInt32
        var gpuInstance: UInt32
        var computeInstance: UInt32
        var totalMiB: UInt64
        var reservedMiB: UInt64?
        var unattributedMiB: UInt64?
        var processes: [Process]?
        var faults: Faults?
    }

    /// A record in the driver's lists without a simulator client. For hosts that consist of files only.
    struct Process: Decodable {
        var pid: UInt32
        /// Absent: the driver reports NVML_VALUE_NOT_AVAILABLE.
        var bytes: UInt64?
        /// "compute", "graphics", "mps"; compute if absent.
        var types: [String]?
        var gpuInstance: UInt32?
        var computeInstance: UInt32?
        /// The process has ended at this call on the GPU, counted as in `lostFromCall`; absent: it does not end.
        var endsAtCall: UInt64?
    }

    /// How calls on this device fail. The codes are nvmlReturn_t.
    struct Faults: Decodable {
        var handle: Int32?
        var memory: Int32?
        var utilization: Int32?
        var compute: Int32?
        var graphics: Int32?
        var mps: Int32?
        /// The lists grow between the call that asks for their length and the one that reads them.
        var growing: Bool?
        /// Asked for the length of a list (a null pointer and a count of 0), the library answers SUCCESS with the
        /// length.
        var countSucceeds: Bool?
        /// The library does not read the given count: it writes its records to the pointer, and crashes if that is
        /// null.
        var ignoresCount: Bool?
        /// The GPU is off the bus from this call on, counted from 1 over all processes: every call answers GPU_IS_LOST.
        var lostFromCall: UInt64?
        /// The GPU is healthy again from this call on; absent: it stays lost.
        var healedFromCall: UInt64?
        /// The GPU is off the bus while this file exists.
        var lostWhile: String?
        /// The library returns lists of this many made-up processes, more than any driver lists.
        var claims: UInt32?
        var prints: Bool?
        /// The library crashes when a process takes the handle for the Nth time; this is N.
        var crashes: UInt32?
        /// A file that the library writes to before it answers. On a frozen file system that write hangs.
        var writesTo: String?
    }

    static func read(_ path: String) throws -> HostDescription {
        let description = try JSONDecoder().decode(HostDescription.self, from: Data(contentsOf: URL(filePath: path)))
        let count = description.devices.reduce(0) { $0 + 1 + ($1.instances?.count ?? 0) }
        guard count <= 64 else { throw Refusal(description: "more than 64 devices and instances") }
        return description
    }
}

struct Refusal: Error, CustomStringConvertible {
    var description: String
}
