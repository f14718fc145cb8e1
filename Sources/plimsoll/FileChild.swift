import Glibc
import HostFS
import Sampling

/// A child process that does one thing with a file that the user named. The file system may hang in open, stat or read,
/// where neither a thread nor a process can be killed. Then the program continues without the child.
///
/// After its arguments, the child gets the bytes to write. It answers with a byte when it begins, then with a kind, a
/// length of eight bytes, and that many bytes.
///
/// SIGTERM ends the child. If it has a draft, it removes the draft first: see `Ending`.
enum FileChild {
    static let name = "plimsoll-file"

    enum Task: String { case check, write, read }

    enum Kind: UInt8 {
        /// Done. Of `read`: the bytes.
        case done
        /// The path leads to this descriptor of the parent.
        case descriptor
        /// Why not; of `read` the error number.
        case failed
    }

    static func words(
        _ task: Task, _ path: String, _ content: OutputFile.Content, seconds: Double, size: Int
    ) -> [String] {
        [name, task.rawValue, path, content.rawValue, "\(seconds)", "\(size)", "\(getpid())"]
    }

    /// Serves if this program was started as the child, and does not return then.
    static func serveIfAsked() {
        let words = ProgramArguments.all
        guard words.count == 7, words[0] == name, let task = Task(rawValue: words[1]),
            let content = OutputFile.Content(rawValue: words[3]), let seconds = Double(words[4]),
            let size = Int(words[5]), let parent = pid_t(words[6])
        else { return }
        HelperProcess.settle(as: name)
        signal(SIGTERM, SIG_DFL)
        // Files of a parent that has ended are not written, and not in part.
        guard let bytes = HelperProcess.received(size), Output.put([0], to: HelperProcess.channel) == 0 else {
            _exit(1)
        }
        let (kind, payload) = serve(task, words[2], content, bytes, seconds, parent)
        var answer = [kind.rawValue]
        withUnsafeBytes(of: UInt64(payload.count).littleEndian) { answer += $0 }
        _ = Output.put(answer, to: HelperProcess.channel)
        _ = Output.put(payload, to: HelperProcess.channel)
        _exit(0)
    }

    private static func serve(
        _ task: Task, _ path: String, _ content: OutputFile.Content, _ bytes: [UInt8], _ seconds: Double,
        _ parent: pid_t
    ) -> (Kind, [UInt8]) {
        do {
            let descriptor: Int32?
            switch task {
            case .check: descriptor = try FileAccess(path, content, of: parent).check()
            case .write: descriptor = try FileAccess(path, content, of: parent).write(bytes, within: seconds)
            case .read:
                descriptor = OutputTarget.descriptor(of: path, in: parent)
                if descriptor == nil {
                    let limit = Recording.limit
                    return (.done, try FileReading.bytesOfUsersFile(path, limit: limit, within: seconds))
                }
            }
            guard let descriptor else { return (.done, []) }
            return (.descriptor, Array("\(descriptor)".utf8))
        } catch let error as FileError {
            return (.failed, Array("\(error.code)".utf8))
        } catch {
            return (.failed, Array("\(error)".utf8))
        }
    }
}

/// Holds SIGTERM back while a file is half written, so that none is left.
enum Ending {
    private static var signals: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        return set
    }

    /// For the rest of the child's life: it ends when the file is done.
    static func hold() {
        var held = signals
        pthread_sigmask(SIG_BLOCK, &held, nil)
    }

    /// The parent ends, or does not wait any longer.
    static var isAsked: Bool {
        var pending = sigset_t()
        sigpending(&pending)
        return sigismember(&pending, SIGTERM) == 1
    }
}
