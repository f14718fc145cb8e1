import CProcess

/// The arguments that main was given. Swift's CommandLine reads /proc/self/cmdline, and without a /proc drops them.
package enum ProgramArguments {
    /// The program's name first.
    package static let all: [String] = {
        guard let words = cprocess_arguments() else { return [] }
        return (0..<Int(cprocess_argument_count())).compactMap { index in words[index].map { String(cString: $0) } }
    }()
}
