/// A driver version, such as "535.54.03", and how drivers of that version behave.
struct DriverVersion {
    let text: String
    private let parts: [Int]

    init(_ text: String) {
        self.text = text
        parts = text.split(separator: ".").map { Int($0) ?? 0 }
    }

    private func isBefore(_ other: Int...) -> Bool { parts.lexicographicallyPrecedes(other) }

    /// From 535.113 on the driver lists PIDs in the caller's own namespace and leaves out processes that have none
    /// there. Earlier drivers list host PIDs to every caller (open-gpu-kernel-modules, os_find_ns_pid).
    var translatesPIDs: Bool { !isBefore(535, 113) }

    /// Bytes per record in the third version of the lists: 32 from 535.43.02 to 535.86 (nvitop, issues 79 and 89).
    var recordBytes: UInt32 { isBefore(535, 43) || !isBefore(535, 98) ? 24 : 32 }
}
