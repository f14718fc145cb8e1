import Ledger

/// The answer of `plimsoll check`: which GPUs a program can use in this environment, and how they got here.
package struct CheckReport {
    let snapshot: Snapshot
    let environment: RuntimeEnvironment
    let view: ProcessView
    let usability: Usability
    package let verdict: CheckVerdict
    /// Minimum memory of each required GPU, as it was typed.
    private let amount: String?

    /// - Parameters:
    ///   - required: minimum number of GPUs.
    ///   - amount: minimum total memory of each required GPU, in bytes and as it was typed.
    ///   - unreadableProc: why /proc could not be read; nil if it was read.
    package init(
        _ snapshot: Snapshot, _ environment: RuntimeEnvironment, _ view: ProcessView, requiring required: Int,
        of amount: (bytes: Bytes, words: String)?, unreadableProc: Reason? = nil
    ) {
        self.snapshot = snapshot
        self.environment = environment
        self.view = view
        self.amount = amount?.words
        usability = Usability(snapshot, environment, unreadableProc: unreadableProc)
        verdict = usability.verdict(requiring: required, of: amount?.bytes)
    }

    /// Why the answer is no or unknown, as a sentence; nil if the required GPUs can be used.
    package var reason: String? {
        switch verdict {
        case .usable: nil
        case .unusable(let why): text(why)
        case .unknown(.noManagement(let why, let lacking)):
            ("the CUDA library is here, but its GPUs are unknown: \(why.text)" + text(lacking)).cleaned
        case .unknown(.noProc(let why)): "cannot check this environment: \(why.text)".cleaned
        case .unknown(.cudaSilent(let seconds)):
            "CUDA did not initialize within \(seconds.plain) s (cuInit); to wait longer, use --timeout"
        }
    }

    private func text(_ lacking: CheckVerdict.LackingCapability?) -> String {
        guard let lacking else { return "" }
        return "; NVIDIA_DRIVER_CAPABILITIES is '\(lacking.value)', but '\(lacking.needed)' is needed"
    }

    private func text(_ why: CheckVerdict.WhyUnusable) -> String {
        switch why {
        case .tooFew(let required, let found):
            let wanted = required == 1 ? "a GPU" : "\(required) GPUs"
            let memory = amount.map { " of \($0) or more" } ?? ""
            return "\(wanted)\(memory) required, \(found) found"
        case .noDevice(let reason, let hasFile):
            return (reason?.text ?? "the driver reports no GPUs")
                + (hasFile ? "" : "; no GPU device file found")
        case .onlyPartitioned: return CandidateRows.nowhere(nil, in: snapshot)
        case .fileWithoutDriver(let file, let library):
            return
                "\(file) is here, but the driver library \(library) is not: the container was started with --device; "
                + "start it with --gpus all and the NVIDIA Container Toolkit, which adds both"
        case .noDriver(let inContainer):
            return inContainer
                ? "this container was given no GPU; start it with --gpus all, or with --device nvidia.com/gpu=all (CDI)"
                : "no NVIDIA driver found"
        case .deviceFileRefused(let reason):
            return "\(reason.text); add the user to the group of that file, often render (docker run --group-add)"
        case .noDeviceFile(let reason, let compute, let inContainer):
            let hip = compute.map { "; for HIP: \($0.text)" } ?? ""
            return inContainer
                ? "this host has a GPU, but this container was not given it: \(reason.text)\(hip); use docker run --device"
                : "this host has a GPU, but no device file for it: \(reason.text)"
        case .noFileOpensIt: return "this host has a GPU, but no device file that opens it"
        case .noNVIDIAFile(let inContainer):
            return inContainer
                ? "the NVIDIA driver is here, but no GPU device file; start the container with --gpus all"
                : "the NVIDIA driver is here, but no GPU device file; create it with `sudo nvidia-modprobe -u -c 0`"
        case .noCUDA(let reason, let lacking):
            return ("no program can use CUDA here: \(reason.text)" + text(lacking)).cleaned
        case .cudaFails(let reason): return "no program can use CUDA here: \(reason.text)".cleaned
        case .cudaHasNone: return "no program can use CUDA here: CUDA initializes, but has no device"
        case .hiddenByVariable(let chosen):
            return
                "CUDA_VISIBLE_DEVICES is '\(chosen.cleaned)', which names none of the GPUs here; programs see no GPU"
        }
    }

    /// Whether HIP programs can use an AMD GPU: they need the compute device file too. nil if there is no AMD GPU.
    var rocm: String? {
        guard usability.visible.contains(where: { snapshot.devices[$0.device].vendor == .amd }) else { return nil }
        switch environment.computeNode {
        case .known(let path): return "HIP programs can use the GPU: \(path) can be opened"
        case .unknown(let why):
            return "no HIP program can use the GPU: \(why.text); give a container the file with --device"
        }
    }
}
