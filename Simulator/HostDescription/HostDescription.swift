import FoundationEssentials

/// The GPUs of a simulated host, and the memory that is in use before any program allocates. Read from a JSON file.
package struct HostDescription: Codable {
    package var driver: String
    /// As cuDriverGetVersion returns it: 12040 is CUDA 12.4.
    package var cuda: Int
    /// Bytes per record in the third version of the lists, if not the size that follows from the driver version.
    package var recordBytes: UInt32?
    /// The nvmlReturn_t of the lists of the third version (_v3), if they fail while those of the second version work.
    package var thirdLists: Int32?
    /// False if the library exports no process lists. The tests then load SimulatedNVML-NoLists; gpusimd does not read
    /// this.
    package var hasLists: Bool?
    /// False if Windows manages the memory: the lists name processes without their memory.
    package var tellsProcessMemory: Bool?
    /// The nvmlReturn_t of nvmlInit_v2, if it fails.
    package var initialize: Int32?
    package var devices: [GPU]

    package struct GPU: Codable {
        package var name: String
        package var uuid: String
        package var pci: String
        package var totalMiB: UInt64
        /// Reserved by driver and firmware.
        package var reservedMiB: UInt64?
        /// Used memory that no listed process accounts for: the driver's heaps, page tables, managed memory.
        package var unattributedMiB: UInt64?
        /// The used and free memory that the driver reports, if they do not follow from the other keys. The amounts
        /// need not add up. They do not change how much programs can allocate.
        package var usedMiB: UInt64?
        package var freeMiB: UInt64?
        /// The memory of one process's context on this GPU. Published figures go from 93 MiB (K80) over 107 MiB
        /// (RTX 4060 Ti) to 555 MiB (RTX PRO 6000): ollama37#73, ggml llama.cpp PR#23604.
        package var contextMiB: UInt64?
        /// Unattributed memory per process: while it has initialized CUDA, and while it has a context.
        package var initializedKiB: UInt64?
        package var contextOverheadKiB: UInt64?
        package var utilization: UInt32?
        /// How long the GPU takes to wake when no process uses it. Persistence mode is off then.
        package var wakesInSeconds: Double?
        /// Accounting mode is on: the driver keeps each process's peak, even after the process has ended.
        package var accounting: Bool?
        /// An MPS server runs: the MPS list has every program too (nvidia-docker, issue 868, type M+C).
        package var mps: Bool?
        /// An nvmlComputeMode_t: 0 for any number of processes, 3 for a single one. The simulator does not enforce it.
        package var computeMode: UInt32?
        /// A file that gpusimd writes as `dmem.current` of the cgroup that all programs on this GPU are in.
        package var chargesTo: String?
        package var processes: [Process]?
        package var instances: [Instance]?
        package var faults: Faults?
    }

    package struct Instance: Codable {
        package var uuid: String
        package var slot: UInt32
        package var gpuInstance: UInt32
        package var computeInstance: UInt32
        package var totalMiB: UInt64
        package var reservedMiB: UInt64?
        package var unattributedMiB: UInt64?
        package var processes: [Process]?
        package var faults: Faults?
    }

    /// A record in the driver's lists without a simulator client. For hosts that consist of files only.
    package struct Process: Codable {
        package var pid: UInt32
        /// Absent: the driver reports NVML_VALUE_NOT_AVAILABLE.
        package var bytes: UInt64?
        /// "compute", "graphics", "mps"; compute if absent.
        package var types: [String]?
        package var gpuInstance: UInt32?
        package var computeInstance: UInt32?
        /// The process has ended at this call on the GPU, counted as in `lostFromCall`; absent: it does not end.
        package var endsAtCall: UInt64?

        package init(pid: UInt32, bytes: UInt64) {
            self.pid = pid
            self.bytes = bytes
        }
    }

    /// How calls on this device fail. The codes are nvmlReturn_t.
    package struct Faults: Codable {
        package var handle: Int32?
        package var memory: Int32?
        package var utilization: Int32?
        package var compute: Int32?
        package var graphics: Int32?
        package var mps: Int32?
        /// The lists grow between the call that asks for their length and the one that reads them.
        package var growing: Bool?
        /// Asked for the length of a list (a null pointer and a count of 0), the library answers SUCCESS with the
        /// length.
        package var countSucceeds: Bool?
        /// The library does not read the given count: it writes its records to the pointer, and crashes if that is
        /// null.
        package var ignoresCount: Bool?
        /// The GPU is off the bus from this call on, counted from 1 over all processes: every call answers GPU_IS_LOST.
        package var lostFromCall: UInt64?
        /// The GPU is healthy again from this call on; absent: it stays lost.
        package var healedFromCall: UInt64?
        /// The GPU is off the bus while this file exists.
        package var lostWhile: String?
        /// The library returns lists of this many made-up processes, more than any driver lists.
        package var claims: UInt32?
        package var prints: Bool?
        /// The library crashes when a process takes the handle for the Nth time; this is N.
        package var crashes: UInt32?
        /// A file that the library writes to before it answers. On a frozen file system that write hangs.
        package var writesTo: String?
    }

    package static func read(_ path: String) throws -> HostDescription {
        let description = try JSONDecoder().decode(HostDescription.self, from: Data(contentsOf: URL(filePath: path)))
        let count = description.devices.reduce(0) { $0 + 1 + ($1.instances?.count ?? 0) }
        guard count <= 64 else { throw Refusal(description: "more than 64 devices and instances") }
        return description
    }

    package func write(to path: String) throws {
        try JSONEncoder().encode(self).write(to: URL(filePath: path))
    }
}

package struct Refusal: Error, CustomStringConvertible {
    package var description: String

    package init(description: String) { self.description = description }
}
