import Foundation

/// A unix socket that answers as an engine would, or as none should.
package final class StubEngine: Sendable {
    package enum Behaviour: Sendable {
        /// 200, with this body.
        case answer(String)
        /// 200, with what this file holds when it is asked.
        case file(String)
        /// 200, with the body of the path that was asked for.
        case answers([String: String])
        /// What an engine at another socket answers to this request.
        case passesOn(socket: String, request: String)
        /// These bytes, whatever was asked.
        case bytes(String)
        /// These bytes, each in a packet of its own, and then nothing more until the client closes the connection.
        case staysOpen([String])
        /// Takes the request and says nothing.
        case hangs
        /// Sends a byte of an answer now and then.
        case drips
        /// Closes the connection at once.
        case closes
    }

    package let path: String
    private let listener: Int32

    package init(_ path: String, _ behaviour: Behaviour, headers: String = "Api-Version: 1.41") throws {
        self.path = path
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let result = Self.withAddress(path) { bind(listener, $0, $1) }
        guard result == 0, listen(listener, 64) == 0 else { throw Unexpected("\(path): \(errno)") }
        self.listener = listener
        Thread.detachNewThread {
            while true {
                let fd = accept(listener, nil, nil)
                guard fd >= 0 else {
                    // Closed here and nowhere else: another stub could get the number while this thread still asks for it.
                    close(listener)
                    return
                }
                Thread.detachNewThread { Self.serve(fd, behaviour, headers) }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private static func withAddress(_ path: String, _ use: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        return withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                use($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// All that is answered until the other side closes.
    private static func answer(of path: String, to request: String) -> String {
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(fd) }
        guard withAddress(path, { connect(fd, $0, $1) }) == 0 else { return "" }
        let bytes = Array(request.utf8)
        guard send(fd, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return "" }
        var answer: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = recv(fd, &part, part.count, 0), count > 0 { answer += part[..<count] }
        return String(decoding: answer, as: UTF8.self)
    }

    private static func serve(_ fd: Int32, _ behaviour: Behaviour, _ headers: String) {
        defer { close(fd) }
        if case .closes = behaviour { return }
        var request = [UInt8](repeating: 0, count: 4096)
        let received = recv(fd, &request, request.count, 0)
        guard received > 0 else { return }
        func send(_ text: String) {
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.send(fd, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
        func answer(_ body: String) {
            send("HTTP/1.0 200 OK\r\n\(headers)\r\nContent-Type: application/json\r\n\r\n\(body)")
        }
        switch behaviour {
        case .answer(let body): answer(body)
        case .file(let path): answer((try? String(contentsOfFile: path, encoding: .utf8)) ?? "")
        case .answers(let bodies):
            let words = String(decoding: request[..<received], as: UTF8.self).split(separator: " ")
            answer(bodies[String(words[1])] ?? "")
        case .passesOn(let socket, let request): send(Self.answer(of: socket, to: request))
        case .bytes(let bytes): send(bytes)
        case .staysOpen(let parts):
            for part in parts {
                send(part)
                usleep(1000)
            }
            while recv(fd, &request, request.count, 0) > 0 {}
        case .hangs: sleep(30)
        case .drips:
            for byte in "HTTP/1.0 200 OK\r\n\r\n[                         " {
                send(String(byte))
                usleep(300_000)
            }
        case .closes: break
        }
    }
}
