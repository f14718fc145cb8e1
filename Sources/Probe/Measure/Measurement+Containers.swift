import Glibc
import HostFS
import Ledger
import Sampling

// Steps in a PID namespace and in containers: which PIDs the driver lists there, and which GPUs it shows.

extension Measurement {
    func pidNamespace() throws(NotTried) -> Finding {
        // As a user would type it (`MeasuredStep.command`).
        let isRoot = geteuid() == 0
        let wrapper =
            ["unshare"] + (isRoot ? [] : ["--user", "--map-root-user"]) + ["--pid", "--fork", "--mount-proc"]
        let listed: ListedPIDs
        do throws(NotTried) {
            listed = try pids(through: wrapper, path: nil)
        } catch .toolFailed("unshare", _) {
            throw .forbidden(.namespaces)
        }
        guard let finding = Finding.ownNamespace(listed, driver: driver) else { throw .missing(.nvidiaDriver) }
        return finding
    }

    func container(withHostPIDs: Bool) throws(NotTried) -> Finding {
        let target = try target()
        let listed = try pids(
            through: try containerWrapper(gpu: target.gpuUUID, options: withHostPIDs ? ["--pid=host"] : []),
            path: image?.program)
        if withHostPIDs { return .hostNamespace(listed) }
        guard let finding = Finding.ownNamespace(listed, driver: driver) else { throw .missing(.nvidiaDriver) }
        return finding
    }

    /// Which PIDs the driver lists inside a wrapper, while a worker inside and one outside have a context.
    ///
    /// - Parameters:
    ///   - wrapper: see `WorkerProcess.init`.
    ///   - path: see `WorkerProcess.init`.
    private func pids(through wrapper: [String], path: String?) throws(NotTried) -> ListedPIDs {
        let target = try target()
        let outside = try holder(contexts: 2)
        defer { outside.end() }
        let inside = try WorkerProcess(plan, leftovers, .holds(Self.contextAtMost), through: wrapper, path: path)
        defer { inside.end() }
        // A container can take long to start.
        let own = try inside.ask("hello", within: max(plan.timeout, 30)).number("pid") ?? 0
        try inside.ask("context \(target.digits)")
        // Inside, this GPU can be the only one, with another index.
        for gpu in 0..<(try inside.ask("open").number("count") ?? 0) {
            let devices = try inside.observe(gpu: gpu)
            guard let device = devices.first(where: { $0.uuid == target.uuid }) else { continue }
            let listed = Set(device.compute.processes.map(\.pid))
            return ListedPIDs(listsOwn: listed.contains(UInt32(own)), listsOutside: listed.contains(outside.pid))
        }
        throw .missing(.nvidiaDriver)
    }

    func containerDevices() throws(NotTried) -> Finding {
        _ = try target()
        let gpus = observe().snapshot.devices.filter { $0.vendor == .nvidia && $0.parent == nil }
        guard gpus.count > 1, let uuid = gpus[1].uuid else { throw .missing(.secondGPU) }
        let inside = try WorkerProcess(
            plan, leftovers, through: try containerWrapper(gpu: gpus[1].index), path: image?.program)
        defer { inside.end() }
        let count = try inside.ask("open", within: max(plan.timeout, 30)).number("count") ?? 0
        let first = count > 0 ? try inside.observe(gpu: 0).first?.uuid : nil
        return .containerDevices(count: count, isTheOne: first == uuid)
    }

    /// The command that runs the image with one GPU.
    ///
    /// - Parameters:
    ///   - gpu: index or UUID.
    ///   - options: of `docker run`.
    private func containerWrapper(gpu: String, options: [String] = []) throws(NotTried) -> [String] {
        guard let docker = plan.docker else { throw .forbidden(.engine) }
        if image == nil { image = try ContainerImage(docker) }
        guard let image else { throw .forbidden(.engine) }
        return docker + [
            "run", "--rm", "--interactive", "--network", "none", "--gpus", "device=\(gpu)",
            "--env", "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
            // NVIDIA's hook chooses the folder of the driver's libraries by the image's distribution, and this image
            // has none.
            "--env", "LD_LIBRARY_PATH=/usr/lib64:/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu",
        ] + options + [image.name]
    }
}

/// A container image with this program and the libraries that it needs. It is made without network. It is removed when
/// this object is released, or when this program ends, even by SIGKILL.
final class ContainerImage {
    let name: String
    /// This program's file in the image.
    let program: String
    private let cleaner: Cleaner

    /// - Parameter docker: the docker client and its options.
    init(_ docker: [String]) throws(NotTried) {
        let seconds = 30.0
        let name = "plimsoll-measure:\(getpid())"
        self.name = name
        do throws(NotTried) {
            _ = try Tool.output(docker + ["version", "--format", "{{.Server.Version}}"], within: seconds)
        } catch .toolFailed {
            throw .forbidden(.engine)
        }
        guard let own = SystemPath.ownProgramFile, let slash = own.lastIndex(of: "/") else {
            throw .notStarted(errno: ENOENT)
        }
        let file = String(own[own.index(after: slash)...])
        program = "/" + file
        _ = try Tool.output(["tar", "--version"], within: seconds)
        // The libraries, by the names that the loader looks for.
        let archive =
            ["tar", "--create", "--dereference", "--file", "-", "--directory", "/"]
            + SystemPath.ownLibraries.map { "." + $0 } + ["--directory", String(own[...slash]), "./" + file]
        cleaner = try Cleaner(
            [archive, docker + ["import", "-", name]], atEnd: docker + ["rmi", "--force", name], within: seconds)
    }
}
