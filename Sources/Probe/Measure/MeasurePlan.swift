import Ledger

/// The host and the limits of `measure`.
package struct MeasurePlan: Sendable {
    package var procfs: String
    package var sysfs: String
    /// Path of NVIDIA's management library; nil for the system's.
    package var nvmlLibrary: String?
    /// Path of the CUDA driver library; nil for the system's.
    package var cudaLibrary: String?
    /// Time limit of an answer of a driver or a tool, in seconds.
    package var timeout: Double
    /// The GPU to use: its index, or the beginning of its UUID; nil for the GPU with the most free memory.
    package var device: String?
    /// URL of the socket of a container engine on this machine; nil if none is known.
    package var dockerHost: String?
    /// Settings that the steps may change and restore.
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

    /// Limit of the GPU memory that all processes of `measure` hold together, contexts included.
    package static let memoryLimit: Bytes = 2 << 30
    /// Seconds after which no further step starts. The longest step takes two minutes.
    package static let deadline = 450.0
}
