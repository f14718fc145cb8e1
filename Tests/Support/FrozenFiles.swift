import Foundation

/// A file system that can be frozen: who writes to it then sleeps in the kernel, where no signal reaches it, as a process
/// does that waits for a driver which waits for its card (fsfreeze(8); TASK_UNINTERRUPTIBLE in sb_start_write).
package final class FrozenFiles {
    private let folder: String
    private var isFrozen = false

    /// Why there is none here; nil where there is.
    package static let absence: String? = {
        guard geteuid() == 0 else { return "only root may mount and freeze a file system" }
        guard let scratch = try? Scratch() else { return "no temporary folder" }
        defer { scratch.remove() }
        do {
            _ = try FrozenFiles(in: scratch)
            return nil
        } catch {
            return "\(error)"
        }
    }()

    package init(in scratch: Scratch) throws {
        folder = scratch.path("frozen")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let image = scratch.path("frozen.img")
        try Self.shell(
            "truncate -s 8M '\(image)' && mkfs.ext4 -q -F '\(image)' && mount -o loop '\(image)' '\(folder)'")
    }

    package var file: String { folder + "/file" }

    package func freeze() throws {
        try Self.shell("fsfreeze --freeze '\(folder)'")
        isFrozen = true
    }

    package func thaw() throws {
        try Self.shell("fsfreeze --unfreeze '\(folder)'")
        isFrozen = false
    }

    deinit {
        if isFrozen { try? thaw() }
        // Who slept in a write has the file open for a moment yet.
        try? Self.shell(
            "for i in 1 2 3 4 5 6 7 8 9; do umount '\(folder)' && exit; sleep 0.2; done; umount -l '\(folder)'")
    }

    private static func shell(_ command: String) throws {
        let result = try run(
            program: "/bin/sh", ["-c", command], environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
        guard result.code == 0 else { throw Unexpected("\(command): \(result.errors)") }
    }
}
