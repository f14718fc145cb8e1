/// The host's RAM in bytes (MemTotal and MemAvailable of /proc/meminfo).
package struct HostMemory: Codable, Sendable, Equatable {
    package var total: UInt64
    package var available: UInt64

    package init(total: UInt64, available: UInt64) {
        self.total = total
        self.available = available
    }
}
