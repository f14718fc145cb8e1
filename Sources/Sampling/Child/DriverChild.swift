import Glibc
import HostFS
import Synchronization

/// This program as the driver's child, the only process that calls the vendor's library.
///
/// A driver can hang in the kernel, where no thread can be killed and the calling process cannot even exit. Vendor
/// libraries have crashed in their callers, and printed to their output. A child can be left behind.
package enum DriverChild {
    /// The name of the child in `ps`, and in its arguments.
    static let name = "plimsoll-driver"

    /// Serves requests if this program was started as the child, and does not return then. Call it before anything else.
    package static func serveIfAsked() {
        guard ProgramArguments.all.first == name else { return }
        serve()
    }

    private static func serve() -> Never {
        HelperProcess.settle(as: name)
        guard let question = DriverQuestion(payload: frame()) else { _exit(0) }
        SystemPath.nameOwnProcess(question.role.processName)
        DriverServer(question).serve()
    }

    /// What the parent says next.
    static func frame() -> ArraySlice<UInt8> {
        let length = received(MemoryLayout<UInt32>.size).withUnsafeBytes { $0.load(as: UInt32.self) }
        guard length <= 1 << 20 else { _exit(0) }
        return received(Int(length))[...]
    }

    /// This many bytes from the parent; if it has ended, so does this process.
    private static func received(_ count: Int) -> [UInt8] {
        guard let bytes = HelperProcess.received(count) else { _exit(0) }
        return bytes
    }

    private static let early = Mutex<[HelperProcess]>([])

    /// Forks the first children while the program has only one thread. That takes a fifth of the time of starting them as
    /// programs, and runs in parallel with parsing the arguments. A child that is never asked ends with its parent.
    package static func prefork() {
        for _ in 0..<2 {
            guard let child = HelperProcess.fork({ serve() }) else { return }
            early.withLock { $0.append(child) }
        }
    }

    static func start() throws(ChildStartError) -> HelperProcess {
        if let child = early.withLock({ $0.popLast() }) { return child }
        return try HelperProcess.start([name])
    }
}

/// What a child does. Each of these can hang, and none is to hold up the other.
enum ChildRole: UInt8 {
    /// Asks NVIDIA's driver through its library.
    case nvidia
    /// Reads the host's files, and asks the drivers of the kernel through /sys, the devices and the descriptors of processes.
    case host

    /// The name in `ps`.
    var processName: String { self == .nvidia ? DriverChild.name : "plimsoll-host" }
}

/// The first message to a child: what to query, and under which roots to look.
struct DriverQuestion {
    var role: ChildRole
    var library: String?
    var procfs: String
    var sysfs: String

    init(_ role: ChildRole, _ plan: SamplingPlan) {
        self.role = role
        (library, procfs, sysfs) = (plan.nvmlLibrary, plan.procfs, plan.sysfs)
    }

    var frame: [UInt8] {
        var writer = WireWriter()
        writer.number(role.rawValue)
        writer.optional(library) { $0.text($1) }
        writer.text(procfs)
        writer.text(sysfs)
        return writer.framed
    }

    init?(payload: ArraySlice<UInt8>) {
        var reader = WireReader(payload)
        do throws(WireError) {
            guard let role = ChildRole(rawValue: try reader.number()) else { return nil }
            self.role = role
            library = try reader.optional { reader throws(WireError) in try reader.text() }
            procfs = try reader.text()
            sysfs = try reader.text()
        } catch {
            return nil
        }
    }
}

/// What is asked of a child.
enum ChildRequest: Equatable {
    /// Every GPU. `withAccounts`: the accounts of processes too. Deadlines are in seconds of the monotonic clock, which all
    /// processes share.
    case sample(UInt32, withAccounts: Bool, deadline: Double)
    /// Something about the host's files.
    case question(UInt32, HostQuestion, deadline: Double)

    var frame: [UInt8] {
        var writer = WireWriter()
        switch self {
        case .sample(let sample, let withAccounts, let deadline):
            writer.flag(false)
            writer.number(sample)
            writer.flag(withAccounts)
            writer.number(deadline.bitPattern)
        case .question(let number, let question, let deadline):
            writer.flag(true)
            writer.number(number)
            writer.number(deadline.bitPattern)
            writer.question(question)
        }
        return writer.framed
    }

    init?(payload: ArraySlice<UInt8>) {
        var reader = WireReader(payload)
        do throws(WireError) {
            if try reader.flag() {
                let number: UInt32 = try reader.number()
                let deadline = Double(bitPattern: try reader.number())
                self = .question(number, try reader.question(), deadline: deadline)
            } else {
                self = .sample(
                    try reader.number(), withAccounts: try reader.flag(),
                    deadline: Double(bitPattern: try reader.number()))
            }
        } catch {
            return nil
        }
    }
}
