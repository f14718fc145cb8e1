import GPUDrivers
import HostFS
import Ledger
import Synchronization

/// What a child has open of the drivers that it asks. Its calls block.
protocol DriverAccess: Sendable {
    /// What there is to be asked this time.
    func open() throws(NVMLError) -> any OpenedDriver
}

protocol OpenedDriver: Sendable {
    var versions: DriverVersions { get }
    var inventory: Inventory { get }
    /// A GPU of the inventory and its instances, and the seconds that it took to wake if it slept.
    func observe(_ key: String, withAccounts: Bool) -> (devices: [ObservedDevice], waking: Double?)
    /// Who has the devices' files open.
    ///
    /// - Parameter deadline: in seconds of the monotonic clock; what has not been looked at by then is counted as unread.
    func clients(until deadline: Double) -> Reading<ClientList>
}

final class NVIDIAAccess: DriverAccess {
    private let question: DriverQuestion
    private let driver = Mutex<NVMLDriver?>(nil)

    init(_ question: DriverQuestion) { self.question = question }

    func open() throws(NVMLError) -> any OpenedDriver {
        let proc = ProcFS(root: question.procfs)
        if let driver = driver.withLock({ $0 }) { return try Opened(driver, proc) }
        let opened = try NVMLDriver(
            library: question.library, module: proc.kernelDriverVersion(sysfs: question.sysfs))
        driver.withLock { $0 = opened }
        return try Opened(opened, proc)
    }

    /// The library counts GPUs when the session begins (nvml.h, nvmlDeviceGetCount_v2), so the index is the key.
    private struct Opened: OpenedDriver {
        let driver: NVMLDriver
        let proc: ProcFS
        let inventory: Inventory

        init(_ driver: NVMLDriver, _ proc: ProcFS) throws(NVMLError) {
            self.driver = driver
            self.proc = proc
            inventory = Inventory(
                gpus: (0..<(try driver.deviceCount())).map { index in
                    Inventory.GPU(
                        key: String(index), unread: .unreadable(index: String(index), why: .fact(.notAsked)))
                })
        }

        var versions: DriverVersions { DriverVersions(driver: driver.driverVersion, cuda: driver.cudaVersion) }
        func clients(until deadline: Double) -> Reading<ClientList> { .known(ClientList(clients: [], unreadable: 0)) }

        func observe(_ key: String, withAccounts: Bool) -> (devices: [ObservedDevice], waking: Double?) {
            driver.observe(gpu: Int(key) ?? 0, withAccounts: withAccounts, clock: proc.uptime)
        }
    }
}

final class KernelAccess: DriverAccess {
    private let question: DriverQuestion
    /// Made by the first round, because making it looks at the host already.
    private let host = Mutex<(proc: ProcFS, scan: ClientScanner)?>(nil)

    init(_ question: DriverQuestion) { self.question = question }

    func open() -> any OpenedDriver {
        let known = host.withLock { $0 }
        let proc = known?.proc ?? ProcFS(root: question.procfs)
        let scan = known?.scan ?? ClientScanner(proc)
        if known == nil { host.withLock { $0 = $0 ?? (proc, scan) } }
        return Opened(driver: DRMDriver(sysfs: question.sysfs), proc: proc, scan: scan)
    }

    private struct Opened: OpenedDriver {
        let driver: DRMDriver
        let proc: ProcFS
        let scan: ClientScanner

        var versions: DriverVersions { DriverVersions() }

        var inventory: Inventory {
            Inventory(
                gpus: driver.gpus.map { Inventory.GPU(key: $0.key, unread: $0.unread) },
                withClients: !driver.gpus.isEmpty, trouble: driver.trouble)
        }

        func clients(until deadline: Double) -> Reading<ClientList> { scan.read(until: deadline) }

        func observe(_ key: String, withAccounts: Bool) -> (devices: [ObservedDevice], waking: Double?) {
            guard let gpu = driver.gpus.first(where: { $0.key == key }) else { return ([], nil) }
            return (driver.observe(gpu, clock: proc.uptime), nil)
        }
    }
}

/// A scan keeps what it learned for the next one, which never begins before it has ended.
private final class ClientScanner: Sendable {
    private let scan: Mutex<ClientScan>

    init(_ proc: ProcFS) { scan = Mutex(ClientScan(proc)) }

    func read(until deadline: Double) -> Reading<ClientList> {
        // Stop early, so that what was found is sent in time.
        let seconds = (deadline - monotonicSeconds()) * 0.8
        return scan.withLock { scan in
            do throws(FileError) {
                return .known(try scan.read(within: seconds))
            } catch {
                return .unknown(error.reason)
            }
        }
    }
}
