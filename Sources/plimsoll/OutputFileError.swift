import Glibc
import Ledger
import Sampling

/// Why a file is not written.
enum OutputFileError: Error, CustomStringConvertible {
    enum Kind {
        case folder, blockDevice, socket, other
    }

    case failed(path: String, code: Int32)
    /// A symbolic link on the way that another user made.
    ///
    /// - Parameter link: its name, if it is another than the path.
    case foreignLink(path: String, link: String?, owner: uid_t)
    /// A symbolic link with a second name, in a folder where others may give a link a second name.
    case sharedLink(path: String)
    /// A file or pipe of another user, in a folder where others may create one.
    case foreignFile(path: String, owner: uid_t)
    /// The file has more names than this one.
    case otherNames(path: String)
    case notWritable(path: String, Kind)
    /// It became another file between two looks at it.
    case replaced(path: String)
    /// A regular file, named by a descriptor of another process.
    case foreignDescriptor(path: String)
    case silentPipe(path: String, seconds: Double)
    case silentDevice(path: String, seconds: Double)
    /// Its file system does not answer.
    case hangs(path: String, seconds: Double)
    /// A file is written by a process of its own.
    case noProcess(path: String, ChildStartError)
    case childEnded(path: String)
    /// The bytes of the argument are no text.
    case notUTF8(path: String)

    var description: String {
        let (path, reason) = parts
        return "cannot write \(path): \(reason)"
    }

    private var parts: (path: String, reason: String) {
        switch self {
        case .failed(let path, let code): (path, String(cString: strerror(code)))
        case .foreignLink(let path, nil, let owner):
            (path, "it is a symbolic link of another user (uid \(owner)); choose another name")
        case .foreignLink(let path, let link?, let owner):
            (path, "\(link) is a symbolic link of another user (uid \(owner)); choose another name")
        case .sharedLink(let path): (path, "it is a symbolic link that has other names too; choose another name")
        case .foreignFile(let path, let owner):
            (path, "it belongs to another user (uid \(owner)), in a folder that is open to others; choose another name")
        case .otherNames(let path): (path, "the file has other names too (hard links); choose another name")
        case .notWritable(let path, .folder): (path, "it is a folder; add the name of a file")
        case .notWritable(let path, .blockDevice): (path, "it is a block device; choose another name")
        case .notWritable(let path, .socket): (path, "it is a socket; choose another name")
        case .notWritable(let path, .other): (path, "it is no file, pipe or terminal; choose another name")
        case .replaced(let path): (path, "another process replaced it meanwhile")
        case .foreignDescriptor(let path):
            (path, "it is a file that another process has open; give the name of the file")
        case .silentPipe(let path, let seconds): (path, "nobody reads from the pipe within \(seconds.plain) s")
        case .silentDevice(let path, let seconds): (path, "the device takes no data within \(seconds.plain) s")
        case .hangs(let path, let seconds):
            (path, "it was not written within \(seconds.plain) s; a longer --timeout allows more")
        case .noProcess(let path, let error): (path, "the process that writes it could not be started: \(error)")
        case .childEnded(let path): (path, "the process that writes it was killed")
        case .notUTF8(let path): (path, "the name is not UTF-8; choose another name")
        }
    }
}
