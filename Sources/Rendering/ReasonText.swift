import Glibc
import Ledger

extension Reason {
    /// Why something is not known, as a clause for people; that of a missing library has lines below the first.
    package var text: String {
        switch self {
        case .fact(let fact): fact.text
        case .call(let name, let code): "\(name.cleaned): \(nvmlReturn(code))"
        case .cuda(let call, let name, _): "\(call.cleaned): \(name.cleaned)"
        case .file(let path, Self.notRegular): "\(path.cleaned): not a regular file"
        case .file(let path, let code): "\(path.cleaned): \(String(cString: strerror(code)))"
        case .at(let path, let fact): fact.text(at: path.cleaned)
        case .noAnswer(let seconds): "the driver gave no answer within \(seconds.plain) s"
        case .listTooLong(let count):
            "the driver lists \(count) processes, and no more than \(CountLimit.listedProcesses) are taken"
        case .percent(let percent): "the driver told \(percent) percent"
        case .untoldByKernel(let driver):
            "the kernel's driver \(driver.cleaned) does not tell what memory this process has"
        case .noLibrary(let tried):
            """
            no NVIDIA driver library on this machine; looked for
              \(tried.map { $0.capped(at: 1024).cleaned }.joined(separator: "\n  "))
            If it has an NVIDIA GPU, install the driver (`nvidia-smi` shows whether it works); in a container, start it \
            with --gpus all; a library elsewhere is named with --nvml-library.
            """
        case .ofLibrary(let library, let why): "\(library.cleaned): \(why)"
        case .missingSymbol(let library, let symbol):
            "\(library.cleaned) has no \(symbol.cleaned): it is not NVIDIA's management library, or from a driver before R450"
        case .versionMismatch(let module):
            """
            the driver's library and its kernel module are of different versions\
            \(module.map { " (the module that runs is \($0.cleaned))" } ?? ""): the driver was updated while it ran. Reboot, or \
            unload and load the nvidia modules; containers that run keep the old library and must be created anew.
            """
        case .ofGPU(let index, let reason): "GPU \(index.cleaned): \(reason.text)"
        case .ofClients(let reason): "the open files of processes: \(reason.text)"
        case .askedAgain(let reason, let seconds): "\(reason.text); it is asked again in \(seconds.plain) s"
        case .recordsLeftOut(1):
            "the driver lists a process with an impossible PID; Plimsoll leaves it out, and who holds its memory is unknown"
        case .recordsLeftOut(let count):
            "the driver lists \(count) processes with impossible PIDs; Plimsoll leaves them out, and who holds their memory is unknown"
        case .unreadProcesses(let count):
            "\(count == 1 ? "1 process" : "\(count) processes") could not be read; run as root or with CAP_SYS_PTRACE"
        case .unreadCgroups(let count):
            "\(count) cgroups could not be read; charges of containers in them are not known"
        case .cgroupsAfter(let count):
            """
            read \(count) cgroups and stopped: there are too many, or they are nested too deep; charges of the others are \
            not known
            """
        case .several(let reasons): reasons.map(\.text).joined(separator: "; ")
        case .other(let text): text
        }
    }

    /// On one line, without what was tried: that is for `check` and `ledger`.
    var brief: String {
        switch first {
        case .noLibrary: "no NVIDIA driver library on this machine"
        case .other(let text): text.split(separator: "\n").first.map { String($0) } ?? text
        default: text
        }
    }
}

extension Reason.Fact {
    fileprivate var text: String {
        switch self {
        case .notAsked: "it was not asked"
        case .notTold: "this driver does not tell it"
        case .noOwnMemory: "it has no memory of its own"
        case .noTotal: "the driver tells no memory of the device's own"
        case .noRenderNode: "it has no render node to be asked through"
        case .notInSysfs: "the kernel's driver does not tell it in /sys"
        case .noDeviceFile: "no device file of it is here"
        case .noComputeList: "the compute list is NOT_SUPPORTED"
        case .noProcessLists: "this driver's library has no process lists"
        case .listLongerThanSaid: "the driver's process list is longer than it said"
        case .unknownRecordLength: "the driver's process list has records of a length that is not known"
        case .impossiblePIDs: "the driver lists a PID that no process can have"
        case .listsNobody: "this driver's process lists are empty, whatever runs on the GPU"
        case .listFull: "the driver lists no more than \(ListReading.capacity) processes, and there may be more"
        case .noSize: "the compute driver does not tell its size"
        case .noNodeNumber: "the compute driver does not tell the number of its node"
        case .noComputeUtilization: "the compute driver does not tell it"
        case .asleep: "the GPU sleeps, and asking would wake it"
        case .ofWholeGPU: "the kernel tells it of the whole GPU"
        case .sumOfProcesses: "the kernel does not tell what is in use of it; shown is what its processes hold"
        case .needsPerfmon:
            "the kernel tells what is in use of it only with CAP_PERFMON; shown is what its processes hold"
        case .filesSilent: "its files gave no answer in time"
        case .notUnderstood: "not understood"
        case .answerNotUnderstood: "its answer cannot be understood"
        case .otherDevice: "another driver's device"
        case .notFound: "not found"
        case .outsideView: "its cgroup lies outside what is seen from here"
        case .cgroupNotRead: "its cgroup was not read"
        case .ownIDUntold: "nothing in this container names its id"
        case .ownIDShared: "the id in this container's files may be that of one whose network it shares"
        case .noCgroups: "no cgroup is to be seen"
        case .sharedInstance: "shared with the other compute instances of its GPU instance"
        case .implausibleAmounts: "the driver told amounts that no device has"
        case .contradictoryAmounts: "the driver's figures contradict each other"
        case .hostMemoryUnreadable: "it shares the host's memory, which could not be read"
        case .untoldOnWSL:
            "on WSL2 Windows manages the GPU's memory (WDDM), and the driver does not tell what a process has of it"
        case .untoldOnMIG:
            "the driver tells what a process has of a divided GPU (MIG) only to root or with the monitor capability"
        case .untoldProcess: "the driver does not tell this process's memory"
        }
    }

    fileprivate func text(at path: String) -> String {
        switch self {
        case .notFound: "not found: \(path)"
        case .otherDevice: "\(path) is another driver's device"
        case .noCgroups: "no cgroup is to be seen under \(path)"
        default: "\(path): \(text)"
        }
    }
}

/// An nvmlReturn_t, named as NVIDIA's documentation names it (nvml.h).
func nvmlReturn(_ code: Int32) -> String {
    let (name, meaning) = nvmlReturns[code] ?? ("error \(code)", nil)
    return meaning.map { "\(name) (\($0))" } ?? name
}

private let nvmlReturns: [Int32: (String, String?)] = [
    1: ("UNINITIALIZED", nil), 2: ("INVALID_ARGUMENT", nil), 3: ("NOT_SUPPORTED", "this device does not tell it"),
    4: ("NO_PERMISSION", "this user may not ask"), 6: ("NOT_FOUND", nil), 7: ("INSUFFICIENT_SIZE", nil),
    9: ("DRIVER_NOT_LOADED", "the nvidia kernel module is not loaded: try `sudo modprobe nvidia`"),
    10: ("TIMEOUT", nil), 12: ("LIBRARY_NOT_FOUND", nil), 13: ("FUNCTION_NOT_FOUND", nil),
    15: ("GPU_IS_LOST", "it has fallen off the bus or is otherwise inaccessible: see `dmesg | grep Xid`"),
    16: ("RESET_REQUIRED", "the GPU needs a reset before it can be used again"),
    17: ("OPERATING_SYSTEM", "the device is blocked by the operating system or a cgroup"),
    18: ("LIB_RM_VERSION_MISMATCH", "library and kernel module are of different versions"), 19: ("IN_USE", nil),
    20: ("MEMORY", nil), 21: ("NO_DATA", nil), 23: ("INSUFFICIENT_RESOURCES", nil),
    25: ("ARGUMENT_VERSION_MISMATCH", nil), 27: ("NOT_READY", nil), 28: ("GPU_NOT_FOUND", nil),
    29: ("INVALID_STATE", nil), 999: ("UNKNOWN", "the driver gives no reason"),
]
