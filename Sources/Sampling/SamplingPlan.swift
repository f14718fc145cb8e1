/// What to read, and how long to wait for it.
package struct SamplingPlan: Sendable {
    package var procfs: String
    package var sysfs: String
    /// nil for the system's.
    package var nvmlLibrary: String?
    /// Seconds for a device.
    package var deviceTimeout: Double
    /// Seconds for an engine.
    package var engineTimeout: Double
    /// Others who want a processor come first.
    package var lowPriority = false

    /// The nice value of who stands back: not so far that on a machine whose processors are all taken nothing is read.
    package static let behind: Int32 = 10

    package init(
        procfs: String, sysfs: String, nvmlLibrary: String?, deviceTimeout: Double, engineTimeout: Double
    ) {
        self.procfs = procfs
        self.sysfs = sysfs
        self.nvmlLibrary = nvmlLibrary
        self.deviceTimeout = deviceTimeout
        self.engineTimeout = engineTimeout
    }
}
