import TestSupport
import Testing

@testable import ContainerRuntimes

struct ResponseParserTests {
    /// An answer as engines, proxies and old servers send it; what comes of it.
    struct Case: Sendable, CustomTestStringConvertible {
        var what: String
        var bytes: String
        var status = 200
        var body = ""
        var fault: ResponseParser.Fault?

        var testDescription: String { what }
    }

    private static func answer(_ head: String, _ rest: String) -> String { "HTTP/1.1 200 OK\r\n\(head)\r\n\r\n\(rest)" }

    private static func chunked(_ rest: String) -> String { answer("Transfer-Encoding: chunked", rest) }

    static let answers = [
        Case(what: "read to the end", bytes: "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n[1]", body: "[1]"),
        Case(what: "no headers and no words", bytes: "HTTP/1.1 200\r\n\r\n[1]", body: "[1]"),
        Case(what: "a length", bytes: answer("Content-Length: 3", "[1]"), body: "[1]"),
        Case(what: "a length of 0", bytes: answer("Content-Length: 0", "more"), body: ""),
        Case(
            what: "a name in any case, blanks and tabs", bytes: answer("cOnTeNt-LENGTH :\t  3 \t", "[1]"), body: "[1]"),
        Case(
            what: "what is behind a length", bytes: answer("Content-Length: 3", "[1]HTTP/1.1 500 x\r\n\r\n"),
            body: "[1]"),
        Case(what: "a length twice", bytes: answer("Content-Length: 3\r\nContent-Length: 3, 3", "[1]"), body: "[1]"),
        Case(what: "lines without CR", bytes: "HTTP/1.1 200 OK\nContent-Length: 3\n\n[1]", body: "[1]"),
        Case(what: "a folded header", bytes: answer("X: a\r\n b\r\nContent-Length: 3", "[1]"), body: "[1]"),
        Case(what: "a line that is no header", bytes: answer("rubbish\r\nContent-Length: 3", "[1]"), body: "[1]"),
        Case(what: "chunks", bytes: chunked("1\r\n[\r\n2\r\n1]\r\n0\r\n\r\n"), body: "[1]"),
        Case(
            what: "chunks in hexadecimal of both cases",
            bytes: chunked("a\r\n0123456789\r\n0B\r\n0123456789a\r\n0\r\n\r\n"),
            body: "01234567890123456789a"),
        Case(
            what: "extensions and trailers", bytes: chunked("3 ;a=\"b;c\"\r\n[1]\r\n0;last\r\nX: y\r\nZ: 1\r\n\r\n"),
            body: "[1]"),
        Case(what: "chunks without CR", bytes: chunked("3\n[1]\n0\n\n"), body: "[1]"),
        Case(
            what: "chunks and a length",
            bytes: answer("Content-Length: 9\r\ntransfer-encoding: Chunked", "3\r\n[1]\r\n0\r\n\r\n"), body: "[1]"),
        Case(what: "an end behind the last chunk's line", bytes: chunked("3\r\n[1]\r\n0\r\n"), body: "[1]"),
        Case(what: "no chunk at all", bytes: chunked("0\r\n\r\n"), body: ""),
        Case(what: "no coding", bytes: answer("Transfer-Encoding: identity\r\nContent-Length: 3", "[1]"), body: "[1]"),
        Case(
            what: "interim answers",
            bytes: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\n"
                + answer("Content-Length: 3", "[1]"), body: "[1]"),
        Case(what: "no content", bytes: "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", status: 204),
        Case(what: "not modified", bytes: "HTTP/1.1 304 Not Modified\r\n\r\n", status: 304),
        Case(what: "an error", bytes: "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}", status: 500, body: "{}"),
    ]

    static let faults = [
        Case(what: "nothing", bytes: "", fault: .nothing),
        Case(what: "another protocol", bytes: "SSH-2.0-OpenSSH_9.2\r\n", fault: .notHTTP),
        Case(what: "no end of the head", bytes: "HTTP/1.1 200 OK\r\nServer: x\r\n", fault: .notHTTP),
        Case(what: "no number", bytes: "HTTP/1.1 abc\r\n\r\n[]", fault: .notHTTP),
        Case(what: "a number that is no status", bytes: "HTTP/1.1 0200 OK\r\n\r\n[]", fault: .notHTTP),
        Case(
            what: "a head without an end", bytes: "HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 1 << 16),
            fault: .longHead),
        Case(what: "a length below 0", bytes: answer("Content-Length: -3", "[1]"), fault: .length("-3")),
        Case(what: "a length with a sign", bytes: answer("Content-Length: +3", "[1]"), fault: .length("+3")),
        Case(what: "a length of nothing", bytes: answer("Content-Length:", "[1]"), fault: .length("")),
        Case(
            what: "lengths that differ", bytes: answer("Content-Length: 3\r\nContent-Length: 4", "[1]"),
            fault: .length("3, 4")),
        Case(
            what: "a length beyond all numbers", bytes: answer("Content-Length: 99999999999999999999999", "[1]"),
            fault: .tooLong),
        Case(what: "less than its length", bytes: answer("Content-Length: 4", "[1]"), fault: .cutShort),
        Case(
            what: "a coding of its own", bytes: answer("Transfer-Encoding: gzip, chunked", "x"),
            fault: .coding("gzip, chunked")),
        Case(what: "a chunk cut short", bytes: chunked("4\r\n[1]"), fault: .cutShort),
        Case(what: "chunks without the last", bytes: chunked("3\r\n[1]\r\n"), fault: .cutShort),
        Case(what: "a chunk that is longer than it says", bytes: chunked("2\r\n[1]\r\n0\r\n\r\n"), fault: .chunk),
        Case(what: "a chunk of no size", bytes: chunked("\r\n[1]\r\n"), fault: .chunk),
        Case(what: "a chunk of a size below 0", bytes: chunked("-1\r\n[1]\r\n"), fault: .chunk),
        Case(what: "a chunk beyond all numbers", bytes: chunked("ffffffffffffffffff\r\n[1]\r\n"), fault: .tooLong),
    ]

    private func state(_ parts: ArraySlice<UInt8>...) -> ResponseParser.State {
        var parser = ResponseParser()
        for part in parts { parser.take(Array(part)) }
        parser.end()
        return parser.state
    }

    @Test(
        "An answer is understood in every form that servers give it, wherever the network cuts it", arguments: answers)
    func understood(_ answer: Case) throws {
        let bytes = Array(answer.bytes.utf8)[...]
        guard case .complete(let response) = state(bytes) else {
            Issue.record("\(state(bytes))")
            return
        }
        #expect(response.status == answer.status)
        #expect(String(decoding: response.body, as: UTF8.self) == answer.body)
        for cut in bytes.indices {
            #expect(state(bytes[..<cut], bytes[cut...]) == .complete(response), "cut at \(cut)")
        }
    }

    @Test("What is no answer is told as what is wrong with it, wherever the network cuts it", arguments: faults)
    func faulty(_ answer: Case) throws {
        let bytes = Array(answer.bytes.utf8)[...]
        let fault = ResponseParser.State.failed(try #require(answer.fault))
        #expect(state(bytes) == fault)
        for cut in bytes.indices.suffix(256) { #expect(state(bytes[..<cut], bytes[cut...]) == fault, "cut at \(cut)") }
    }

    @Test("An answer that has its end is complete before the connection ends", arguments: ["", "\r"])
    func completeBeforeTheEnd(_ carriageReturn: String) {
        for head in ["Content-Length: 3\n\n[1]", "Transfer-Encoding: chunked\n\n3\n[1]\n0\n\n"] {
            var parser = ResponseParser()
            let text = "HTTP/1.1 200 OK\n\(head)".replacing("\n", with: "\(carriageReturn)\n")
            for byte in text.utf8.dropLast() { parser.take([byte]) }
            #expect(parser.state == .needsMore)
            parser.take([text.utf8.last!])
            guard case .complete(let response) = parser.state else {
                Issue.record("\(parser.state)")
                return
            }
            #expect(response.body == Array("[1]".utf8))
        }
    }

    @Test("A name that comes several times keeps all its values")
    func headers() {
        let bytes = Array("HTTP/1.1 200 OK\r\nA:b\r\nLibpod-API-Version:  4.3.1\t\r\na: c\r\n d\r\n\r\n".utf8)
        guard case .complete(let response) = state(bytes[...]) else {
            Issue.record("not understood")
            return
        }
        #expect(response.headers == ["a": "b, c d", "libpod-api-version": "4.3.1"])
    }

    @Test("More than 64 MiB is no list of containers")
    func limit() {
        var parser = ResponseParser()
        parser.take(Array("HTTP/1.1 200 OK\r\n\r\n".utf8))
        let block = [UInt8](repeating: 32, count: 1 << 20)
        for _ in 0..<64 { parser.take(block) }
        #expect(parser.state == .failed(.tooLong))
    }
}

struct OpenConnectionTests {
    private static let list = #"[{"Id": "aa", "Names": ["/trainer"]}]"#

    private static let answers: [[String]] = [
        ["HTTP/1.1 200 OK\r\nContent-Length: \(list.utf8.count)\r\n\r\n\(list)"],
        [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(String(list.utf8.count, radix: 16))\r\n\(list)\r\n0\r\n\r\n"
        ],
    ]

    @Test("Names come from an engine that keeps the connection open, in one packet or byte by byte", arguments: answers)
    func names(_ answer: [String]) throws {
        for parts in [answer, answer[0].map { String($0) }] {
            let scratch = try Scratch()
            defer { scratch.remove() }
            let stub = try StubEngine(scratch.path("s"), .staysOpen(parts))
            let engine = try withExtendedLifetime(stub) {
                try DockerEngine(socket: stub.path).containers(within: 20)
            }
            #expect(engine.containers.map(\.name) == ["trainer"])
        }
    }

    @Test("An answer that is shorter than its length costs the engine's time, and no more")
    func liar() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let stub = try StubEngine(scratch.path("s"), .staysOpen(["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[]"]))
        #expect(throws: EngineError.timedOut(path: stub.path, seconds: 0.3)) {
            try withExtendedLifetime(stub) { try DockerEngine(socket: stub.path).containers(within: 0.3) }
        }
    }
}
