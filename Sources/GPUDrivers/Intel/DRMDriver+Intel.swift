import HostFS
import Ledger

extension DRMDriver {
    /// Reads the memory of an Intel GPU. The kernel reports used memory only with CAP_PERFMON (i915_query.c, xe_query.c).
    ///
    /// If the device does not answer, whether it has memory of its own is left open: its clients decide that later.
    func observeIntel(_ gpu: KernelGPU, into device: inout ObservedDevice) {
        guard let path = gpu.device?.renderNode, let driver = device.driver else {
            device.memory = .unknown(.fact(.noRenderNode))
            return
        }
        do throws(RegionError) {
            let regions = try MemoryRegions(path, driver: driver)
            device.sharesHostMemory = regions.total == 0
            device.memory =
                regions.total == 0
                ? .unknown(.fact(.noOwnMemory))
                : .known(
                    ObservedMemory(
                        total: regions.total, used: regions.used,
                        free: regions.used.flatMap { $0 <= regions.total ? regions.total - $0 : nil },
                        reportsReserved: false, source: "drm",
                        whyNoUse: regions.used == nil ? .fact(.needsPerfmon) : nil))
        } catch {
            device.memory = .unknown(error.reason)
        }
    }
}
