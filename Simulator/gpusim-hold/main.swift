import CSimulator
import Glibc

// gpusim-hold [--children N] [--grow SIZE] [--spike SIZE] [--breathe SECONDS] [--for SECONDS] DEVICE:SIZE…
//
// Allocates with the CUDA driver API and holds the memory. Tests and demo use it as the program that uses a GPU.
//   --children N       start N children that each hold the same
//   --grow SIZE        at SIGUSR1, allocate SIZE more on the first device
//   --spike SIZE       allocate SIZE more on the first device, and free it at once
//   --breathe SECONDS  every SECONDS, free the last allocation or allocate it again
//   --for SECONDS      end after SECONDS
// Prints a line when it holds the memory; ends at SIGTERM and SIGINT, also as PID 1 of a container.

var options: Options
do {
    options = try Options(Array(CommandLine.arguments.dropFirst()))
} catch {
    print("gpusim-hold: \(error)")
    exit(64)
}

if options.isChild { sim_end_with_parent() }

// Block these before any thread or child starts, so that only sigtimedwait below takes them.
var signals = sigset_t()
sigemptyset(&signals)
for signal in [SIGTERM, SIGINT, SIGUSR1, SIGCHLD] { sigaddset(&signals, signal) }
pthread_sigmask(SIG_BLOCK, &signals, nil)

do {
    let driver = try CUDADriver()
    let children = try (0..<options.children).map { _ in try startChild(options) }
    var held = try options.holds.map { try driver.allocate($0.bytes, on: $0.device) }
    if let spike = options.spike, let first = options.holds.first {
        try driver.free(try driver.allocate(spike, on: first.device))
    }
    print("holding")
    fflush(nil)
    try hold(driver, &held, options, signals)
    for child in children { kill(child, SIGTERM) }
    for child in children { waitpid(child, nil, 0) }
} catch {
    print("gpusim-hold: \(error)")
    fflush(nil)
    exit(1)
}

func hold(_ driver: CUDADriver, _ held: inout [UInt64], _ options: Options, _ signals: sigset_t) throws {
    var signals = signals
    let end = options.seconds.map { monotonicSeconds() + $0 }
    while true {
        let wait = options.breathe ?? end.map { max(0, $0 - monotonicSeconds()) } ?? 3600
        var timeout = timespec(tv_sec: Int(wait), tv_nsec: Int(wait.truncatingRemainder(dividingBy: 1) * 1e9))
        let signal = sigtimedwait(&signals, nil, &timeout)
        if signal == SIGTERM || signal == SIGINT { return }
        if let end, monotonicSeconds() >= end { return }
        if signal == SIGUSR1, let grow = options.grow, let first = options.holds.first {
            held.append(try driver.allocate(grow, on: first.device))
            print("grown")
            fflush(nil)
        }
        guard signal < 0, options.breathe != nil, let last = options.holds.last else { continue }
        if held.count == options.holds.count {
            try driver.free(held.removeLast())
        } else if let address = try? driver.allocate(last.bytes, on: last.device) {
            held.append(address)
        }
    }
}

func monotonicSeconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}

/// Starts this program without `--children`. The child ends with its parent.
func startChild(_ options: Options) throws -> pid_t {
    let arguments = ["gpusim-hold"] + options.childArguments
    var pointers = arguments.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    var pid: pid_t = 0
    var program = [CChar](repeating: 0, count: 4096)
    readlink("/proc/self/exe", &program, program.count - 1)
    let code = posix_spawn(&pid, program, nil, nil, &pointers, environ)
    guard code == 0 else { throw Failure(description: "cannot start a child: \(String(cString: strerror(code)))") }
    return pid
}
