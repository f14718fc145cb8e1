import Glibc

/// The path of a command's file, found as execvp(3) finds it. Names and paths are bytes: they need not be UTF-8.
package enum CommandPath {
    package static let shell = "/bin/sh"

    /// The first executable file of that name in PATH; nil if there is none. A name with a slash is a path.
    ///
    /// - Returns: the path, with a 0 at its end.
    package static func file(of name: UnsafePointer<CChar>) -> [CChar]? {
        let name = Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
        if name.contains(slash) { return isFile(name) ? name : nil }
        let path = getenv("PATH").map { Array(UnsafeBufferPointer(start: $0, count: strlen($0))) }
        return (path ?? Array("/bin:/usr/bin".utf8.map { CChar($0) }))
            .split(separator: CChar(UInt8(ascii: ":")), omittingEmptySubsequences: false)
            .map { ($0.isEmpty ? [CChar(UInt8(ascii: "."))] : Array($0)) + [slash] + name }.first(where: isFile)
    }

    private static let slash = CChar(UInt8(ascii: "/"))

    private static func isFile(_ path: [CChar]) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}
