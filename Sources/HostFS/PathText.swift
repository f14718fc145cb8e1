/// Paths are taken apart by bytes, as the kernel does it. To Swift a slash and a combining mark behind it are one character, so
/// that `split(separator: "/")` and `hasPrefix("/")` do not see the slash.
extension StringProtocol {
    /// The names between the slashes.
    package var pathNames: [Substring] {
        Substring(self).utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }
    }

    package var isAbsolutePath: Bool { utf8.first == UInt8(ascii: "/") }
    package var endsWithSlash: Bool { Substring(self).utf8.last == UInt8(ascii: "/") }
}
