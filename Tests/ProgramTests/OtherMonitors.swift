import Foundation
import TestSupport
import Testing

/// Monitors of others, from PyPI and unmodified: nvidia-ml-py, nvitop and gpustat, in the versions that .ci/run names.
enum OtherMonitors {
    private static let named = ProcessInfo.processInfo.environment["PLIMSOLL_TEST_PYTHON"]
    private static let isRequired = ProcessInfo.processInfo.environment["CI"] != nil
    /// Under CI they are not skipped: without a Python they fail.
    static let isEnabled = named != nil || isRequired
    static let whatIsMissing: Comment = """
        nvidia-ml-py, nvitop and gpustat are missing: install them with `python3 -m venv DIR && DIR/bin/pip install \
        nvidia-ml-py nvitop gpustat`, and set \
        PLIMSOLL_TEST_PYTHON=DIR/bin/python
        """

    /// Runs Python with the simulated driver as the machine's.
    static func python(_ arguments: [String], on driver: SimulatedDriver) throws -> ProgramResult {
        guard let named else { throw Unexpected("\(whatIsMissing)") }
        return try run(
            program: named, arguments,
            environment: [
                "GPUSIM_SOCKET": driver.socket, "LD_LIBRARY_PATH": driver.libraries, "PYTHONDONTWRITEBYTECODE": "1",
            ])
    }

    static func script(_ name: String) -> String {
        Build.package.appending(path: "Tests/OtherMonitors/\(name).py").path
    }

    /// What nvidia-ml-py is told.
    static func nvml(on driver: SimulatedDriver) throws -> JSONDocument {
        let result = try python([script("nvml")], on: driver)
        guard result.code == 0 else { throw Unexpected("nvml.py: \(result.code) \(result.errors)") }
        return try result.document()
    }
}
