import Glibc
import Ledger

extension MeasuredStep {
    /// What a person types to see the same.
    var command: String {
        switch self {
        case .waking: "cat power/runtime_status in the folder of the PCI device, before and after plimsoll"
        case .firstCall: "time plimsoll, as the first program after a pause"
        case .recordSize: "plimsoll ps beside nvidia-smi"
        case .memoryCalls: "plimsoll --format json, totalBytes, usedBytes, reservedBytes and freeBytes"
        case .reserved: "plimsoll --format json, reservedBytes, with and without plimsoll alloc 1GiB --hold 60s"
        case .ledger: "plimsoll --format json, beside nvidia-smi --query-gpu=memory.used --format=csv"
        case .nvidiaSMI: "nvidia-smi --query-compute-apps=pid,used_gpu_memory --format=csv, beside plimsoll ps"
        case .check: "plimsoll check, between two calls of plimsoll"
        case .context: "plimsoll alloc 1MiB, the line `context`"
        case .rounding: "plimsoll alloc 1, the line `allocated`"
        case .killedHolder: "plimsoll alloc 512MiB --hold 60s, killed with SIGKILL, beside plimsoll"
        case .ipc: "two processes that share a block over CUDA IPC, beside plimsoll"
        case .managed: "a program that touches cudaMallocManaged memory on the GPU, beside plimsoll"
        case .pidNamespace: "unshare --pid --fork --mount-proc plimsoll ps"
        case .container: "docker run --gpus all IMAGE plimsoll ps"
        case .containerHostPIDs: "docker run --gpus all --pid=host IMAGE plimsoll ps"
        case .containerDevices: "docker run --gpus device=1 IMAGE plimsoll"
        case .accounting: "nvidia-smi --accounting-mode=1; plimsoll run -- PROGRAM"
        case .mig: "plimsoll ps on a GPU that is partitioned with MIG"
        case .mps: "plimsoll ps while nvidia-cuda-mps-server runs"
        case .pytorch: "plimsoll run -- python3 examples/allocate/tensor.py"
        case .runCost: "make bench, the rows of run"
        case .amdProcesses: "amd-smi process, beside plimsoll ps"
        case .partitions: "amd-smi process, beside plimsoll ps, on an Instinct in CPX mode"
        case .intelProcesses: "xpu-smi ps, beside plimsoll ps"
        case .dmemCharge: "cat dmem.current in the folder of the cgroup, beside plimsoll ps"
        case .limits: "nvidia-smi memory-limits --get -n CGROUP -i 0"
        case .hangingDriver: "time plimsoll, while a GPU hangs"
        }
    }

    /// What the documentation and the code take for granted until a machine shows otherwise.
    var assumed: String {
        switch self {
        case .waking:
            "reading the power state wakes no GPU; asking NVML wakes an NVIDIA GPU, asking the kernel wakes no other"
        case .firstCall: "under 1 s if a program or persistence mode keeps the GPUs awake, else under 10 s"
        case .recordSize: "16 bytes without a suffix, 24 in _v2, 24 or (535.43 to 535.86) 32 in _v3"
        case .memoryCalls: "total = used + free + reserved to the byte; the first call counts the reserve as used"
        case .reserved: "the driver's own figure is total less used and free, and an allocation does not change it"
        case .ledger: "Plimsoll's amounts are the driver's to the byte, and the terms add up to what is used"
        case .nvidiaSMI: "nvidia-smi shows the same, rounded to MiB"
        case .check: "initializing CUDA takes less than 2 s and, until the program ends, 16 MiB at most"
        case .context: "93 to 555 MiB, by card"
        case .rounding: "an allocation takes whole pieces of 2 MiB"
        case .killedHolder: "the memory is free, and the process not listed, within 1 s"
        case .ipc: "a shared block uses the GPU's memory once, whichever process the driver lists it under"
        case .managed: "managed memory on the GPU is used, and not listed under any process"
        case .pidNamespace, .container:
            "since 535.113 the driver lists only processes of the namespace, by their PIDs there; before, all by the host's PIDs"
        case .containerHostPIDs: "every process is listed, with the host's PIDs"
        case .containerDevices: "the container sees the GPU that it was given, as number 0, by its UUID on the host"
        case .accounting: "the account has the context in it, and stays after the process has ended"
        case .mig: "a process is in its own instance's list alone; the GPU's list has instance ids for root"
        case .mps: "a client is listed under its own PID, with its own memory"
        case .pytorch:
            "PyTorch reserves multiples of 2 MiB; the driver lists them and a context, which is the peak that run reports"
        case .runCost:
            "an allocation under run takes less than 1.1 times as long as alone, or no longer than in the slowest loop alone"
        case .amdProcesses: "a process holds what amd-smi or rocm-smi shows for it"
        case .partitions: "a process counts on the partition that amd-smi lists it on"
        case .intelProcesses: "a process holds what xpu-smi shows for it"
        case .dmemCharge: "the charge of a cgroup rises by what the driver lists for its processes"
        case .limits: "the driver reports the limit of a cgroup, or that it has none"
        case .hangingDriver: "a driver that hangs costs its deadline and 1 s at most"
        }
    }
}

extension NotTried {
    package var text: String {
        switch self {
        case .missing(let missing): missing.text
        case .noFunction(let name): "this driver has no \(name)"
        case .nvml(let call, let code): "\(call): \(nvmlReturn(code))"
        case .cuda(let call, let code): "\(call): CUDA error \(code)"
        case .noTool(let name): "\(name) is not installed"
        case .toolFailed(let name, let code): "\(name) failed with exit code \(code)"
        case .toolNotUnderstood(let name): "the output of \(name) is in an unknown format"
        case .forbidden(let right): right.text
        case .needsSetting(let setting):
            "\(setting.rawValue) mode is off; repeat with --set \(setting.rawValue) to turn it on for this step"
        case .noAnswer(let seconds): "no answer within \(seconds.plain) s"
        case .ended(let signal?): "the process that used the GPU was ended by signal \(signal)"
        case .ended(nil): "the process that used the GPU ended"
        case .notStarted(let code): "a process could not be started: \(String(cString: strerror(code)))"
        case .notEnoughMemory(let needed, let free):
            "needs \(size(needed)) and leaves 5% of the GPU to others; \(size(free)) is free"
        case .memoryChanged: "other processes changed the GPU's memory meanwhile; repeat with --step on a quiet GPU"
        case .toolSilent(let name, let seconds): "\(name) gave no answer within \(seconds.plain) s"
        case .outOfTime: "the total time limit was reached; repeat with --step"
        }
    }
}

extension NotTried.Prerequisite {
    fileprivate var text: String {
        switch self {
        case .nvidiaDriver: "no NVIDIA GPU with a working driver"
        case .chosenGPU: "no NVIDIA GPU has the index or UUID of --device"
        case .sharedGPU: "the GPU is in an exclusive compute mode, in which a process of ours would keep others out"
        case .othersMPS: "other processes use the MPS server"
        case .cuda: "libcuda.so.1 could not be loaded"
        case .cudaDevice: "CUDA shows no GPU here"
        case .suspendedGPU: "no GPU is asleep"
        case .listedProcess: "the driver lists no process"
        case .migGPU: "no GPU is partitioned (MIG)"
        case .mpsServer: "no MPS server runs"
        case .amdGPU: "no AMD GPU"
        case .intelGPU: "no Intel GPU"
        case .partition: "no AMD GPU is partitioned"
        case .listedByTool: "the tool lists no process that Plimsoll lists too"
        case .dmem: "the kernel has no dmem controller"
        case .ownCharge: "our cgroup has no charge for this GPU"
        case .cgroup2: "no unified cgroup hierarchy (v2)"
        case .torch: "Python has no PyTorch"
        case .secondGPU: "only one GPU"
        case .hang: "every driver answered"
        case .memoryTotals: "the driver does not report the GPU's memory"
        case .perProcessMemory: "the driver does not report what our own process holds"
        }
    }
}

extension NotTried.Right {
    fileprivate var text: String {
        switch self {
        case .root: "needs root"
        case .namespaces: "unshare cannot make a PID namespace here; it needs root, or user namespaces"
        case .engine: "no Docker engine answers, or not to this user"
        }
    }
}
