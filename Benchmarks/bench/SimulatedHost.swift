import FoundationEssentials
import Glibc
import HostDescription

/// A simulated driver: gpusimd, and its libraries in a folder that containers can mount.
final class SimulatedHost {
    let libraries: String
    let sockets: String
    private let daemon: Child

    var library: String { "\(libraries)/libnvidia-ml.so.1" }
    private var socket: String { "\(sockets)/socket" }

    init(_ description: HostDescription, name: String, in place: Workplace) throws {
        let folder = try place.makeFolder(name)
        libraries = try place.makeFolder("\(name)/lib")
        sockets = try place.makeFolder("\(name)/run")
        for (built, name) in [("libSimulatedNVML.so", "libnvidia-ml.so.1"), ("libSimulatedCUDA.so", "libcuda.so.1")] {
            try FileManager.default.copyItem(atPath: place.program(built), toPath: "\(libraries)/\(name)")
        }
        try description.write(to: "\(folder)/host.json")
        daemon = try Child(place.program("gpusimd"), ["\(folder)/host.json", "\(sockets)/socket"])
        guard let word = daemon.line(), word == "ready" else {
            daemon.end()
            throw Failure("gpusimd does not start")
        }
    }

    /// From now on this is the driver of whatever is started, and of ourselves.
    func select() {
        setenv("GPUSIM_SOCKET", socket, 1)
        setenv("PLIMSOLL_NVML_LIBRARY", library, 1)
    }

    func end() { daemon.end() }
}
