import Dispatch
import GPUDrivers
import Glibc
import HostFS
import Ledger
import Synchronization

/// This program as the driver's child: it calls the vendor's library, and nobody else does.
///
/// A driver can hang in the kernel, where no thread can be killed and the process that called cannot even exit; vendor
/// libraries have crashed in their callers, and printed to their output. A child can be left behind.
package enum DriverChild {
    /// What the program is called then, for whoever reads `ps`, and what it is known by.
    static let name = "plimsoll-driver"

    /// Serves where this program was started as the child, and does not return then. To be called before anything else.
    package static func serveIfAsked() {
        guard CommandLine.arguments.first == name else { return }
        serve()
    }

    private static func serve() -> Never {
        OwnChild.settle(as: name)
        guard let question = DriverQuestion(payload: frame()) else { _exit(0) }
        Server(question).serve()
    }

    /// What the parent says next.
    fileprivate static func frame() -> ArraySlice<UInt8> {
        let length = received(MemoryLayout<UInt32>.size).withUnsafeBytes { $0.load(as: UInt32.self) }
        guard length <= 1 << 20 else { _exit(0) }
        return received(Int(length))[...]
    }

    /// So many bytes from the parent, whose end is ours.
    private static func received(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var have = 0
        while have < count {
            let more = bytes.withUnsafeMutableBytes { read(OwnChild.channel, $0.baseAddress! + have, count - have) }
            if more < 0 && errno == EINTR { continue }
            guard more > 0 else { _exit(0) }
            have += more
        }
        return bytes
    }

    private static let early = Mutex<OwnChild?>(nil)

    /// Forks the first child while the program is still alone in its process: that takes a fifth of what starting it anew does
    /// and goes on beside reading the arguments. One that nobody comes to ask ends with its parent.
    package static func startEarly() {
        let child = OwnChild.fork { serve() }
        early.withLock { $0 = child }
    }

    static func start() -> OwnChild? { takeEarly() ?? OwnChild.start([name]) }

    private static func takeEarly() -> OwnChild? {
        early.withLock { child in
            defer { child = nil }
            return child
        }
    }

    /// Nobody comes to ask. Under a first process that reaps nobody it would stay as a zombie.
    package static func endEarly() { takeEarly()?.kill(waiting: 0.1) }
}

/// The first thing that the child is told: what to ask, and under which roots to look.
struct DriverQuestion {
    var library: String?
    var procfs: String
    var sysfs: String

    init(_ plan: SamplingPlan) {
        (library, procfs, sysfs) = (plan.nvmlLibrary, plan.procfs, plan.sysfs)
    }

    var frame: [UInt8] {
        var writer = WireWriter()
        writer.optional(library) { $0.text($1) }
        writer.text(procfs)
        writer.text(sysfs)
        return writer.framed
    }

    init?(payload: ArraySlice<UInt8>) {
        var reader = WireReader(payload)
        do throws(WireError) {
            library = try reader.optional { reader throws(WireError) in try reader.text() }
            procfs = try reader.text()
            sysfs = try reader.text()
        } catch {
            return nil
        }
    }
}

/// What is asked each time.
struct DriverRequest {
    var sample: UInt32
    /// The accounts of processes are asked for too.
    var withAccounts = false

    var frame: [UInt8] {
        var writer = WireWriter()
        writer.number(sample)
        writer.number(UInt8(withAccounts ? 1 : 0))
        return writer.framed
    }

    init(sample: UInt32, withAccounts: Bool = false) {
        (self.sample, self.withAccounts) = (sample, withAccounts)
    }

    init?(payload: ArraySlice<UInt8>) {
        var reader = WireReader(payload)
        do throws(WireError) {
            sample = try reader.number()
            withAccounts = try reader.number() as UInt8 == 1
        } catch {
            return nil
        }
    }
}

/// Every call that may hang is made on a thread of its own; the main thread does nothing but listen, so that the end of the
/// parent ends the child.
private final class Server: Sendable {
    private let library: String?
    private let proc: ProcFS
    private let sysfs: String
    private let opening = DispatchQueue(label: "plimsoll.open")
    private let driver = Mutex<NVMLDriver?>(nil)
    private let hanging = Mutex<Set<Int>>([])
    private let writing = Mutex(())

    init(_ question: DriverQuestion) {
        library = question.library
        proc = ProcFS(root: question.procfs)
        sysfs = question.sysfs
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
            let driver = try open()
            let gpus = try driver.deviceCount()
            let hang = hanging.withLock { $0 }
            let versions = DriverVersions(driver: driver.driverVersion, cuda: driver.cudaVersion)
            send(.opened(sample: sample, versions, gpus: gpus, hang: hang.sorted()))
            ask(driver, (0..<gpus).filter { !hang.contains($0) }, request)
        } catch {
            send(.failed(sample: sample, why: error.description))
            // A driver that is loaded anew has forgotten our session, and the library counts sessions (nvml.h, nvmlInit_v2):
            // the next one begins in a new process.
            _exit(0)
        }
    }

    /// A thread asks one GPU after another. Where one takes long, another thread goes on with those that are left: they are
    /// well, perhaps, and must not wait.
    private func ask(_ driver: NVMLDriver, _ gpus: [Int], _ request: DriverRequest) {
        let queue = GPUQueue(gpus)
        while !queue.isEmpty {
            DispatchQueue(label: "plimsoll.gpu").async { [self] in
                while let gpu = queue.next() {
                    hanging.withLock { _ = $0.insert(gpu) }
                    let (devices, waking) = driver.observe(
                        gpu: gpu, withAccounts: request.withAccounts, clock: proc.uptime)
                    hanging.withLock { _ = $0.remove(gpu) }
                    send(.gpu(sample: request.sample, gpu, devices, waking: waking))
                }
                queue.done.signal()
            }
            while !queue.isEmpty, !queue.isStuck(after: 0.05) {}
        }
    }

    private func open() throws(NVMLError) -> NVMLDriver {
        if let driver = driver.withLock({ $0 }) { return driver }
        let opened = try NVMLDriver(library: library, module: proc.kernelDriverVersion(sysfs: sysfs))
        driver.withLock { $0 = opened }
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
