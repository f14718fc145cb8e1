import CProcess

/// The arguments that main was given. Swift's CommandLine reads /proc/self/cmdline, and without a /proc drops them.
package enum ProgramArguments {
    /// The program's name first. Bytes that are not UTF-8 are U+FFFD here.
    package static let all: [String] = pointers.map { String(cString: $0) }

    private static var pointers: [UnsafeMutablePointer<CChar>] {
        guard let words = cprocess_arguments() else { return [] }
        return (0..<Int(cprocess_argument_count())).compactMap { words[$0] }
    }

    /// The last arguments as they were given, byte for byte: a command's.
    package static func last(_ count: Int) -> [UnsafeMutablePointer<CChar>] { pointers.suffix(count) }

    /// Whether this is an argument, or the end of one, that is not UTF-8: its bytes are lost in a String.
    package static func isRepaired(_ text: String) -> Bool {
        guard text.unicodeScalars.contains("\u{FFFD}") else { return false }
        return pointers.contains { word in
            String(validatingCString: word) == nil
                && String(cString: word).utf8.suffix(text.utf8.count).elementsEqual(text.utf8)
        }
    }
}
