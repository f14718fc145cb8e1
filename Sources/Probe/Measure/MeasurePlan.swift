import Ledger

/// What `measure` may do, and with what.
package struct MeasurePlan: Sendable {
    package var procfs: String
    package var sysfs: String
    /// nil for the system's.
    package var nvmlLibrary: String?
    /// nil for the system's.
    package var cudaLibrary: String?
    /// Seconds that an answer of a driver or a tool may take.
    package var timeout: Double
    /// An index, or the beginning of a UUID; nil for the GPU with the most free memory.
    package var device: String?
    /// URL of the socket of an engine of this machine; nil if none is known.
    package var dockerHost: String?
    /// Settings that may be changed and restored.
    package var settings: Set<MeasuredSetting>

    package init(
        procfs: String, sysfs: String, nvmlLibrary: String?, cudaLibrary: String?, timeout: Double, device: String?,
        dockerHost: String?, settings: Set<MeasuredSetting>
    ) {
        self.procfs = procfs
        self.sysfs = sysfs
        self.nvmlLibrary = nvmlLibrary
        self.cudaLibrary = cudaLibrary
        self.timeout = timeout
        self.device = device
        self.dockerHost = dockerHost
        self.settings = settings
    }

    /// The docker client and its options.
    var docker: [String]? { dockerHost.map { ["docker", "--host", $0] } }

    /// GPU memory that all processes of `measure` hold together at most, contexts included.
    package static let most: Bytes = 2 << 30
    /// Seconds after which no step is begun: the longest one takes two minutes.
    package static let deadline = 450.0
}
