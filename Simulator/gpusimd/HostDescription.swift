import FoundationEssentials

/// The cards of a simulated host, and what holds their memory before anybody asks for some. Read from a JSON file.
struct HostDescription: Decodable {
    var driver: String
    /// As cuDriverGetVersion tells it: 12040 is CUDA 12.4.
    var cuda: Int
    /// Bytes of a record of the driver's third list, where it is not what its version would have it be.
    var recordBytes: UInt32?
    /// The nvmlReturn_t that the lists of the third version (_v3) answer with, where they fail and those of the second work.
    var thirdLists: Int32?
    /// False where the library exports no process lists: it is SimulatedNVML-NoLists then, and who starts a program on this
    /// host chooses it. The book does not read this.
    var hasLists: Bool?
    /// False where Windows manages the memory: the lists name processes, and not what they hold.
    var tellsProcessMemory: Bool?
    /// The nvmlReturn_t that nvmlInit_v2 answers with, where the driver is not well.
    var initialize: Int32?
    var devices: [Card]

    struct Card: Decodable {
        var name: String
        var uuid: String
        var pci: String
        var totalMiB: UInt64
        /// Kept by driver and firmware for themselves.
        var reservedMiB: UInt64?
        /// In use, and on no process's account: the driver's heaps, page tables, managed memory.
        var unattributedMiB: UInt64?
        /// What the driver tells of used and free memory, where that is not what follows from the other keys. The amounts
        /// need not add up. What programs can allocate is not changed by this.
        var usedMiB: UInt64?
        var freeMiB: UInt64?
        /// What a process's context costs on this card. Published figures go from 93 MiB (K80) over 107 MiB
        /// (RTX 4060 Ti) to 555 MiB (RTX PRO 6000): ollama37#73, ggml llama.cpp PR#23604.
        var contextMiB: UInt64?
        /// In use and on no process's account while a process has initialized CUDA, and while it has a context.
        var initializedKiB: UInt64?
        var contextOverheadKiB: UInt64?
        var utilization: UInt32?
        /// Without persistence mode, how long the card takes to wake when nobody uses it.
        var wakesInSeconds: Double?
        /// Accounting mode is on: the driver keeps each process's peak, also when it has ended.
        var accounting: Bool?
        /// An MPS server runs: its list has every program too (nvidia-docker, issue 868, type M+C).
        var mps: Bool?
        /// An nvmlComputeMode_t: 0 for any number of processes, 3 for one alone. Programs are not kept out.
        var computeMode: UInt32?
        /// A file that is written as `dmem.current` of the cgroup that all programs on this card are in.
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

    /// A line of the driver's lists that no client of the simulator stands for: for whole hosts made of files.
    struct Process: Decodable {
        var pid: UInt32
        /// Absent: the driver does not tell (NVML_VALUE_NOT_AVAILABLE).
        var bytes: UInt64?
        /// "compute", "graphics", "mps"; compute when absent.
        var types: [String]?
        var gpuInstance: UInt32?
        var computeInstance: UInt32?
        /// It has ended at this call on the card, counted as in `lostFromCall`; absent: it goes on.
        var endsAtCall: UInt64?
    }

    /// The nvmlReturn_t that a call on this device answers with, where it fails.
    struct Faults: Decodable {
        var handle: Int32?
        var memory: Int32?
        var utilization: Int32?
        var compute: Int32?
        var graphics: Int32?
        var mps: Int32?
        /// The lists grow between the call that asks for their length and the one that reads them.
        var growing: Bool?
        /// Asked for the length of a list (a null pointer and a count of 0), the library answers SUCCESS with the length.
        var countSucceeds: Bool?
        /// The library does not read the count that it is given: it writes its records to the pointer, and crashes where
        /// that is null.
        var ignoresCount: Bool?
        /// The card is off the bus from this call on it, counted from 1 over all processes: every call answers GPU_IS_LOST.
        var lostFromCall: UInt64?
        /// From this call on it is well again; absent: it stays lost.
        var healedFromCall: UInt64?
        /// The card is off the bus while this file exists.
        var lostWhile: String?
        /// The library makes up lists of that many processes, more than any driver's.
        var claims: UInt32?
        var prints: Bool?
        /// At which time that a process takes the handle the library crashes.
        var crashes: UInt32?
        /// A file that the library writes to before it answers: on a frozen file system it never does.
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
