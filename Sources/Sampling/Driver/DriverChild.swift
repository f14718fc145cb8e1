import Glibc
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
        DriverServer(question).serve()
    }

    /// What the parent says next.
    static func frame() -> ArraySlice<UInt8> {
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

    /// The early one is NVIDIA's: nobody knows yet, when it is forked, where to look for others.
    static func start(_ drivers: Drivers) -> OwnChild? {
        (drivers == .nvidia ? takeEarly() : nil) ?? OwnChild.start([name])
    }

    private static func takeEarly() -> OwnChild? {
        early.withLock { child in
            defer { child = nil }
            return child
        }
    }

    /// Nobody comes to ask. Under a first process that reaps nobody it would stay as a zombie.
    package static func endEarly() { takeEarly()?.kill(waiting: 0.1) }
}

/// Whom a child asks: each of them can hang, and none is to hold up the other.
enum Drivers: UInt8 {
    /// NVIDIA's, through its library.
    case nvidia
    /// Those of the kernel, through /sys, the devices and the descriptors of processes.
    case kernel
}

/// The first thing that the child is told: what to ask, and under which roots to look.
struct DriverQuestion {
    var drivers: Drivers
    var library: String?
    var procfs: String
    var sysfs: String

    init(_ drivers: Drivers, _ plan: SamplingPlan) {
        self.drivers = drivers
        (library, procfs, sysfs) = (plan.nvmlLibrary, plan.procfs, plan.sysfs)
    }

    var frame: [UInt8] {
        var writer = WireWriter()
        writer.number(drivers.rawValue)
        writer.optional(library) { $0.text($1) }
        writer.text(procfs)
        writer.text(sysfs)
        return writer.framed
    }

    init?(payload: ArraySlice<UInt8>) {
        var reader = WireReader(payload)
        do throws(WireError) {
            guard let drivers = Drivers(rawValue: try reader.number()) else { return nil }
            self.drivers = drivers
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
