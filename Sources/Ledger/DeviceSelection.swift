extension Device {
    /// Whether a user means this device: by its index ("0", "7:1"), its label ("amd:0"), or the beginning of its UUID.
    package func isNamed(_ name: String) -> Bool {
        !name.isEmpty && (index == name || label == name || uuid?.hasPrefix(name) == true)
    }
}

extension Snapshot {
    /// Devices that a user named, by index into `devices`; an instance that belongs to a named GPU is not included.
    ///
    /// - Returns: the devices in the order of `devices`, and the names that mean no device.
    package func devices(named names: [String]) -> (found: [Int], unknown: [String]) {
        (
            devices.indices.filter { index in names.contains { devices[index].isNamed($0) } },
            names.filter { name in !devices.contains { $0.isNamed(name) } }
        )
    }
}
