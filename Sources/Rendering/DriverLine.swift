import Ledger

/// The driver's version, below the ledger: "driver: NVIDIA 580.65.06, supports CUDA up to 13.0".
package func driverLines(of snapshot: Snapshot, _ view: ProcessView, on page: Page) -> [String] {
    driverText(snapshot, view).map { note("driver: \($0)", on: page) } ?? []
}

/// nil if no driver answers.
func driverText(_ snapshot: Snapshot, _ view: ProcessView) -> String? {
    let kernels = Set(snapshot.devices.compactMap(\.driver)).sorted().joined(separator: ", ")
    let version = view.kernel.map { " of Linux \($0)" } ?? ""
    guard let driver = view.nvidiaDriver else { return kernels.isEmpty ? nil : kernels + version }
    let cuda = view.cudaVersion.map { ", supports CUDA up to \($0 / 1000).\($0 % 1000 / 10)" } ?? ""
    return "NVIDIA \(driver)\(cuda)" + (kernels.isEmpty ? "" : "; \(kernels)\(version)")
}
