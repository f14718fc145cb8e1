/// What the sources said at one moment, unjudged. A plain value: it can be recorded and replayed, and the ledger is a
/// function of it. It holds no command line and no environment; a recording of it no label but Compose's two.
package struct Observation: Codable, Sendable, Equatable {
    /// Milliseconds since 1970, UTC.
    package var time: Int64
    package var host: String
    package var view: ProcessView
    package var devices: [ObservedDevice]
    /// What /proc said of each PID that a driver listed and that was there.
    package var processes: [ObservedProcess]
    package var engines: [ObservedEngine]
    /// RAM limits in bytes of cgroups that processes are in or below, by `CgroupFolder.key`. If no container is known for
    /// a path, all of its folders are included. nil in recordings of version 0.1.0.
    package var cgroupLimits: [String: Reading<Limit<UInt64>>]?
    /// The same by container id, of recordings of version 0.1.0.
    package var ramLimits: [String: Reading<Limit<UInt64>>]?
    /// By `CgroupFolder.key`: who owns the folders that containers' cgroups are in, and the root of each hierarchy, as our user
    /// namespace has the uid. Without those that could not be read; nil in recordings that do not say.
    package var cgroupOwners: [String: UInt32]?
    /// The host's own memory; nil if no device uses it.
    package var hostMemory: HostMemory?
    /// The open files of DRM devices, or why they could not be read; nil if there is no such device.
    package var clients: Reading<ClientList>?
    /// GPU memory that the kernel's dmem controller charged to containers and to the whole host; nil if there is no such
    /// controller.
    package var deviceMemory: [ChargedCgroup]?
    package var sources: [SourceReport]

    package init(
        time: Int64, host: String, view: ProcessView, devices: [ObservedDevice] = [], processes: [ObservedProcess] = [],
        engines: [ObservedEngine] = [], cgroupLimits: [String: Reading<Limit<UInt64>>]? = nil,
        cgroupOwners: [String: UInt32]? = nil, hostMemory: HostMemory? = nil,
        clients: Reading<ClientList>? = nil, deviceMemory: [ChargedCgroup]? = nil, sources: [SourceReport] = []
    ) {
        self.time = time
        self.host = host
        self.view = view
        self.devices = devices
        self.processes = processes
        self.engines = engines
        self.cgroupLimits = cgroupLimits
        self.cgroupOwners = cgroupOwners
        self.hostMemory = hostMemory
        self.clients = clients
        self.deviceMemory = deviceMemory
        self.sources = sources
    }
}
