import Dispatch
import GPUDrivers
import Glibc
import HostFS
import Ledger
import Synchronization

/// What a child has open of the drivers that it asks. Its calls block.
private protocol DriverAccess: Sendable {
    /// What there is to be asked this time.
    func round() throws(NVMLError) -> any DriverRound
}

private protocol DriverRound: Sendable {
    var versions: DriverVersions { get }
    var gpus: Int { get }
    /// A GPU and its instances, and the seconds that it took to wake where it slept.
    func observe(gpu: Int, withAccounts: Bool) -> (devices: [ObservedDevice], waking: Double?)
    /// Who has the devices' files open; nil where the driver's own lists tell.
    var clients: (@Sendable () -> Reading<ClientList>)? { get }
}

/// Every call that may hang is made on a thread of its own; the main thread does nothing but listen, so that the end of the
/// parent ends the child.
final class DriverServer: Sendable {
    private let question: DriverQuestion
    private let opening = DispatchQueue(label: "plimsoll.open")
    private let session = Mutex<(any DriverAccess)?>(nil)
    private let hanging = Mutex<Set<Int>>([])
    private let writing = Mutex(())

    init(_ question: DriverQuestion) {
        self.question = question
    }

    func serve() -> Never {
        while true {
            guard let request = DriverRequest(payload: DriverChild.frame()) else { _exit(0) }
            opening.async { [self] in answer(request) }
        }
    }

    private func answer(_ request: DriverRequest) {
        let sample = request.sample
        do throws(NVMLError) {
            let round = try open().round()
            let gpus = round.gpus
            let hang = hanging.withLock { $0 }
            send(
                .opened(
                    sample: sample, round.versions, gpus: gpus, withClients: round.clients != nil,
                    hang: hang.sorted()))
            // The clients first: they take longest.
            let all = (round.clients == nil ? [] : [gpus]) + Array(0..<gpus)
            ask(round, all.filter { !hang.contains($0) }, request)
        } catch {
            send(.failed(sample: sample, why: error.description, isAbsent: error.isAbsence))
            // A driver that is loaded anew has forgotten our session, and the library counts sessions (nvml.h, nvmlInit_v2):
            // the next one begins in a new process.
            _exit(0)
        }
    }

    /// A thread asks one GPU after another. Where one takes long, another thread goes on with those that are left: they are
    /// well, perhaps, and must not wait.
    private func ask(_ round: any DriverRound, _ items: [Int], _ request: DriverRequest) {
        let queue = GPUQueue(items)
        while !queue.isEmpty {
            DispatchQueue(label: "plimsoll.gpu").async { [self] in
                while let item = queue.next() {
                    hanging.withLock { _ = $0.insert(item) }
                    let message = message(on: item, of: round, request)
                    hanging.withLock { _ = $0.remove(item) }
                    send(message)
                }
                queue.done.signal()
            }
            while !queue.isEmpty, !queue.isStuck(after: 0.05) {}
        }
    }

    private func message(on item: Int, of round: any DriverRound, _ request: DriverRequest) -> DriverMessage {
        if let clients = round.clients, item == round.gpus {
            return .clients(sample: request.sample, clients())
        }
        let (devices, waking) = round.observe(gpu: item, withAccounts: request.withAccounts)
        return .gpu(sample: request.sample, item, devices, waking: waking)
    }

    private func open() throws(NVMLError) -> any DriverAccess {
        if let session = session.withLock({ $0 }) { return session }
        let opened: any DriverAccess =
            switch question.drivers {
            case .nvidia: try NVIDIAAccess(question)
            case .kernel: KernelAccess(question)
            }
        session.withLock { $0 = opened }
        return opened
    }

    private func send(_ message: DriverMessage) {
        let frame = message.frame
        writing.withLock { _ in
            var rest = frame[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(OwnChild.channel, $0.baseAddress, $0.count) }
                if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { _exit(0) }
            }
        }
    }
}

private struct NVIDIAAccess: DriverAccess {
    let driver: NVMLDriver
    let proc: ProcFS

    init(_ question: DriverQuestion) throws(NVMLError) {
        proc = ProcFS(root: question.procfs)
        driver = try NVMLDriver(
            library: question.library, module: proc.kernelDriverVersion(sysfs: question.sysfs))
    }

    func round() throws(NVMLError) -> any DriverRound {
        Round(driver: driver, proc: proc, gpus: try driver.deviceCount())
    }

    private struct Round: DriverRound {
        let driver: NVMLDriver
        let proc: ProcFS
        let gpus: Int

        var versions: DriverVersions { DriverVersions(driver: driver.driverVersion, cuda: driver.cudaVersion) }
        var clients: (@Sendable () -> Reading<ClientList>)? { nil }

        func observe(gpu: Int, withAccounts: Bool) -> (devices: [ObservedDevice], waking: Double?) {
            driver.observe(gpu: gpu, withAccounts: withAccounts, clock: proc.uptime)
        }
    }
}

private struct KernelAccess: DriverAccess {
    private let proc: ProcFS
    private let sysfs: String
    private let scan: ClientScanner

    init(_ question: DriverQuestion) {
        proc = ProcFS(root: question.procfs)
        sysfs = question.sysfs
        scan = ClientScanner(proc)
    }

    func round() -> any DriverRound { Round(driver: DRMDriver(sysfs: sysfs), proc: proc, scan: scan) }

    private struct Round: DriverRound {
        let driver: DRMDriver
        let proc: ProcFS
        let scan: ClientScanner

        var versions: DriverVersions { DriverVersions() }
        var gpus: Int { driver.gpus.count }
        var clients: (@Sendable () -> Reading<ClientList>)? { scan.read }

        func observe(gpu: Int, withAccounts: Bool) -> (devices: [ObservedDevice], waking: Double?) {
            (driver.observe(driver.gpus[gpu], clock: proc.uptime), nil)
        }
    }
}

/// A scan keeps what it learned for the next one, which never begins before it has ended.
private final class ClientScanner: Sendable {
    private let scan: Mutex<ClientScan>

    init(_ proc: ProcFS) { scan = Mutex(ClientScan(proc)) }

    @Sendable func read() -> Reading<ClientList> {
        scan.withLock { scan in
            do throws(FileError) {
                return .known(try scan.read())
            } catch {
                return .unknown(error.description)
            }
        }
    }
}

/// GPUs that are still to be asked, handed out one by one.
private final class GPUQueue: Sendable {
    private let gpus: Mutex<ArraySlice<Int>>
    /// Signalled by each thread that finds none left.
    let done = DispatchSemaphore(value: 0)

    init(_ gpus: [Int]) { self.gpus = Mutex(gpus[...]) }

    func next() -> Int? { gpus.withLock { $0.popFirst() } }
    private var left: Int { gpus.withLock(\.count) }
    var isEmpty: Bool { left == 0 }

    /// Whether nobody took one in so many seconds.
    func isStuck(after seconds: Double) -> Bool {
        let before = left
        return done.wait(timeout: .now() + seconds) == .timedOut && left == before
    }
}
