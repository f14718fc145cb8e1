import Ledger
import Rendering
import Sampling
import Synchronization

/// `--debug`: what the program did, on standard error.
enum DebugLog {
    private static let isEnabled = Atomic(false)
    private static let start = ContinuousClock.now

    static func enable() {
        _ = start
        isEnabled.store(true, ordering: .relaxed)
    }

    static func log(_ message: @autoclosure () -> String) {
        guard isEnabled.load(ordering: .relaxed) else { return }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        Output.error("debug \(duration(seconds)): \(message())")
    }

    /// Logs what was read: sources, drivers, devices, and the attribution of each process.
    static func log(_ observation: Observation) {
        guard isEnabled.load(ordering: .relaxed) else { return }
        for line in debugLines(of: observation) { log(line) }
    }
}
