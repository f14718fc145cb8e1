/// Places of this machine that no option moves: they are about the program itself, not about the host that it reads.
package enum SystemPath {
    /// The program that runs, also where its file has been replaced meanwhile.
    package static let ownProgram = "/proc/self/exe"
    package static let nothing = "/dev/null"

    /// File descriptors of this process.
    package static func openFiles() -> [Int32] {
        ((try? FileReading.names(in: "/proc/self/fd")) ?? []).compactMap { Int32($0) }
    }
}
