/// Paths are split by bytes, as the kernel does it. Swift counts a slash and a combining mark after it as one character,
/// so `split(separator: "/")` and `hasPrefix("/")` would miss the slash.
extension StringProtocol {
    /// The names between the slashes.
    package var pathNames: [Substring] {
        Substring(self).utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }
    }

    package var isAbsolutePath: Bool { utf8.first == UInt8(ascii: "/") }
    package var endsWithSlash: Bool { Substring(self).utf8.last == UInt8(ascii: "/") }
}
