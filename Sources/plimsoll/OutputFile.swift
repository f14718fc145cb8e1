import Glibc
import HostFS
import Sampling

/// A file that the user named. It is written completely or not at all: a full disk leaves no partial file and does not
/// damage an existing one. A device or a pipe is written directly.
///
/// Another user may have created something under the name: see `OutputTarget` for what is refused. The file system may
/// hang, so a child process does the work (`FileChild`), except for descriptors that are already open.
struct OutputFile {
    enum Content: String {
        /// A recording has the names of users, containers and processes: only its owner may read a new file.
        case recording
        case report

        var mode: mode_t { self == .recording ? 0o600 : 0o666 }
    }

    let path: String
    let content: Content

    init(_ path: String, _ content: Content) {
        self.path = path
        self.content = content
    }

    private var descriptor: Int32? { SystemPath.ownDescriptor(named: path, of: getpid()) }

    /// Starts a check whether `write` would fail, as far as that is known in advance. The check leaves nothing behind.
    func startCheck() throws -> Check {
        try checkName()
        if let descriptor {
            try check(descriptor)
            return Check(file: self, request: nil)
        }
        do throws(ChildStartError) {
            return Check(file: self, request: try FileRequest(.check, path, content))
        } catch {
            throw Failure.impossible(OutputFileError.noProcess(path: path, error))
        }
    }

    struct Check {
        fileprivate let file: OutputFile
        fileprivate let request: FileRequest?

        /// Throws if the file cannot be written. Does not wait longer for a file system that does not answer in this
        /// time.
        func finish(within seconds: Double) throws {
            switch request?.answer(within: seconds) {
            case .descriptor(let fd)?: try file.check(fd)
            case .failed(let text)?: throw Failure.impossible(text)
            case .done?, .silent?, .ended?, nil: return
            }
        }
    }

    /// - Parameter seconds: how long it may take.
    func write(_ bytes: [UInt8], within seconds: Double) throws {
        try checkName()
        if let descriptor { return try write(bytes, to: descriptor) }
        let answer: FileRequest.Answer
        do throws(ChildStartError) {
            answer = try FileRequest.writeAnswer(self, bytes, within: seconds)
        } catch {
            throw Failure.impossible(OutputFileError.noProcess(path: path, error))
        }
        switch answer {
        case .done: return
        case .descriptor(let fd): try write(bytes, to: fd)
        case .failed(let text): throw Failure.impossible(text)
        case .silent: throw Failure.impossible(OutputFileError.hangs(path: path, seconds: seconds))
        case .ended: throw Failure.impossible(OutputFileError.childEnded(path: path))
        }
    }

    private func checkName() throws {
        if ProgramArguments.isRepaired(path) { throw Failure.impossible(OutputFileError.notUTF8(path: path)) }
    }

    // MARK: Descriptors

    private func check(_ fd: Int32) throws {
        let flags = fcntl(fd, F_GETFL)
        // What this program opens itself is closed at exec; what it was started with cannot be.
        guard flags >= 0, flags & O_ACCMODE != O_RDONLY, fcntl(fd, F_GETFD) & FD_CLOEXEC == 0 else {
            throw Failure.impossible(OutputFileError.failed(path: path, code: EBADF))
        }
    }

    /// Writes to an open descriptor, like standard output: at the current position, without a deadline. A reader that
    /// closes the pipe is no error.
    private func write(_ bytes: [UInt8], to fd: Int32) throws {
        try check(fd)
        let code = Output.put(bytes, to: fd)
        guard code == 0 || code == EPIPE else {
            throw Failure.impossible(OutputFileError.failed(path: path, code: code))
        }
    }
}
