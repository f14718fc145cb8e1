/// "535.54.03", and what drivers of that version do.
struct DriverVersion {
    let text: String
    private let parts: [Int]

    init(_ text: String) {
        self.text = text
        parts = text.split(separator: ".").map { Int($0) ?? 0 }
    }

    private func isBefore(_ other: Int...) -> Bool { parts.lexicographicallyPrecedes(other) }

    /// From 535.113 on the driver tells PIDs in the caller's own namespace and leaves out what is not to be seen there;
    /// earlier ones tell the host's to everybody (open-gpu-kernel-modules, os_find_ns_pid).
    var translatesPIDs: Bool { !isBefore(535, 113) }

    /// Bytes of a record of the third list: 32 from 535.43.02 to 535.86 (nvitop, issues 79 and 89).
    var recordBytes: UInt32 { isBefore(535, 43) || !isBefore(535, 98) ? 24 : 32 }
}
