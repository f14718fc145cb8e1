import Ledger

/// Why NVIDIA's management library did not answer.
package enum NVMLError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was tried, and what the loader said of each.
    case notFound([String])
    case symbolMissing(library: String, symbol: String)
    /// A call that failed with an nvmlReturn_t.
    case failed(call: String, NVMLCode)
    /// The library and the kernel module come from different drivers; the module's version where it is known.
    case versionMismatch(module: String?)

    /// NVIDIA's driver is not on this machine.
    package var isAbsence: Bool { if case .notFound = self { true } else { false } }

    package var description: String {
        switch self {
        case .notFound(let tried):
            """
            no NVIDIA driver library on this machine; looked for
              \(tried.map { $0.capped(at: 1024).cleaned }.joined(separator: "\n  "))
            If it has an NVIDIA GPU, install the driver (`nvidia-smi` shows whether it works); in a container, start it \
            with --gpus all; a library elsewhere is named with --nvml-library.
            """
        case .symbolMissing(let library, let symbol):
            "\(library.cleaned) has no \(symbol): it is not NVIDIA's management library, or from a driver before R450"
        case .failed(let call, let code): "\(call): \(code)"
        case .versionMismatch(let module):
            """
            the driver's library and its kernel module are of different versions\
            \(module.map { " (the module that runs is \($0.cleaned))" } ?? ""): the driver was updated while it ran. Reboot, or \
            unload and load the nvidia modules; containers that run keep the old library and must be created anew.
            """
        }
    }
}

/// An nvmlReturn_t (nvml.h), named as its documentation names it.
package struct NVMLCode: Equatable, Sendable, CustomStringConvertible {
    package var value: Int32

    static let success = NVMLCode(value: 0)
    static let notSupported = NVMLCode(value: 3)
    static let notFound = NVMLCode(value: 6)
    static let insufficientSize = NVMLCode(value: 7)
    static let versionMismatch = NVMLCode(value: 18)

    /// NOT_SUPPORTED, FUNCTION_NOT_FOUND or ARGUMENT_VERSION_MISMATCH: this driver has the call for nobody, or not for this
    /// device; any other failure may pass.
    var meansNoSuchCall: Bool { [3, 13, 25].contains(value) }

    package var description: String {
        let (name, meaning) = Self.names[value] ?? ("error \(value)", nil)
        return meaning.map { "\(name) (\($0))" } ?? name
    }

    private static let names: [Int32: (String, String?)] = [
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
}
