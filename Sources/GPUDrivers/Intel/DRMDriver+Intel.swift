import HostFS
import Ledger

extension DRMDriver {
    func observeIntel(_ gpu: KernelGPU, into device: inout ObservedDevice) {
        device.memory = .unknown("it was not asked")
    }
}
