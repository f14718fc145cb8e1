import FoundationEssentials
import Glibc

/// Where the built programs are, and a folder for this run alone.
struct Workplace {
    let programs: String
    let folder: String

    init() throws {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count - 1)
        guard count > 0 else { throw Failure("/proc/self/exe cannot be read") }
        let own = String(decoding: path[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        programs = own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")

        // Short, because the path of a socket has 107 bytes.
        var template = Array(("/tmp/plimsoll-bench-" + String(repeating: "X", count: 6)).utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure("/tmp: \(String(cString: strerror(errno)))") }
        folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        // Containers' users go through it.
        chmod(folder, 0o755)
    }

    func program(_ name: String) -> String { "\(programs)/\(name)" }

    func makeFolder(_ name: String) throws -> String {
        let path = "\(folder)/\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }
}
