import GPUDrivers
import HostFS
import Ledger

/// NVIDIA's driver, asked device by device, each under its own deadline. What hangs is not asked again while it hangs.
final class DriverSession {
    private let plan: SamplingPlan
    private let proc: ProcFS
    private let onSlow: () -> Void
    private var toldSlow = false
    private var opening: Answer<Result<NVMLDriver, NVMLError>>?
    private var counting: Answer<Result<Int, NVMLError>>?
    private var hanging: [Int: Answer<[ObservedDevice]>] = [:]

    init(_ plan: SamplingPlan, onSlow: @escaping () -> Void) {
        self.plan = plan
        self.onSlow = onSlow
        proc = ProcFS(root: plan.procfs)
    }

    /// - Returns: the devices, the driver's version, and what went wrong, of which each device tells its own part too.
    func observe() -> (devices: [ObservedDevice], version: String?, error: String?) {
        let path = plan.nvmlLibrary
        let module = proc.kernelDriverVersion(sysfs: plan.sysfs)
        let opening =
            opening
            ?? Answer {
                do throws(NVMLError) {
                    return .success(try NVMLDriver(library: path, module: module))
                } catch {
                    return .failure(error)
                }
            }
        self.opening = opening
        guard let opened = wait(for: opening) else { return ([], nil, silence("the driver")) }
        switch opened {
        case .failure(let error):
            // The module may be loaded by the time of the next sample.
            self.opening = nil
            return ([], nil, error.description)
        case .success(let driver):
            let (devices, error) = observe(driver)
            return (devices, driver.driverVersion, error)
        }
    }

    private func observe(_ driver: NVMLDriver) -> ([ObservedDevice], String?) {
        let counting =
            counting
            ?? Answer {
                do throws(NVMLError) { return .success(try driver.deviceCount()) } catch { return .failure(error) }
            }
        self.counting = counting
        let counted = wait(for: counting)
        if counted != nil { self.counting = nil }
        let count: Int
        switch counted {
        case .success(let number): count = number
        case .failure(let error): return ([], error.description)
        case nil: return ([], silence("the driver"))
        }
        var devices: [ObservedDevice] = []
        var errors: [String] = []
        for gpu in 0..<count {
            let observed = observe(gpu, of: driver)
            devices += observed
            errors += observed.compactMap(\.trouble)
        }
        return (devices, errors.isEmpty ? nil : errors.joined(separator: "; "))
    }

    private func observe(_ gpu: Int, of driver: NVMLDriver) -> [ObservedDevice] {
        let proc = proc
        let answer = hanging[gpu] ?? Answer { driver.observe(gpu: gpu, clock: proc.uptime) }
        // What hung when it was asked last has had its time.
        if let devices = wait(for: answer, seconds: hanging[gpu] == nil ? plan.deviceTimeout : 0) {
            // An answer that came after its time is of another moment than the rest.
            if hanging.removeValue(forKey: gpu) == nil { return devices }
            return observe(gpu, of: driver)
        }
        hanging[gpu] = answer
        return [.unreadable(index: String(gpu), why: silence("the driver"))]
    }

    private func wait<Value>(for answer: Answer<Value>, seconds: Double? = nil) -> Value? {
        let seconds = seconds ?? plan.deviceTimeout
        if let value = answer.wait(seconds: min(1, seconds)) { return value }
        guard seconds > 1 else { return nil }
        if !toldSlow {
            toldSlow = true
            onSlow()
        }
        return answer.wait(seconds: seconds - 1)
    }

    private func silence(_ who: String) -> String {
        let seconds = plan.deviceTimeout
        return "\(who) gave no answer within \(seconds == seconds.rounded() ? "\(Int(seconds))" : "\(seconds)") s"
    }
}

extension ObservedDevice {
    /// What kept this device from telling its memory or its processes.
    fileprivate var trouble: String? {
        if case .failed(let why) = compute { return "GPU \(index): \(why)" }
        if let reason = memory.reason { return "GPU \(index): \(reason)" }
        for list in [graphics, mps] { if case .failed(let why) = list { return "GPU \(index): \(why)" } }
        return nil
    }
}
