/// Whether a program can use a GPU in this environment.
package enum CheckVerdict: Sendable, Equatable {
    case usable
    case unusable(WhyUnusable)
    case unknown(Unknown)

    package enum Unknown: Sendable, Equatable {
        /// /proc could not be read, so nothing is known about this environment.
        case noProc(Reason)
        /// The CUDA library is here, but not the management library that lists devices.
        case noManagement(Reason, lacking: LackingCapability?)
        /// CUDA had not initialized after this time. Without persistence mode, a GPU takes seconds to wake.
        case cudaSilent(seconds: Double)
    }

    /// Why no GPU can be used, or too few.
    package enum WhyUnusable: Sendable, Equatable {
        /// Fewer GPUs than `--require` asks for.
        case tooFew(required: Int, found: Int)
        /// The driver reported no GPU, or failed; nil if it says nothing else.
        case noDevice(Reason?, hasDeviceFile: Bool)
        /// Every GPU is partitioned (MIG) and has no instance.
        case onlyPartitioned
        /// A device file exists, but the library of the driver does not.
        case fileWithoutDriver(file: String, library: String)
        /// Neither driver nor device file; `inContainer`: the container was given none.
        case noDriver(inContainer: Bool)
        /// A GPU of the kernel's drivers has a device file that cannot be opened.
        case deviceFileRefused(Reason)
        /// Its device file is missing. `compute` is why the file of the compute driver of AMD (/dev/kfd) cannot be opened.
        case noDeviceFile(Reason, compute: Reason?, inContainer: Bool)
        case noFileOpensIt
        /// The NVIDIA driver answers, but none of its device files exists here.
        case noNVIDIAFile(inContainer: Bool)
        /// CUDA's library cannot be loaded.
        case noCUDA(Reason, lacking: LackingCapability?)
        /// CUDA's library cannot be initialized.
        case cudaFails(Reason)
        /// CUDA initializes but reports no device.
        case cudaHasNone
        /// CUDA_VISIBLE_DEVICES has this value, which names none of the GPUs here.
        case hiddenByVariable(String)
    }

    /// NVIDIA_DRIVER_CAPABILITIES has this value, and lacks a word that is needed.
    package struct LackingCapability: Sendable, Equatable {
        package var value: String
        package var needed: String
    }
}

/// The devices here, and which of them programs can use.
package struct Usability: Sendable {
    private let snapshot: Snapshot
    private let environment: RuntimeEnvironment
    private let unreadableProc: Reason?

    /// - Parameter unreadableProc: why /proc could not be read; nil if it was read.
    package init(_ snapshot: Snapshot, _ environment: RuntimeEnvironment, unreadableProc: Reason? = nil) {
        self.snapshot = snapshot
        self.unreadableProc = unreadableProc
        self.environment = environment
    }

    /// - Parameters:
    ///   - required: how many GPUs there must be at least.
    ///   - bytes: the total memory that each of these must have; nil for any.
    package func verdict(requiring required: Int, of bytes: Bytes?) -> CheckVerdict {
        if let why = whyNoManagement { return .unknown(why) }
        let enough = visible.filter { candidate in
            guard let bytes else { return true }
            return snapshot.devices[candidate.memoryOwner].memory.total.map { $0 >= bytes } ?? false
        }
        if !visible.isEmpty, enough.count >= required { return .usable }
        if case .cudaFails(.noAnswer(let seconds)) = whyNoCUDA { return .unknown(.cudaSilent(seconds: seconds)) }
        // Without /proc, a GPU that was not found may be there.
        if visible.isEmpty, let unreadableProc { return .unknown(.noProc(unreadableProc)) }
        return .unusable(whyNone ?? .tooFew(required: required, found: enough.count))
    }

    /// The devices that a program can be put on: NVIDIA's that answer, and others whose device file can be opened.
    package var usable: [PlacementCandidate] {
        snapshot.candidates(on: nil).filter { candidate in
            let device = snapshot.devices[candidate.device]
            if device.driver != nil {
                return device.renderMinors.contains { environment.renderNodes[$0]?.value != nil }
            }
            return snapshot.devices[candidate.memoryOwner].memory.total != nil
        }
    }

    /// Of these the ones that programs are shown.
    package var visible: [PlacementCandidate] {
        let cuda = whyNoCUDA == nil ? visibleToCUDA : []
        return usable.filter { cuda.contains($0) || !isNVIDIAs($0) }
    }

    private func isNVIDIAs(_ candidate: PlacementCandidate) -> Bool { snapshot.devices[candidate.device].driver == nil }

    private var hasUsableNVIDIA: Bool { usable.contains(where: isNVIDIAs) }

    /// The devices that CUDA shows to programs here: those that CUDA_VISIBLE_DEVICES selects, else all. Of a partitioned
    /// GPU, a program sees one instance.
    ///
    /// The variable names devices by number or by the start of the UUID, up to the first invalid entry (CUDA C++
    /// Programming Guide, "CUDA Environment Variables"). The numbers are in CUDA's own order, in which faster devices may
    /// come first: on a host with different GPUs, the numbers here may be those of other GPUs. The number of a
    /// partitioned GPU means its first instance, and no more than one instance is shown (NVIDIA, MIG User Guide, "CUDA
    /// Device Enumeration").
    private var visibleToCUDA: [PlacementCandidate] {
        let usable = usable.filter(isNVIDIAs)
        guard let chosen = variable("CUDA_VISIBLE_DEVICES") else { return shownByCount(usable) }
        var visible: [PlacementCandidate] = []
        for word in chosen.split(separator: ",", omittingEmptySubsequences: false) {
            guard let candidate = candidate(named: word.filter { $0 != " " }, usable), !visible.contains(candidate)
            else { break }
            visible.append(candidate)
            if snapshot.devices[candidate.device].parent != nil { break }
        }
        return visible
    }

    /// CUDA may have fewer devices than the management library lists.
    private func shownByCount(_ usable: [PlacementCandidate]) -> [PlacementCandidate] {
        guard let count = environment.cuda?.value,
            !usable.contains(where: { snapshot.devices[$0.device].parent != nil })
        else {
            return usable
        }
        return Array(usable.prefix(count))
    }

    private func candidate(named name: String, _ usable: [PlacementCandidate]) -> PlacementCandidate? {
        guard let number = Int(name) else {
            return usable.first { candidate in
                name.count > 4
                    && snapshot.devices[candidate.device].uuid?.lowercased().hasPrefix(name.lowercased()) == true
            }
        }
        let gpus = snapshot.devices.indices.filter {
            snapshot.devices[$0].parent == nil && snapshot.devices[$0].driver == nil
        }
        guard gpus.indices.contains(number) else { return nil }
        let gpu = gpus[number]
        return usable.first { candidate in
            candidate.device == gpu
                || (snapshot.devices[candidate.device].parent).map { $0 == snapshot.devices[gpu].uuid } == true
        }
    }

    private func variable(_ name: String) -> String? { environment.variables.first { $0.name == name }?.value }

    private func library(_ name: String) -> DriverLibrary? { environment.libraries.first { $0.name.hasPrefix(name) } }

    private func lacking(_ capability: String) -> CheckVerdict.LackingCapability? {
        guard let chosen = variable("NVIDIA_DRIVER_CAPABILITIES"),
            !chosen.split(separator: ",").contains(where: { ["all", Substring(capability)].contains($0) })
        else { return nil }
        return .init(value: chosen, needed: capability)
    }

    // MARK: Why not

    private var whyNoManagement: CheckVerdict.Unknown? {
        guard usable.isEmpty, library("libcuda")?.file.value != nil, let why = library("libnvidia-ml")?.file.reason
        else { return nil }
        return .noManagement(why, lacking: lacking("utility"))
    }

    /// Why no program can use one.
    private var whyNone: CheckVerdict.WhyUnusable? {
        guard visible.isEmpty else { return nil }
        return usable.isEmpty ? whyNotOpened ?? whyNoDevice : whyNoCUDA ?? whyHiddenByVariable
    }

    /// In a container /sys shows the GPUs of the whole machine, and /dev those that it was given.
    private var whyNotOpened: CheckVerdict.WhyUnusable? {
        let others = snapshot.candidates(on: nil).map { snapshot.devices[$0.device] }.filter { $0.driver != nil }
        guard let first = others.first else { return nil }
        let refusals = others.flatMap(\.renderMinors).compactMap { environment.renderNodes[$0]?.reason }
        if let refusal = refusals.first(where: { !$0.isAbsence }) { return .deviceFileRefused(refusal) }
        guard let missing = refusals.first else { return .noFileOpensIt }
        return .noDeviceFile(
            missing, compute: first.vendor == .amd ? environment.computeNode.reason : nil,
            inContainer: environment.kind == .container)
    }

    private var whyNoDevice: CheckVerdict.WhyUnusable {
        if !snapshot.devices.isEmpty, snapshot.devices.allSatisfy(\.isPartitioned) { return .onlyPartitioned }
        let file = environment.deviceNodes?.first
        guard let library = environment.libraries.first, library.file.value == nil else {
            return .noDevice(snapshot.driverError, hasDeviceFile: file != nil)
        }
        if let file { return .fileWithoutDriver(file: file, library: library.name) }
        return .noDriver(inContainer: environment.kind == .container)
    }

    private var whyNoCUDA: CheckVerdict.WhyUnusable? {
        guard hasUsableNVIDIA else { return nil }
        if let reason = library("libcuda")?.file.reason { return .noCUDA(reason, lacking: lacking("compute")) }
        if let whyHiddenByVariable { return whyHiddenByVariable }
        if let files = environment.deviceNodes, !files.contains(where: RuntimeEnvironment.isNVIDIADeviceFile) {
            return .noNVIDIAFile(inContainer: environment.kind == .container)
        }
        switch environment.cuda {
        case nil: return nil
        case .known(0): return .cudaHasNone
        case .known: return nil
        case .unknown(let why): return .cudaFails(why)
        }
    }

    private var whyHiddenByVariable: CheckVerdict.WhyUnusable? {
        guard visibleToCUDA.isEmpty, let chosen = variable("CUDA_VISIBLE_DEVICES") else { return nil }
        return .hiddenByVariable(chosen)
    }
}

extension RuntimeEnvironment {
    /// The device file of a GPU that NVIDIA's driver serves: `/dev/nvidia0`; `/dev/dxg` on WSL2; on Jetson the files of nvgpu.
    static func isNVIDIADeviceFile(_ path: String) -> Bool {
        let name = path.utf8.split(separator: UInt8(ascii: "/")).last.map { Substring($0) } ?? ""
        if ["dxg", "nvgpu", "nvhost-gpu", "nvhost-ctrl-gpu"].contains(name) { return true }
        let number = name.utf8.dropFirst("nvidia".utf8.count)
        return name.utf8.starts(with: "nvidia".utf8) && !number.isEmpty && number.allSatisfy { 48...57 ~= $0 }
    }
}
