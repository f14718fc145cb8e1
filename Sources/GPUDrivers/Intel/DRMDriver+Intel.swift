import HostFS
import Ledger

extension DRMDriver {
    /// Whether it has memory of its own is left open where the device does not answer: what its clients have tells it then.
    func observeIntel(_ gpu: KernelGPU, into device: inout ObservedDevice) {
        guard let path = gpu.device?.renderNode, let driver = device.driver else {
            device.memory = .unknown("it has no render node to be asked through")
            return
        }
        do throws(RegionError) {
            let regions = try MemoryRegions(path, driver: driver)
            device.sharesHostMemory = regions.total == 0
            device.memory =
                regions.total == 0
                ? .unknown("it has no memory of its own")
                : .known(
                    ObservedMemory(
                        total: regions.total, used: regions.used,
                        free: regions.used.flatMap { $0 <= regions.total ? regions.total - $0 : nil },
                        tellsReserved: false, source: "drm",
                        whyNoUse: regions.used == nil ? Self.untoldUse : nil))
        } catch {
            device.memory = .unknown(error.description)
        }
    }

    /// Kernel, i915_query.c and xe_query.c.
    private static let untoldUse =
        "the kernel tells what is in use of it only with CAP_PERFMON; shown is what its processes hold"
}
