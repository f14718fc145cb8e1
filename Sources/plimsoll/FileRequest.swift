import Glibc
import HostFS
import Sampling

/// What a child was asked to do with a file that the user named.
struct FileRequest {
    enum Answer {
        case done([UInt8])
        /// The path leads to this descriptor of ours.
        case descriptor(Int32)
        case failed(String)
        /// The file system hangs, or is too slow.
        case silent
        /// The child ended without an answer.
        case ended
    }

    /// How long a child may take to begin, at least: that is the time of a busy machine, and not the file system's.
    private static let start = 1.0
    /// Seconds to wait after the deadline: the child gives up a pipe at the deadline, and reports that a moment later.
    private static let grace = 0.5

    private let child: HelperProcess

    init(
        _ task: FileChild.Task, _ path: String, _ content: OutputFile.Content = .report, seconds: Double = 0,
        size: Int = 0
    ) throws(ChildStartError) {
        let words = FileChild.words(task, path, content, seconds: seconds, size: size)
        child = try HelperProcess.start(words, ending: SIGTERM)
    }

    /// Does it, and takes leave of the child.
    ///
    /// - Parameter seconds: from when the child begins.
    func answer(_ bytes: [UInt8] = [], within seconds: Double) -> Answer {
        let answer = exchange(bytes, within: seconds)
        if case .silent = answer { child.kill() }
        close(child.channel)
        // It ends at once, unless the file system holds it.
        if case .silent = answer { return answer }
        _ = child.end(within: 0.1)
        return answer
    }

    private func exchange(_ bytes: [UInt8], within seconds: Double) -> Answer {
        guard send(bytes, until: monotonicSeconds() + seconds + Self.start) else { return .ended }
        do throws(Stop) {
            _ = try receive(1, until: monotonicSeconds() + max(Self.start, seconds))
            let deadline = monotonicSeconds() + seconds
            let head = try receive(9, until: deadline)
            let length = head.dropFirst().reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard let kind = FileChild.Kind(rawValue: head[0]), length <= UInt64(Recording.limit + 1 << 16) else {
                return .ended
            }
            let payload = try receive(Int(length), until: deadline)
            let text = String(decoding: payload.prefix(1 << 16), as: UTF8.self)
            switch kind {
            case .done: return .done(payload)
            case .descriptor: return Int32(text).map { .descriptor($0) } ?? .ended
            case .failed: return .failed(text)
            }
        } catch {
            return error == .silent ? .silent : .ended
        }
    }

    // MARK: Bytes

    private enum Stop: Error { case silent, ended }

    private func wait(for event: Int32, until deadline: Double) throws(Stop) {
        var waiting = pollfd(fd: child.channel, events: Int16(event), revents: 0)
        let left = max(0, deadline - monotonicSeconds())
        guard poll(&waiting, 1, Int32((min(left, 3600) * 1000).rounded(.up))) != 0 else { throw .silent }
    }

    private func send(_ bytes: [UInt8], until deadline: Double) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(child.channel, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
            }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                guard (try? wait(for: POLLOUT, until: deadline)) != nil else { return false }
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    private func receive(_ size: Int, until deadline: Double) throws(Stop) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        var buffer = [UInt8](repeating: 0, count: min(size, 1 << 16))
        while bytes.count < size {
            try wait(for: POLLIN, until: deadline)
            let count = recv(
                child.channel, &buffer, min(buffer.count, size - bytes.count), Int32(MSG_DONTWAIT))
            if count < 0 && [EINTR, EAGAIN].contains(errno) { continue }
            guard count > 0 else { throw .ended }
            bytes += buffer[..<count]
        }
        return bytes
    }
}

extension FileRequest {
    /// The bytes of a recording that the user named, which may also be a pipe or a terminal.
    ///
    /// - Parameter seconds: how long it may take.
    static func read(_ path: String, within seconds: Double) throws(RecordingError) -> [UInt8] {
        if ProgramArguments.isRepaired(path) { throw .notUTF8(path: path) }
        // No other process has our descriptors.
        if SystemPath.ownDescriptor(named: path, of: getpid()) != nil { return try readHere(path, within: seconds) }
        let request: FileRequest
        do throws(ChildStartError) {
            request = try FileRequest(.read, path, seconds: seconds)
        } catch {
            throw .noProcess(path: path, error)
        }
        switch request.answer(within: seconds + grace) {
        case .done(let bytes): return bytes
        case .descriptor: return try readHere(path, within: seconds)
        case .failed(let text): throw unreadable(FileError(path: path, code: Int32(text) ?? EIO), seconds)
        case .silent: throw .silent(path: path, seconds: seconds)
        case .ended: throw .childEnded(path: path)
        }
    }

    private static func readHere(_ path: String, within seconds: Double) throws(RecordingError) -> [UInt8] {
        do throws(FileError) {
            return try FileReading.bytesOfUsersFile(path, limit: Recording.limit, within: seconds)
        } catch {
            throw unreadable(error, seconds)
        }
    }

    private static func unreadable(_ error: FileError, _ seconds: Double) -> RecordingError {
        error.code == ETIMEDOUT ? .silent(path: error.path, seconds: seconds) : .unreadable(error)
    }

    static func writeAnswer(
        _ file: OutputFile, _ bytes: [UInt8], within seconds: Double
    ) throws(ChildStartError) -> Answer {
        try FileRequest(.write, file.path, file.content, seconds: seconds, size: bytes.count)
            .answer(bytes, within: seconds + grace)
    }
}
