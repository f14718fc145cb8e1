/// Where this program runs, and what it was given of a GPU. It is read on the spot, and is not part of a recording.
package struct RuntimeEnvironment: Sendable, Equatable {
    package enum Kind: String, Sendable { case host, container, unknown }

    package var kind: Kind
    /// Id of the container, if known.
    package var id: String?
    /// False if it may be that of another container, which shares its network.
    package var isVerified = true
    /// "Docker", "Podman", "Kubernetes", "LXC"…; nil if no mark of an engine was found.
    package var engine: String?
    /// Those that choose GPUs and are set here.
    package var variables: [Variable]
    /// Files of GPUs in /dev; nil if it could not be read.
    package var deviceNodes: [String]?
    package var libraries: [DriverLibrary]
    /// How many devices CUDA has once it is initialized; nil if its library was not loaded.
    package var cuda: Reading<Int>?
    /// Of GPUs that the kernel's drivers run, by minor number: the file that programs open, or why it cannot be opened here.
    package var renderNodes: [UInt32: Reading<String>]
    /// AMD's compute driver, which HIP programs open too.
    package var computeNode: Reading<String>
    /// Limit of RAM in bytes.
    package var ramLimit: Reading<Limit<UInt64>>
    /// Limit of CPUs.
    package var cpuLimit: Reading<Limit<Double>>
    /// Text of our own /proc/self/cgroup; nil if it could not be read.
    package var cgroup: String?

    package struct Variable: Sendable, Equatable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(
        kind: Kind, id: String?, engine: String?, variables: [Variable], deviceNodes: [String]?,
        libraries: [DriverLibrary], renderNodes: [UInt32: Reading<String>], computeNode: Reading<String>,
        ramLimit: Reading<Limit<UInt64>>, cpuLimit: Reading<Limit<Double>>
    ) {
        self.kind = kind
        self.id = id
        self.engine = engine
        self.variables = variables
        self.deviceNodes = deviceNodes
        self.libraries = libraries
        self.renderNodes = renderNodes
        self.computeNode = computeNode
        self.ramLimit = ramLimit
        self.cpuLimit = cpuLimit
    }
}

/// A library of the driver, as the loader finds it here: its file, or why it was not loaded.
package struct DriverLibrary: Sendable, Equatable {
    package var name: String
    package var file: Reading<String>

    package init(name: String, file: Reading<String>) {
        self.name = name
        self.file = file
    }
}

/// Which processes on a GPU are visible from here.
package enum ProcessesSeen: String, Sendable {
    case all
    /// Those of this PID namespace, which is a container's.
    case own
    /// The driver names processes, and none of its numbers means anything here.
    case none
}
