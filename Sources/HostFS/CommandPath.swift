import Glibc

/// Where a command's file is, as execvp(3) looks for it.
package enum CommandPath {
    package static let shell = "/bin/sh"

    /// The first file of that name in PATH that may be executed; nil where there is none. A name with a slash is a path.
    package static func file(of name: String) -> String? {
        if name.utf8.contains(UInt8(ascii: "/")) { return isFile(name) ? name : nil }
        let path = getenv("PATH").map { String(cString: $0) } ?? "/bin:/usr/bin"
        return path.split(separator: ":", omittingEmptySubsequences: false)
            .map { ($0.isEmpty ? "." : $0) + "/" + name }.first(where: isFile)
    }

    private static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}
