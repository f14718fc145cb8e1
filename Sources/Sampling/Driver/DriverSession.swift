import GPUDrivers
import HostFS
import Ledger

/// NVIDIA's driver, asked device by device, each under its own deadline. What hangs is not asked again while it hangs.
final class DriverSession {
    private let plan: SamplingPlan
    private let proc: ProcFS
    private let onSlow: () -> Void
    private var toldSlow = false
    private var driver: NVMLDriver?
    private var opening = PatientCall<Result<NVMLDriver, NVMLError>>()
    private var counting = PatientCall<Result<Int, NVMLError>>()
    private var observing: [Int: PatientCall<[ObservedDevice]>] = [:]

    init(_ plan: SamplingPlan, onSlow: @escaping () -> Void) {
        self.plan = plan
        self.onSlow = onSlow
        proc = ProcFS(root: plan.procfs)
    }

    /// - Returns: the devices, the driver's version, and what went wrong, of which each device tells its own part too.
    func observe() -> (devices: [ObservedDevice], version: String?, error: String?) {
        do throws(NVMLError) {
            guard let driver = try open() else { return ([], nil, silence) }
            guard let count = try count(driver) else { return ([], driver.driverVersion, silence) }
            let devices = (0..<count).flatMap { observe($0, of: driver) }
            let troubles = devices.compactMap(\.trouble)
            return (devices, driver.driverVersion, troubles.isEmpty ? nil : troubles.joined(separator: "; "))
        } catch {
            // A driver that was loaded anew has forgotten our session.
            driver = nil
            return ([], nil, error.description)
        }
    }

    /// Once; where it fails, again at the next sample: the kernel module may be loaded by then.
    private func open() throws(NVMLError) -> NVMLDriver? {
        if let driver { return driver }
        let path = plan.nvmlLibrary
        let module = proc.kernelDriverVersion(sysfs: plan.sysfs)
        let opened = opening.answer(within: plan.deviceTimeout, onSlow: tellSlow) {
            do throws(NVMLError) {
                return .success(try NVMLDriver(library: path, module: module))
            } catch {
                return .failure(error)
            }
        }
        driver = try opened?.get()
        return driver
    }

    private func count(_ driver: NVMLDriver) throws(NVMLError) -> Int? {
        let counted = counting.answer(within: plan.deviceTimeout, onSlow: tellSlow) {
            do throws(NVMLError) { return .success(try driver.deviceCount()) } catch { return .failure(error) }
        }
        return try counted?.get()
    }

    private func observe(_ gpu: Int, of driver: NVMLDriver) -> [ObservedDevice] {
        let proc = proc
        let devices = observing[gpu, default: PatientCall()].answer(within: plan.deviceTimeout, onSlow: tellSlow) {
            driver.observe(gpu: gpu, clock: proc.uptime)
        }
        return devices ?? [.unreadable(index: String(gpu), why: silence)]
    }

    private func tellSlow() {
        if !toldSlow { onSlow() }
        toldSlow = true
    }

    private var silence: String {
        let seconds = plan.deviceTimeout
        return "the driver gave no answer within \(seconds == seconds.rounded() ? "\(Int(seconds))" : "\(seconds)") s"
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
