import ArgumentParser
import Glibc
import Ledger
import Sampling

struct CaptureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture",
        abstract: "Record what was read of this machine, for a bug report or --replay.",
        discussion: """
            The recording holds names of this host, its users, containers, images and processes, their cgroup paths and \
            their amounts of memory; no command lines, no environment, and of the containers' labels only Compose's two.
            """)

    @OptionGroup var host: HostOptions

    @Argument(help: "Where to; - is standard output.")
    var file: String

    mutating func run() throws {
        let observation = try host.makeSource().observe()
        do {
            let bytes = try Recording(observation, program: "plimsoll \(Plimsoll.version)").json()
            if file == "-" { Output.write(bytes) } else { try write(bytes) }
        } catch let error as RecordingError {
            throw Failure.impossible(error)
        }
        Output.troubles(of: Snapshot(observation))
        Outcome.done.exit()
    }

    /// A file is written whole or not at all: beside its place first, so that a full disk leaves no half of it and harms no
    /// earlier one. A device or a pipe is written to as it is.
    private func write(_ bytes: [UInt8]) throws {
        // A link stays what it is, and what it leads to is written.
        var file = file
        if let resolved = realpath(self.file, nil) {
            file = String(cString: resolved)
            free(resolved)
        }
        var status = stat()
        let isSpecial = stat(self.file, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
        let path = isSpecial ? self.file : "\(file).partial-\(getpid())"
        let fd = open(path, isSpecial ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard fd >= 0 else { throw failure(errno) }
        var code = Self.write(bytes, to: fd)
        if close(fd) != 0, code == 0 { code = errno }
        if code == 0, !isSpecial, rename(path, file) != 0 { code = errno }
        guard code != 0 else { return }
        if !isSpecial { unlink(path) }
        throw failure(code)
    }

    /// 0, or the error number.
    private static func write(_ bytes: [UInt8], to fd: Int32) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            if count >= 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return errno }
        }
        return 0
    }

    private func failure(_ code: Int32) -> Failure {
        .impossible("\(file) could not be written: \(String(cString: strerror(code)))")
    }
}
