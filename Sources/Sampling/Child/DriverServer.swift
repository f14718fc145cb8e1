import GPUDrivers
import Glibc
import HostFS
import Ledger
import Synchronization

/// Every call that may hang is made on a thread of its own; the main thread does nothing but listen and look after them, so
/// that the end of the parent ends the child.
final class DriverServer: Sendable {
    private let question: DriverQuestion
    private let access: any DriverAccess
    private let reader = Mutex<HostReader?>(nil)
    private let watchdog = Watchdog()
    /// Keys of GPUs that have not answered.
    private let hanging = Mutex<Set<String>>([])
    private let writing = Mutex(())

    init(_ question: DriverQuestion) {
        self.question = question
        access =
            switch question.role {
            case .nvidia: NVIDIAAccess(question)
            case .host: KernelAccess(question)
            }
    }

    /// Made on the thread of the first question, because making it looks at the host already; not under the lock, where others
    /// would hang too.
    private func hostReader() -> HostReader {
        if let known = reader.withLock({ $0 }) { return known }
        let made = HostReader(procfs: question.procfs, sysfs: question.sysfs, watchdog)
        return reader.withLock { reader in
            let first = reader ?? made
            reader = first
            return first
        }
    }

    func serve() -> Never {
        while true {
            var waiting = pollfd(fd: HelperProcess.channel, events: Int16(POLLIN), revents: 0)
            if poll(&waiting, 1, watchdog.pause) > 0 {
                guard let request = ChildRequest(payload: DriverChild.frame()) else { _exit(0) }
                take(request)
            }
            watchdog.look()
        }
    }

    private func take(_ request: ChildRequest) {
        switch request {
        case .sample(let sample, let withAccounts, let deadline):
            let job = Job(1, until: nil) { [self] _ in answer(sample, withAccounts: withAccounts, until: deadline) }
            let code = watchdog.start(job)
            if code != 0 { send(.failed(sample: sample, why: .other(noThread(code)), isAbsent: false)) }
        case .question(let number, let question, let deadline):
            watchdog.beginsQuestion()
            let code = startThread { [self] in
                hostReader().answer(question, until: deadline) { [self] in
                    send(.answer(number, $0))
                    watchdog.endsQuestion()
                }
            }
            guard code != 0 else { return }
            watchdog.endsQuestion()
            send(.answer(number, .failed(.other(noThread(code)))))
        }
    }

    private func answer(_ sample: UInt32, withAccounts: Bool, until deadline: Double) {
        do throws(NVMLError) {
            let driver = try access.open()
            let inventory = driver.inventory
            let hang = hanging.withLock { $0 }
            send(.opened(sample: sample, driver.versions, inventory, hang: hang.sorted()))
            // The clients first: they take longest.
            let keys = (inventory.withClients ? [DriverMessage.clientsKey] : []) + inventory.gpus.map(\.key)
            let asked = keys.filter { !hang.contains($0) }
            guard !asked.isEmpty else { return }
            let job = Job(asked.count, until: nil) { [self] number in
                let key = asked[number]
                hanging.withLock { _ = $0.insert(key) }
                let message = message(on: key, of: driver, sample, withAccounts, until: deadline)
                hanging.withLock { _ = $0.remove(key) }
                send(message)
            }
            watchdog.run(job)
        } catch {
            send(.failed(sample: sample, why: error.reason, isAbsent: error.isAbsence))
            // A driver that is loaded anew has forgotten our session, and the library counts sessions (nvml.h, nvmlInit_v2):
            // the next one begins in a new process.
            _exit(0)
        }
    }

    private func message(
        on key: String, of driver: any OpenedDriver, _ sample: UInt32, _ withAccounts: Bool, until deadline: Double
    ) -> DriverMessage {
        if key == DriverMessage.clientsKey { return .clients(sample: sample, driver.clients(until: deadline)) }
        let (devices, waking) = driver.observe(key, withAccounts: withAccounts)
        return .gpu(sample: sample, key, devices, waking: waking)
    }

    private func send(_ message: DriverMessage) {
        let frame = message.frame
        writing.withLock { _ in
            var rest = frame[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(HelperProcess.channel, $0.baseAddress, $0.count) }
                if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { _exit(0) }
            }
        }
    }
}
