import HostFS
import Ledger

extension DRMDriver {
    func observeAMD(_ gpu: KernelGPU, _ unread: ObservedDevice) -> [ObservedDevice] {
        var whole = unread
        whole.memory = memory(of: gpu)
        whole.sharesHostMemory = sharesHostMemory(gpu)
        whole.utilizationPercent = utilization(of: gpu)
        let lists = kfd.processes(on: Set(gpu.nodes.compactMap(\.gpuID)))
        guard gpu.nodes.count > 1 else {
            whole.compute = list(of: gpu.nodes.first, in: lists)
            return [whole]
        }
        let partitions = gpu.nodes.enumerated().map { index, node in
            var part = partition(node, index, of: whole)
            part.compute = list(of: node, in: lists)
            return part
        }
        let theirs = Set(partitions.flatMap { $0.minors ?? [] })
        whole.minors = whole.minors?.filter { !theirs.contains($0) }
        return [whole] + partitions
    }

    private func list(of node: KFDNode?, in lists: [UInt32: ListReading]?) -> ListReading {
        guard let node, let lists else { return .absent }
        guard let id = node.gpuID else {
            return .failed(.fact(.noNodeNumber))
        }
        return lists[id] ?? .read([])
    }

    private func memory(of gpu: KernelGPU) -> Reading<ObservedMemory> {
        guard let device = gpu.device else {
            // The compute driver alone is to be seen.
            let sizes = gpu.nodes.map(\.memory)
            guard !sizes.contains(nil) else { return .unknown(.fact(.noSize)) }
            // Each partition's node repeats what is in use of the whole GPU.
            return .known(Self.memory(sizes.compactMap(\.self).reduce(0, &+), used: gpu.nodes[0].used, "kfd"))
        }
        return device.reading("mem_info_vram_total").map { total in
            Self.memory(total, used: device.reading("mem_info_vram_used").value, "sysfs")
        }
    }

    private static func memory(_ total: UInt64, used: UInt64?, _ source: String) -> ObservedMemory {
        ObservedMemory(
            total: total, used: used, free: used.flatMap { $0 <= total ? total - $0 : nil }, reportsReserved: false,
            source: source, whyNoUse: used == nil ? .fact(.sumOfProcesses) : nil)
    }

    /// Whether an integrated GPU counts as one without memory of its own: if its carve-out is smaller than the host RAM
    /// that it may use. Then the kernel itself prefers host RAM (amdgpu_ttm.c, apu_prefer_gtt; since 6.10 for the compute
    /// driver). A GPU with a larger carve-out has memory of its own.
    private func sharesHostMemory(_ gpu: KernelGPU) -> Bool {
        guard let device = gpu.device, isInProcessor(gpu) else { return false }
        guard let own = device.number("mem_info_vram_total"), let hosts = device.number("mem_info_gtt_total") else {
            return true
        }
        return own < hosts
    }

    /// Whether the GPU is integrated. No file says so directly. The version of the graphics core decides, by the kernel's
    /// own list (amdgpu_discovery.c); so does the hwmon label northbridge voltage, which only these GPUs have
    /// (amdgpu_pm.c); and for MI300A, which has neither, the device id.
    private func isInProcessor(_ gpu: KernelGPU) -> Bool {
        if gpu.nodes.contains(where: \.hasCPU) { return true }
        guard let device = gpu.device else { return false }
        let core = ["major", "minor", "revision"].map { device.number("ip_discovery/die/0/GC/0/\($0)") }
        if let major = core[0], let minor = core[1], let revision = core[2] {
            if Self.coresInProcessors.contains("\(major).\(minor).\(revision)") || (major, minor) == (11, 5) {
                return true
            }
        }
        return device.deviceID == 0x74A0
            || device.names(in: "hwmon").contains { device.text("hwmon/\($0)/in1_label") == "vddnb" }
    }

    private static let coresInProcessors: Set = [
        "9.1.0", "9.2.2", "9.3.0", "10.1.3", "10.1.4", "10.3.1", "10.3.3", "10.3.6", "10.3.7", "11.0.1", "11.0.4",
    ]

    private func utilization(of gpu: KernelGPU) -> Reading<Int> {
        guard let device = gpu.device else { return .unknown(.fact(.noComputeUtilization)) }
        if device.sleeps { return .unknown(.fact(.asleep)) }
        // Since 6.13, the kernel returns EPERM to every user while the GPU is asleep; older kernels would wake it
        // (amdgpu_pm.c).
        switch device.reading("gpu_busy_percent") {
        case .unknown(let why): return .unknown(why)
        case .known(let percent) where percent <= 100: return .known(Int(percent))
        case .known(let percent): return .unknown(.percent(Int(clamping: percent)))
        }
    }

    /// - Parameter index: the node's index among the GPU's nodes, which is the number after the colon.
    private func partition(_ node: KFDNode, _ index: Int, of whole: ObservedDevice) -> ObservedDevice {
        var part = whole
        part.isPartitioned = nil
        part.index = "\(whole.index):\(index)"
        part.uuid = whole.uuid.map { "\($0):\(index)" }
        part.parentIndex = whole.index
        part.minors = node.renderMinor.map { [$0] } ?? []
        part.memory =
            node.memory.map { .known(Self.memory($0, used: nil, "kfd")) }
            ?? .unknown(.fact(.noSize))
        part.utilizationPercent = .unknown(.fact(.ofWholeGPU))
        return part
    }
}
