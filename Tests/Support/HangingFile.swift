import Foundation
import Glibc

/// A file whose reading hangs in the kernel, as one of LXCFS or NFS does when its server has stopped: FUSE's protocol over
/// /dev/fuse (linux/fuse.h), served by a thread of the tests. Whoever reads sleeps where no signal reaches it, until `end`.
package final class HangingFile: @unchecked Sendable {
    private let path: String
    private let device: Int32

    /// Why there can be none here; nil if there can.
    package static var absence: String? {
        if getuid() != 0 { return "only root can mount" }
        return access("/dev/fuse", R_OK | W_OK) == 0 ? nil : "there is no /dev/fuse"
    }

    package enum Hang: Sendable {
        /// The file can be opened, and its reading hangs.
        case reading
        /// Open, stat and the search for a name in a folder hang too.
        case everything
    }

    /// - Parameter path: a file or folder, which is covered by one that hangs.
    package init(over path: String, _ hang: Hang = .reading) throws {
        self.path = path
        var isFolder: ObjCBool = false
        if !FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        device = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        guard device >= 0 else { throw Unexpected("/dev/fuse: \(String(cString: strerror(errno)))") }
        let mode = isFolder.boolValue ? "40755" : "100444"
        let options = "fd=\(device),rootmode=\(mode),user_id=0,group_id=0,allow_other"
        let result = options.withCString { mount("plimsoll-test", path, "fuse", UInt(MS_NOSUID | MS_NODEV), $0) }
        guard result == 0 else {
            close(device)
            throw Unexpected("mounting over \(path): \(String(cString: strerror(errno)))")
        }
        let device = device
        Thread.detachNewThread { Self.serve(device, hang) }
    }

    deinit { end() }

    private var hasEnded = false

    /// Whoever sleeps wakes with an error, and the file that was there is back.
    package func end() {
        guard !hasEnded else { return }
        hasEnded = true
        // Forced, it aborts what waits (kernel, fuse_umount_begin), also if the mount stays a moment.
        umount2(path, Int32(MNT_FORCE))
        umount2(path, Int32(MNT_DETACH))
        close(device)
    }

    /// Of linux/fuse.h.
    private enum Operation: UInt32 {
        case getattr = 3, open = 14, read = 15, statfs = 17, release = 18, flush = 25, initialize = 26
    }

    private static func serve(_ device: Int32, _ hang: Hang) {
        var request = [UInt8](repeating: 0, count: 1 << 17)
        while true {
            let count = Glibc.read(device, &request, request.count)
            if count < 0 && [EINTR, EAGAIN, ENOENT].contains(errno) { continue }
            guard count >= 40 else { return }
            let (operation, unique) = request.withUnsafeBytes {
                ($0.load(fromByteOffset: 4, as: UInt32.self), $0.load(fromByteOffset: 8, as: UInt64.self))
            }
            switch Operation(rawValue: operation) {
            case .read: break
            case .initialize: answer(device, unique, initialization)
            case _ where hang == .everything: break
            case .getattr: answer(device, unique, attributes)
            case .open: answer(device, unique, [UInt8](repeating: 0, count: 16))
            case .statfs: answer(device, unique, [UInt8](repeating: 0, count: 80))
            case .release, .flush: answer(device, unique, [])
            case nil: answer(device, unique, [], error: -ENOSYS)
            }
        }
    }

    private static func answer(_ device: Int32, _ unique: UInt64, _ body: [UInt8], error: Int32 = 0) {
        var bytes: [UInt8] = []
        func append(_ number: some FixedWidthInteger) { withUnsafeBytes(of: number) { bytes += $0 } }
        append(UInt32(16 + body.count))
        append(error)
        append(unique)
        _ = Glibc.write(device, bytes + body, 16 + body.count)
    }

    /// fuse_init_out: version 7.31.
    private static var initialization: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64)
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: 7, toByteOffset: 0, as: UInt32.self)
            $0.storeBytes(of: 31, toByteOffset: 4, as: UInt32.self)
            $0.storeBytes(of: 1 << 16, toByteOffset: 20, as: UInt32.self)
        }
        return bytes
    }

    /// fuse_attr_out: a regular file of 4096 bytes that everybody may read.
    private static var attributes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 104)
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: 3600, toByteOffset: 0, as: UInt64.self)
            $0.storeBytes(of: 1, toByteOffset: 16, as: UInt64.self)
            $0.storeBytes(of: 4096, toByteOffset: 24, as: UInt64.self)
            $0.storeBytes(of: 0o100444, toByteOffset: 76, as: UInt32.self)
            $0.storeBytes(of: 1, toByteOffset: 80, as: UInt32.self)
        }
        return bytes
    }
}
