import Ledger

/// What the kernel's graphics drivers report under an injected /sys (kernel, Documentation/gpu/amdgpu/driver-misc.rst).
package struct DRMFS: Sendable {
    let root: String

    package init(sysfs: String) {
        root = "\(sysfs)/class/drm"
    }

    /// Every GPU with a DRM driver, ordered by its bus address; and what exists but could not be read.
    package func devices() -> (devices: [DRMDevice], troubles: [Reason]) {
        var devices: [String: DRMDevice] = [:]
        var troubles: [Reason] = []
        var names: [String] = []
        do throws(FileError) {
            names = try FileReading.names(in: root)
        } catch {
            if !error.isAbsent { troubles.append(error.reason) }
        }
        for name in names.sorted() {
            // "card0-HDMI-A-1" is a connector.
            let isNode = ["card", "renderD"].contains { name.hasPrefix($0) && Int(name.dropFirst($0.count)) != nil }
            guard isNode, let node = node(name) else { continue }
            do throws(FileError) {
                guard let device = try DRMDevice(folder: "\(root)/\(name)/device") else { continue }
                devices[device.id, default: device].nodes.append(node)
            } catch {
                if !error.isAbsent { troubles.append(error.reason) }
            }
        }
        return (devices.values.sorted { $0.id < $1.id }, troubles)
    }

    /// A captured tree may have no `dev`; then the minor number follows from the name (drm_drv.c, drm_minor_alloc).
    private func node(_ name: String) -> DRMNode? {
        let reported = (try? FileReading.text("\(root)/\(name)/dev"))?.split(separator: ":").last
        guard let minor = reported.flatMap({ UInt32($0.prefix(while: \.isNumber)) }) ?? UInt32(name.filter(\.isNumber))
        else { return nil }
        return DRMNode(name: name, minor: minor)
    }
}

/// A device file: "card0" or "renderD128".
package struct DRMNode: Sendable, Equatable {
    package var name: String
    package var minor: UInt32

    static func path(ofMinor minor: UInt32) -> String { "/dev/dri/renderD\(minor)" }
}

/// A GPU as its folder in /sys describes it.
package struct DRMDevice: Sendable {
    /// Its PCI address, or the name of its platform device.
    package var id: String
    package var pci: String?
    /// "amdgpu", "i915", "panthor".
    package var driver: String
    package var vendorID: UInt32?
    package var deviceID: UInt32?
    package var nodes: [DRMNode] = []
    private let folder: String

    /// `uevent` of a PCI device, and of one that the device tree names:
    ///
    ///     DRIVER=amdgpu                    DRIVER=panthor
    ///     PCI_ID=1002:687F                 OF_FULLNAME=/gpu@fb000000
    ///     PCI_SLOT_NAME=0000:09:00.0       OF_COMPATIBLE_0=rockchip,rk3588-mali
    ///
    /// - Returns: nil for a device that has no driver.
    /// - Throws: if the file cannot be read.
    init?(folder: String) throws(FileError) {
        var values: [Substring: Substring] = [:]
        for line in try FileReading.text("\(folder)/uevent").split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            values[line[..<equals]] = line[line.index(after: equals)...]
        }
        guard let driver = values["DRIVER"] else { return nil }
        self.driver = String(driver).capped(at: TextLimit.deviceName)
        pci = values["PCI_SLOT_NAME"].map { $0.lowercased().capped(at: TextLimit.deviceName) }
        let name = FileReading.link(folder)?.pathNames.last ?? values["OF_FULLNAME"]?.pathNames.last
        guard let id = pci ?? name.map(String.init) else { return nil }
        self.id = id.capped(at: TextLimit.deviceName)
        let ids = values["PCI_ID"]?.split(separator: ":").map { UInt32($0, radix: 16) } ?? []
        (vendorID, deviceID) = ids.count == 2 ? (ids[0], ids[1]) : (nil, nil)
        self.folder = folder
    }

    package func number(_ file: String) -> UInt64? { text(file).flatMap { UInt64($0) } }

    /// The text of the file without the line end; nil if the file does not exist or is empty.
    package func text(_ file: String) -> String? {
        guard let text = try? FileReading.text("\(folder)/\(file)") else { return nil }
        let line = text.prefix { !$0.isNewline }
        return line.isEmpty ? nil : String(line).capped(at: TextLimit.deviceName)
    }

    package func reading(_ file: String) -> Reading<UInt64> {
        do throws(FileError) {
            let text = try FileReading.text("\(folder)/\(file)")
            let number = UInt64(text.prefix { !$0.isNewline })
            return number.map { .known($0) } ?? .unknown(.at(path: "\(folder)/\(file)", .notUnderstood))
        } catch {
            return .unknown(error.reason)
        }
    }

    /// Names under a folder of the device.
    package func names(in folder: String) -> [String] { (try? FileReading.names(in: "\(self.folder)/\(folder)")) ?? [] }

    /// The file that programs open to use it.
    package var renderNode: String? { nodes.first { $0.name.hasPrefix("renderD") }.map { "/dev/dri/\($0.name)" } }

    /// A GPU that sleeps is not asked what would wake it (kernel, Documentation/power/runtime_pm.rst).
    package var sleeps: Bool { text("power/runtime_status") == "suspended" }
}
