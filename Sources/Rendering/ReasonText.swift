import Glibc
import Ledger

extension Reason {
    /// Why something is not known, as a clause. That of a missing library has several lines: problem, what to type, details.
    package var text: String {
        switch self {
        case .fact(let fact): fact.text
        case .call(let name, let code): "\(name.cleaned): \(nvmlReturn(code))"
        case .cuda(let call, let name, _): "\(call.cleaned): \(name.cleaned)"
        case .file(let path, Self.notRegular): "\(path.cleaned): not a regular file"
        case .file(let path, let code): "\(path.cleaned): \(String(cString: strerror(code)))"
        case .at(let path, let fact): fact.text(at: path.cleaned)
        case .noAnswer(let seconds): "the driver did not answer within \(seconds.plain) s"
        case .listTooLong(let count):
            "the driver lists \(count) processes; Plimsoll reads at most \(CountLimit.listedProcesses)"
        case .percent(let percent): "the driver reported \(percent) percent"
        case .unreportedByKernel(let driver):
            "the kernel driver \(driver.cleaned) does not report this process's memory"
        case .noLibrary(let tried):
            """
            no NVIDIA driver library found
              On a host with an NVIDIA GPU, install the driver; `nvidia-smi` shows whether it works.
              In a container, start the container with --gpus all.
              If the library is in another folder, name it with --nvml-library PATH.
              Searched: \(searched(tried))
            """
        case .ofLibrary(let library, let why): "\(library.cleaned): \(why)"
        case .missingSymbol(let library, let symbol):
            "\(library.cleaned) has no \(symbol.cleaned): it is not NVIDIA's management library, or its driver is older than R440"
        case .versionMismatch(let module):
            """
            the driver library and the kernel module have different versions\
            \(module.map { " (loaded module: \($0.cleaned))" } ?? ""): the driver was updated while it was in use. Reboot, or \
            unload and reload the nvidia modules. Running containers keep the old library; re-create them.
            """
        case .ofGPU(let index, let reason): "GPU \(index.cleaned): \(reason.text)"
        case .ofClients(let reason): "open files of processes: \(reason.text)"
        case .askedAgain(let reason, let seconds): "\(reason.text); next try in \(seconds.plain) s"
        case .recordsLeftOut(1):
            "the driver lists a process with an impossible PID; Plimsoll skips it, and its memory is (unattributed)"
        case .recordsLeftOut(let count):
            "the driver lists \(count) processes with impossible PIDs; Plimsoll skips them, and their memory is (unattributed)"
        case .unreadProcesses(let count):
            "\(count == 1 ? "1 process" : "\(count) processes") could not be read; run as root or with CAP_SYS_PTRACE"
        case .unreadCgroups(let count):
            "\(count) cgroups could not be read; GPU memory charged to containers in them is unknown"
        case .cgroupsAfter(let count):
            """
            read \(count) cgroups and stopped: there are too many, or they are nested too deeply; GPU memory charged to \
            the others is unknown
            """
        case .several(let reasons): reasons.map(\.text).joined(separator: "; ")
        case .other(let text): text
        }
    }

    /// The problem alone, on one line.
    var brief: String {
        switch first {
        case .noLibrary: "no NVIDIA driver library found"
        case .other(let text): text.split(separator: "\n").first.map { String($0) } ?? text
        default: text
        }
    }
}

extension Reason.Fact {
    fileprivate var text: String {
        switch self {
        case .notAsked: "not asked"
        case .notReported: "this driver does not report it"
        case .noOwnMemory: "the GPU has no memory of its own"
        case .noTotal: "the driver reports no memory of the device's own"
        case .noRenderNode: "the GPU has no render node to query it through"
        case .notInSysfs: "the kernel driver does not report it in /sys"
        case .noDeviceFile: "its device file is not here"
        case .noComputeList: "the compute list is NOT_SUPPORTED"
        case .noProcessLists: "this driver's library has no process lists"
        case .listLongerThanSaid: "the driver's process list is longer than the driver announced"
        case .unknownRecordLength: "the driver's process list has records of an unknown length"
        case .impossiblePIDs: "the driver lists a PID that no process can have"
        case .listsNobody: "this driver's process lists are always empty"
        case .listFull: "the driver lists at most \(ListReading.capacity) processes; there may be more"
        case .noSize: "the compute driver does not report its size"
        case .noNodeNumber: "the compute driver does not report its node number"
        case .noComputeUtilization: "the compute driver does not report it"
        case .asleep: "the GPU is asleep; Plimsoll does not wake it"
        case .ofWholeGPU: "the kernel reports it for the whole GPU only"
        case .sumOfProcesses: "the kernel does not report used memory; shown is the sum of its processes"
        case .needsPerfmon:
            "the kernel reports used memory only with CAP_PERFMON; shown is the sum of its processes"
        case .filesSilent: "reading its files took too long"
        case .notUnderstood: "could not be parsed"
        case .answerNotUnderstood: "its answer could not be parsed"
        case .otherDevice: "another driver's device"
        case .notFound: "not found"
        case .outsideView: "its cgroup is outside this cgroup namespace"
        case .cgroupNotRead: "its cgroup was not read"
        case .ownIDUnknown: "no file in this container names its id"
        case .ownIDShared: "the id in this container's files may be that of a container whose network it shares"
        case .noCgroups: "no cgroup found"
        case .sharedInstance: "shared with the other compute instances of its GPU instance"
        case .implausibleAmounts: "the driver reported amounts that no device has"
        case .contradictoryAmounts: "the driver's figures contradict each other"
        case .hostMemoryUnreadable: "the GPU uses host RAM, whose size could not be read"
        case .unreportedOnWSL:
            "on WSL2, Windows manages the GPU's memory (WDDM); the driver does not report a process's memory"
        case .unreportedOnMIG:
            "on a partitioned GPU (MIG), the driver reports a process's memory only to root or with the monitor capability"
        case .unreportedProcess: "the driver does not report this process's memory"
        }
    }

    fileprivate func text(at path: String) -> String {
        switch self {
        case .notFound: "not found: \(path)"
        case .otherDevice: "\(path) is another driver's device"
        case .noCgroups: "no cgroup found under \(path)"
        default: "\(path): \(text)"
        }
    }
}

/// The files that the loader tried, with its error once: "libnvidia-ml.so.1, /usr/lib/… (cannot open shared object file: …)".
private func searched(_ errors: [String]) -> String {
    var files: [(error: String, names: [String])] = []
    for text in errors {
        // dlerror(3): "FILE: what went wrong".
        let parts = text.capped(at: 1024).cleaned.split(separator: ": ", maxSplits: 1).map { String($0) }
        let error = parts.count > 1 ? parts[1] : ""
        if let index = files.firstIndex(where: { $0.error == error }) {
            files[index].names.append(parts[0])
        } else {
            files.append((error, [parts[0]]))
        }
    }
    return files.map { $0.names.joined(separator: ", ") + ($0.error.isEmpty ? "" : " (\($0.error))") }.joined(
        separator: "; ")
}

/// An nvmlReturn_t, named as NVIDIA's documentation names it (nvml.h).
func nvmlReturn(_ code: Int32) -> String {
    let (name, meaning) = nvmlReturns[code] ?? ("error \(code)", nil)
    return meaning.map { "\(name) (\($0))" } ?? name
}

private let nvmlReturns: [Int32: (String, String?)] = [
    1: ("UNINITIALIZED", nil), 2: ("INVALID_ARGUMENT", nil), 3: ("NOT_SUPPORTED", "this device does not support it"),
    4: ("NO_PERMISSION", "permission denied; run as root"), 6: ("NOT_FOUND", nil), 7: ("INSUFFICIENT_SIZE", nil),
    9: ("DRIVER_NOT_LOADED", "the nvidia kernel module is not loaded: try `sudo modprobe nvidia`"),
    10: ("TIMEOUT", nil), 12: ("LIBRARY_NOT_FOUND", nil), 13: ("FUNCTION_NOT_FOUND", nil),
    15: ("GPU_IS_LOST", "it has fallen off the bus or is otherwise inaccessible: see `dmesg | grep Xid`"),
    16: ("RESET_REQUIRED", "the GPU needs a reset before it can be used again"),
    17: ("OPERATING_SYSTEM", "the device is blocked by the operating system or a cgroup"),
    18: ("LIB_RM_VERSION_MISMATCH", "library and kernel module have different versions"), 19: ("IN_USE", nil),
    20: ("MEMORY", nil), 21: ("NO_DATA", nil), 23: ("INSUFFICIENT_RESOURCES", nil),
    25: ("ARGUMENT_VERSION_MISMATCH", nil), 27: ("NOT_READY", nil), 28: ("GPU_NOT_FOUND", nil),
    29: ("INVALID_STATE", nil), 999: ("UNKNOWN", "the driver gives no reason"),
]
