import Glibc
import HostFS
import Ledger
import Sampling

// Steps in a PID namespace and in containers: whose PIDs the driver tells there.

extension Measurement {
    func pidNamespace() throws(NotTried) -> Finding {
        let isRoot = geteuid() == 0
        // The same that a person would type.
        let wrapper =
            ["unshare"] + (isRoot ? [] : ["--user", "--map-root-user"]) + ["--pid", "--fork", "--mount-proc"]
        let told: PIDsTold
        do throws(NotTried) {
            told = try pids(through: wrapper, path: nil)
        } catch .toolFailed("unshare", _) {
            throw .forbidden(.namespaces)
        }
        guard let finding = Finding.ownNamespace(told, driver: driver) else { throw .missing(.nvidiaDriver) }
        return finding
    }

    func container(withHostPIDs: Bool) throws(NotTried) -> Finding {
        let target = try target()
        let told = try pids(
            through: try containerWrapper(gpu: target.gpuUUID, withHostPIDs ? ["--pid=host"] : []),
            path: image?.program)
        if withHostPIDs { return .hostNamespace(told) }
        guard let finding = Finding.ownNamespace(told, driver: driver) else { throw .missing(.nvidiaDriver) }
        return finding
    }

    /// Which PIDs the driver lists for a process that the wrapper starts, while that process and one outside hold a
    /// context.
    private func pids(through wrapper: [String], path: String?) throws(NotTried) -> PIDsTold {
        let target = try target()
        let outside = try holder(contexts: 2)
        defer { outside.end() }
        let inside = try WorkerProcess(plan, leftovers, .holds(Self.contextAtMost), through: wrapper, path: path)
        defer { inside.end() }
        // A container takes its time to start.
        let own = try inside.ask("hello", within: max(plan.timeout, 30)).number("pid") ?? 0
        try inside.ask("context \(target.digits)")
        // It may be shown this GPU alone, with another number.
        for gpu in 0..<(try inside.ask("open").number("count") ?? 0) {
            let devices = try inside.observe(gpu: gpu)
            guard let device = devices.first(where: { $0.uuid == target.uuid }) else { continue }
            let listed = Set(device.compute.processes.map(\.pid))
            return PIDsTold(listsOwn: listed.contains(UInt32(own)), listsOutside: listed.contains(outside.pid))
        }
        throw .missing(.nvidiaDriver)
    }

    func containerDevices() throws(NotTried) -> Finding {
        _ = try target()
        let gpus = observe().snapshot.devices.filter { $0.vendor == .nvidia && $0.parent == nil }
        guard gpus.count > 1, let uuid = gpus[1].uuid else { throw .missing(.secondGPU) }
        let inside = try WorkerProcess(
            plan, leftovers, through: try containerWrapper(gpu: gpus[1].index, []), path: image?.program)
        defer { inside.end() }
        let count = try inside.ask("open", within: max(plan.timeout, 30)).number("count") ?? 0
        let first = count > 0 ? try inside.observe(gpu: 0).first?.uuid : nil
        return .containerDevices(count: count, isTheOne: first == uuid)
    }

    private func containerWrapper(gpu: String, _ options: [String]) throws(NotTried) -> [String] {
        guard let docker = plan.docker else { throw .forbidden(.engine) }
        if image == nil { image = try ContainerImage(docker) }
        guard let image else { throw .forbidden(.engine) }
        return docker + [
            "run", "--rm", "--interactive", "--network", "none", "--gpus", "device=\(gpu)",
            "--env", "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
            // Where NVIDIA's hook puts the driver's libraries, by the container's distribution, and this one has none.
            "--env", "LD_LIBRARY_PATH=/usr/lib64:/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu",
        ] + options + [image.name]
    }
}

/// An image that holds this program and the libraries that it needs. It takes no network, and is removed when it is let
/// go of, also if this program is killed.
final class ContainerImage {
    let name: String
    /// This program's file in it.
    let program: String
    private let cleaner: Cleaner

    /// - Parameter docker: the client and its options.
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
        // The libraries by the names that the loader asks for.
        let archive =
            ["tar", "--create", "--dereference", "--file", "-", "--directory", "/"]
            + SystemPath.ownLibraries.map { "." + $0 } + ["--directory", String(own[...slash]), "./" + file]
        cleaner = try Cleaner(
            [archive, docker + ["import", "-", name]], atEnd: docker + ["rmi", "--force", name], within: seconds)
    }
}
