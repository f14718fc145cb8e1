import Foundation
import HostDescription

/// The simulated NVIDIA driver of a host: the daemon gpusimd, and the libraries that connect to it.
package final class SimulatedDriver {
    package let libraries: String
    package let socketFolder: String
    package let socket: String
    private let daemon: Process

    /// - Parameter host: path of a host description.
    package init(host: String, in scratch: Scratch) throws {
        libraries = scratch.path("lib")
        socketFolder = scratch.path("gpusim")
        socket = "\(socketFolder)/socket"
        let files = FileManager.default
        try files.createDirectory(atPath: libraries, withIntermediateDirectories: true)
        try files.createDirectory(atPath: socketFolder, withIntermediateDirectories: true)
        for (built, name) in [
            (try Self.library(forHost: host), "libnvidia-ml.so.1"), ("libSimulatedCUDA.so", "libcuda.so.1"),
        ] {
            try files.copyItem(atPath: Build.folder.appending(path: built).path, toPath: "\(libraries)/\(name)")
        }
        try Self.uuids(forHost: host).map { $0 + "\n" }.joined().write(
            toFile: scratch.path("gpus"), atomically: true, encoding: .utf8)
        let told = Pipe()
        daemon = try launch(
            program: Build.folder.appending(path: "gpusimd").path, [host, socket], output: told)
        let word = told.fileHandleForReading.availableData
        guard word.starts(with: "ready".utf8) else {
            throw Unexpected("gpusimd says: \(String(decoding: word, as: UTF8.self))")
        }
    }

    /// The management library of the host's driver: each generation exports what it brought.
    private static func library(forHost path: String) throws -> String {
        let host = try HostDescription.read(path)
        if host.hasLists == false { return "libSimulatedNVML-NoLists.so" }
        switch Int(host.driver.prefix { $0 != "." }) ?? 0 {
        case ..<450: return "libSimulatedNVML-R440.so"
        case ..<510: return "libSimulatedNVML-R450.so"
        case ..<535: return "libSimulatedNVML-R510.so"
        case 535 where isBeforeDetailList(host.driver): return "libSimulatedNVML-R535.so"
        case 615...: return "libSimulatedNVML-R615.so"
        default: return "libSimulatedNVML.so"
        }
    }

    /// The UUIDs of the GPUs, for the simulated NVIDIA hook.
    private static func uuids(forHost path: String) throws -> [String] {
        try HostDescription.read(path).devices.map(\.uuid)
    }

    private static func isBeforeDetailList(_ driver: String) -> Bool {
        driver.split(separator: ".").compactMap { Int($0) }.lexicographicallyPrecedes([535, 98])
    }

    deinit {
        kill(daemon.processIdentifier, SIGKILL)
        daemon.waitUntilExit()
    }

    /// A driver that sleeps: every call into it waits until it is woken.
    package func sleep() { kill(daemon.processIdentifier, SIGSTOP) }
    package func wake() { kill(daemon.processIdentifier, SIGCONT) }

    package var environment: [String: String] {
        ["GPUSIM_SOCKET": socket, "PLIMSOLL_NVML_LIBRARY": "\(libraries)/libnvidia-ml.so.1"]
    }
}

/// A program that holds simulated memory until it is let go.
package final class Holding {
    package let process: Process
    private let output = Pipe()

    package init(_ arguments: [String], driver: SimulatedDriver) throws {
        process = try launch(
            program: Build.folder.appending(path: "gpusim-hold").path, arguments,
            environment: ["LD_LIBRARY_PATH": driver.libraries, "GPUSIM_SOCKET": driver.socket], output: output)
        let word = output.fileHandleForReading.availableData
        guard word.starts(with: "holding".utf8) else {
            throw Unexpected("gpusim-hold says: \(String(decoding: word, as: UTF8.self))")
        }
    }

    package var pid: Int32 { process.processIdentifier }

    package func end() {
        process.terminate()
        process.waitUntilExit()
    }

    deinit { if process.isRunning { end() } }
}
