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
    /// Where its end of the channel is.
    static let channel: Int32 = 3

    /// Serves where this program was started as the child, and does not return then. To be called before anything else.
    package static func serveIfAsked() {
        guard CommandLine.arguments.first == name, CommandLine.arguments.count == 4 else { return }
        // What we were started with and know nothing of, such as a pipe of a shell's, must not stay open in a child that hangs.
        for fd in SystemPath.openFiles() where fd > channel { close(fd) }
        // The parent handles these, and its end ends the channel.
        for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { signal(number, SIG_IGN) }
        // A library that crashes every second must not fill the disk.
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        let words = CommandLine.arguments
        Server(library: words[1].isEmpty ? nil : words[1], procfs: words[2], sysfs: words[3]).serve()
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

    init(library: String?, procfs: String, sysfs: String) {
        self.library = library
        proc = ProcFS(root: procfs)
        self.sysfs = sysfs
    }

    func serve() -> Never {
        var sample: UInt32 = 0
        while true {
            let count = read(DriverChild.channel, &sample, MemoryLayout<UInt32>.size)
            if count < 0 && errno == EINTR { continue }
            guard count == MemoryLayout<UInt32>.size else { _exit(0) }
            let asked = sample
            opening.async { [self] in answer(asked) }
        }
    }

    private func answer(_ sample: UInt32) {
        do throws(NVMLError) {
            let driver = try open()
            let gpus = try driver.deviceCount()
            let hang = hanging.withLock { $0 }
            send(.opened(sample: sample, version: driver.driverVersion, gpus: gpus, hang: hang.sorted()))
            for gpu in 0..<gpus where !hang.contains(gpu) {
                hanging.withLock { _ = $0.insert(gpu) }
                DispatchQueue(label: "plimsoll.gpu").async { [self] in
                    let (devices, waking) = driver.observe(gpu: gpu, clock: proc.uptime)
                    hanging.withLock { _ = $0.remove(gpu) }
                    send(.gpu(sample: sample, gpu, devices, waking: waking))
                }
            }
        } catch {
            send(.failed(sample: sample, why: error.description))
            // A driver that is loaded anew has forgotten our session, and the library counts sessions (nvml.h, nvmlInit_v2):
            // the next one begins in a new process.
            _exit(0)
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
                let count = rest.withUnsafeBytes { write(DriverChild.channel, $0.baseAddress, $0.count) }
                if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { _exit(0) }
            }
        }
    }
}
