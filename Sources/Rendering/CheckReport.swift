import Ledger

/// What `plimsoll check` tells of the place where it runs: which GPUs can be used here, and what brought them.
package struct CheckReport {
    let snapshot: Snapshot
    let environment: RuntimeEnvironment
    let view: ProcessView
    let usability: Usability
    package let verdict: CheckVerdict
    /// The memory that each required GPU must have, as it was typed.
    private let amount: String?

    /// - Parameters:
    ///   - required: how many GPUs there must be at least.
    ///   - amount: the memory in all that each of these must have, and as it was typed.
    package init(
        _ snapshot: Snapshot, _ environment: RuntimeEnvironment, _ view: ProcessView, requiring required: Int,
        of amount: (bytes: Bytes, words: String)?
    ) {
        self.snapshot = snapshot
        self.environment = environment
        self.view = view
        self.amount = amount?.words
        usability = Usability(snapshot, environment)
        verdict = usability.verdict(requiring: required, of: amount?.bytes)
    }

    /// Why not, as a sentence; nil if a GPU can be used, and all that is required is here.
    package var reason: String? {
        switch verdict {
        case .usable: nil
        case .unusable(let why): text(why)
        case .unknown(.noManagement(let why, let lacking)):
            ("CUDA's library is here, and which GPUs it has cannot be told: \(why.text)" + text(lacking)).cleaned
        case .unknown(.cudaSilent(let seconds)):
            "CUDA did not initialize within \(seconds.plain) s (cuInit); wait longer with --timeout"
        }
    }

    private func text(_ lacking: CheckVerdict.LackingCapability?) -> String {
        guard let lacking else { return "" }
        return "; NVIDIA_DRIVER_CAPABILITIES is '\(lacking.value)', and it takes '\(lacking.needed)'"
    }

    private func text(_ why: CheckVerdict.NoGPU) -> String {
        switch why {
        case .tooFew(let required, let found):
            let wanted = required == 1 ? "a GPU" : "\(required) GPUs"
            let memory = amount.map { " of \($0) or more" } ?? ""
            let there = found == 0 ? "there is none" : found == 1 ? "there is one" : "there are \(found)"
            return "\(wanted)\(memory) must be here, and \(there)"
        case .noDevice(let reason, let hasFile):
            return (reason?.text ?? "the driver has no device")
                + (hasFile ? "" : "; no device file of a GPU is here")
        case .onlyPartitioned: return CandidateRows.nowhere(nil, in: snapshot)
        case .fileWithoutDriver(let file, let library):
            return "\(file) is here and the driver's \(library) is not: the device was given without the driver "
                + "(--device); with the NVIDIA Container Toolkit, --gpus all gives both"
        case .noDriver(let inContainer):
            return inContainer
                ? "this container was given no GPU: start it with --gpus all, or with nvidia.com/gpu=all as a CDI device"
                : "there is no NVIDIA driver here"
        case .refused(let reason):
            return "\(reason.text): the user must be in the group of that file (often render; docker run --group-add)"
        case .notGiven(let reason, let compute, let inContainer):
            let hip = compute.map { "; for HIP \($0.text)" } ?? ""
            return inContainer
                ? "this machine has a GPU, and this container was not given it (docker run --device …): \(reason.text)\(hip)"
                : "this machine has a GPU, and its device file is not here: \(reason.text)"
        case .noFileOpensIt: return "this machine has a GPU, and no device file that opens it"
        case .noNVIDIAFile(let inContainer):
            return inContainer
                ? "NVIDIA's driver is here, and no device file of a GPU is: start the container with --gpus all"
                : "NVIDIA's driver is here, and no device file of a GPU is: `sudo nvidia-modprobe -u -c 0` makes it"
        case .noCUDA(let reason, let lacking):
            return ("no program can use CUDA here: \(reason.text)" + text(lacking)).cleaned
        case .cudaFails(let reason): return "no program can use CUDA here: \(reason.text)".cleaned
        case .cudaHasNone: return "no program can use CUDA here: it initializes, and has no device"
        case .notShown(let chosen):
            return
                "CUDA_VISIBLE_DEVICES is '\(chosen.cleaned)', which names none of the GPUs here: programs are shown none"
        }
    }

    /// What HIP programs need beside the device file; nil where no GPU of AMD's is here.
    var rocm: String? {
        guard usability.visible.contains(where: { snapshot.devices[$0.device].vendor == .amd }) else { return nil }
        switch environment.computeNode {
        case .known(let path): return "HIP programs can use it: \(path) can be opened"
        case .unknown(let why): return "no HIP program can use it: \(why.text) (a container is given it with --device)"
        }
    }
}
