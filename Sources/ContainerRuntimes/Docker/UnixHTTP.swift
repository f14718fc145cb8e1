import Glibc

/// GET over a unix socket. HTTP/1.0 is asked, but servers and proxies answer in HTTP/1.1 as well.
struct UnixHTTP {
    let path: String
    /// Total budget for all requests, measured from init.
    let seconds: Double
    private let deadline: Double

    init(path: String, seconds: Double) {
        self.path = path
        self.seconds = seconds
        deadline = monotonicSeconds() + seconds
    }

    struct Response {
        var answer: ResponseParser.Response
        /// The uid of the process that listens at the socket; nil if the kernel does not report it.
        var owner: UInt32?
    }

    func get(_ target: String) throws(EngineError) -> Response {
        let fd = try connect()
        defer { close(fd) }
        try send(
            "GET \(target) HTTP/1.0\r\nHost: docker\r\nAccept: application/json\r\nConnection: close\r\n\r\n", to: fd)
        return Response(answer: try receive(from: fd), owner: Self.owner(of: fd))
    }

    /// The user that called listen(2), even if another process answers now (unix(7), SO_PEERCRED).
    private static func owner(of fd: Int32) -> UInt32? {
        // struct ucred, which Swift's Glibc has not: pid, uid and gid.
        var credentials: [UInt32] = [0, 0, 0]
        var size = socklen_t(MemoryLayout<UInt32>.stride * credentials.count)
        let expected = size
        guard getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0, size == expected else { return nil }
        return credentials[1] == .max ? nil : credentials[1]
    }

    private func connect() throws(EngineError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw .broken(path: path, code: ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard fd >= 0 else { throw .broken(path: path, code: errno) }
        while true {
            let result = withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if result == 0 { return fd }
            let code = errno
            // A unix socket with a full backlog says EAGAIN at once, and there is nothing to poll for.
            if (code == EAGAIN || code == EINTR) && monotonicSeconds() < deadline {
                usleep(10_000)
                continue
            }
            close(fd)
            throw connectError(code)
        }
    }

    private func connectError(_ code: Int32) -> EngineError {
        switch code {
        case ENOENT, ENOTDIR: .noSocket(path: path)
        case ECONNREFUSED: .notRunning(path: path)
        case EACCES, EPERM: .forbidden(path: path, group: groupWithAccess)
        case EAGAIN, EINTR: .timedOut(path: path, seconds: seconds)
        default: .broken(path: path, code: code)
        }
    }

    private var groupWithAccess: String? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IWGRP != 0 else { return nil }
        var record = group()
        var result: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 1 << 16)
        return buffer.withUnsafeMutableBufferPointer { bytes in
            // The name lies in the buffer, with the names of all members.
            guard getgrgid_r(status.st_gid, &record, bytes.baseAddress!, bytes.count, &result) == 0, result != nil
            else {
                return String(status.st_gid)
            }
            return String(cString: record.gr_name)
        }
    }

    private func send(_ request: String, to fd: Int32) throws(EngineError) {
        var rest = Array(request.utf8)[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { Glibc.send(fd, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent > 0 { rest = rest.dropFirst(sent) } else { try wait(fd, POLLOUT, errno) }
        }
    }

    private func receive(from fd: Int32) throws(EngineError) -> ResponseParser.Response {
        var parser = ResponseParser()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(fd, &buffer, buffer.count, 0)
            if count < 0 {
                try wait(fd, POLLIN, errno)
                continue
            }
            if count == 0 { parser.end() } else { parser.take(Array(buffer[..<count])) }
            if let response = try answer(of: parser) { return response }
            guard monotonicSeconds() < deadline else { throw .timedOut(path: path, seconds: seconds) }
        }
    }

    /// nil while it is not complete.
    private func answer(of parser: ResponseParser) throws(EngineError) -> ResponseParser.Response? {
        switch parser.state {
        case .needsMore: nil
        case .complete(let response): response
        case .failed(let fault): throw .notUnderstood(path: path, why: fault.words)
        }
    }

    /// The answer in these bytes, as if the connection had ended after them.
    func response(_ bytes: [UInt8]) throws(EngineError) -> ResponseParser.Response {
        var parser = ResponseParser()
        parser.take(bytes)
        parser.end()
        guard let response = try answer(of: parser) else { throw .notUnderstood(path: path, why: "nothing") }
        return response
    }

    private func wait(_ fd: Int32, _ event: Int32, _ code: Int32) throws(EngineError) {
        guard code == EAGAIN || code == EINTR else { throw .broken(path: path, code: code) }
        let left = deadline - monotonicSeconds()
        var waiting = pollfd(fd: fd, events: Int16(event), revents: 0)
        guard left > 0, poll(&waiting, 1, Int32(min(left * 1000 + 1, 2e9))) != 0 else {
            throw .timedOut(path: path, seconds: seconds)
        }
    }
}

extension ResponseParser.Fault {
    fileprivate var words: String {
        switch self {
        case .nothing: "nothing"
        case .notHTTP: "no HTTP"
        case .longHead: "headers of more than 64 KiB"
        case .length(let reported): "an invalid Content-Length '\(reported)'"
        case .coding(let reported): "an unknown transfer coding '\(reported)'"
        case .chunk: "a malformed chunk"
        case .tooLong: "more than \(ResponseParser.limit >> 20) MiB"
        case .cutShort: "a truncated answer"
        }
    }
}

func monotonicSeconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}
