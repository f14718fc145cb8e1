import Ledger

/// GPUs on the PCI bus, as the kernel describes them without asking their drivers, under an injected /sys root.
package struct PCIFS: Sendable {
    private let root: String

    package init(sysfs: String) {
        root = "\(sysfs)/bus/pci/devices"
    }

    package struct GPU: Sendable, Equatable {
        package var address: String
        package var vendor: Vendor
        /// "active", "suspended"; reading it wakes nothing (Documentation/ABI/testing/sysfs-devices-power). nil without power
        /// management.
        package var runtimeStatus: String?
    }

    /// By address. Of class 03, display controllers (PCI Code and ID Assignment Specification).
    package func gpus() -> [GPU] {
        ((try? FileReading.names(in: root)) ?? []).sorted().compactMap { address in
            guard word("\(root)/\(address)/class")?.hasPrefix("0x03") == true else { return nil }
            let vendor: Vendor? =
                switch word("\(root)/\(address)/vendor") {
                case "0x10de": .nvidia
                case "0x1002": .amd
                case "0x8086": .intel
                default: nil
                }
            return vendor.map {
                GPU(address: address, vendor: $0, runtimeStatus: word("\(root)/\(address)/power/runtime_status"))
            }
        }
    }

    private func word(_ path: String) -> String? {
        (try? FileReading.text(path))?.split(whereSeparator: \.isWhitespace).first.map(String.init)
    }
}
