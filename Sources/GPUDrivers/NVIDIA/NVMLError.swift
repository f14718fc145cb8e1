import Ledger

/// Why NVIDIA's management library did not answer.
package enum NVMLError: Error, Sendable, Equatable {
    /// What was tried, and what the loader said of each.
    case notFound([String])
    case symbolMissing(library: String, symbol: String)
    /// A call that failed with an nvmlReturn_t.
    case failed(call: String, NVMLCode)
    /// The library and the kernel module belong to different drivers; the module's version if known.
    case versionMismatch(module: String?)

    /// NVIDIA's driver is not on this machine.
    package var isAbsence: Bool { if case .notFound = self { true } else { false } }

    package var reason: Reason {
        switch self {
        case .notFound(let tried): .noLibrary(tried: tried)
        case .symbolMissing(let library, let symbol): .missingSymbol(library: library, symbol)
        case .failed(let call, let code): code.reason(call)
        case .versionMismatch(let module): .versionMismatch(module: module)
        }
    }
}

/// An nvmlReturn_t (nvml.h).
package struct NVMLCode: Equatable, Sendable {
    package var value: Int32

    static let success = NVMLCode(value: 0)
    static let notSupported = NVMLCode(value: 3)
    static let notFound = NVMLCode(value: 6)
    static let insufficientSize = NVMLCode(value: 7)
    static let functionNotFound = NVMLCode(value: 13)
    static let versionMismatch = NVMLCode(value: 18)

    /// NOT_SUPPORTED, FUNCTION_NOT_FOUND or ARGUMENT_VERSION_MISMATCH: this driver does not have the call, or not for
    /// this device. Any other failure may be temporary.
    var meansNoSuchCall: Bool { [3, 13, 25].contains(value) }

    func reason(_ call: String) -> Reason { .call(call, code: value) }
}
