/// Reads one answer in HTTP/1.0 or HTTP/1.1 (RFC 9112) from its bytes, which may come in parts of any size.
///
/// It knows the end of an answer by its length or its last chunk, so the connection may stay open.
package struct ResponseParser {
    package struct Response: Equatable {
        package var status: Int
        /// Names in lower case; the values of a name that is there several times, with commas between them.
        package var headers: [String: String]
        package var body: [UInt8]
    }

    /// Why the bytes are no answer.
    package enum Fault: Equatable {
        case nothing
        case notHTTP
        case longHead
        /// What `Content-Length` says.
        case length(String)
        /// What `Transfer-Encoding` says.
        case coding(String)
        case chunk
        /// More than any list of containers.
        case tooLong
        /// The connection ended before the answer did.
        case cutShort
    }

    package enum State: Equatable {
        case needsMore
        case complete(Response)
        case failed(Fault)
    }

    private enum Part {
        case statusLine, header
        /// What is left of the body, or of a chunk.
        case body(left: Int), chunk(left: Int)
        case bodyToEnd, chunkSize, chunkEnd, trailer
    }

    /// No list of containers is larger; what is, is not one.
    package static let limit = 64 << 20
    /// Of a status line with its headers, of the line before a chunk, and of the trailers.
    private static let headLimit = 1 << 16

    package private(set) var state = State.needsMore
    private var part = Part.statusLine
    private var response = Response(status: 0, headers: [:], body: [])
    private var lastHeader: String?
    /// What has come of a line that has not ended.
    private var line: [UInt8] = []
    private var headLength = 0
    private var length = 0

    package init() {}

    /// What is behind the end of the answer is not looked at.
    package mutating func take(_ bytes: [UInt8]) {
        guard state == .needsMore else { return }
        length += bytes.count
        guard length <= Self.limit else { return fail(.tooLong) }
        var rest = bytes[...]
        while !rest.isEmpty, case .needsMore = state { takePart(&rest) }
    }

    /// The connection has ended.
    package mutating func end() {
        guard case .needsMore = state else { return }
        switch part {
        case .bodyToEnd, .trailer: complete()
        case .statusLine where length == 0: fail(.nothing)
        case .statusLine, .header: fail(.notHTTP)
        default: fail(.cutShort)
        }
    }

    private mutating func fail(_ fault: Fault) { state = .failed(fault) }
    private mutating func complete() { state = .complete(response) }

    private mutating func takePart(_ rest: inout ArraySlice<UInt8>) {
        switch part {
        case .body(let left):
            let missing = takeBody(&rest, left)
            part = .body(left: missing)
            if missing == 0 { complete() }
        case .chunk(let left):
            let missing = takeBody(&rest, left)
            part = missing == 0 ? .chunkEnd : .chunk(left: missing)
        case .bodyToEnd: _ = takeBody(&rest, rest.count)
        default:
            guard takeLine(&rest) else { return }
            let whole = line
            line = []
            understand(whole)
        }
    }

    /// - Returns: how many bytes are missing still.
    private mutating func takeBody(_ rest: inout ArraySlice<UInt8>, _ left: Int) -> Int {
        let taken = rest.prefix(left)
        response.body += taken
        rest = rest[taken.endIndex...]
        return left - taken.count
    }

    /// Lines end with CR LF, or with LF alone.
    ///
    /// - Returns: whether the line is whole; it is without its end then.
    private mutating func takeLine(_ rest: inout ArraySlice<UInt8>) -> Bool {
        let newline = UInt8(ascii: "\n")
        let taken = rest.prefix { $0 != newline }
        let isWhole = taken.endIndex < rest.endIndex
        line += taken
        headLength += taken.count + 1
        rest = isWhole ? rest[(taken.endIndex + 1)...] : []
        guard headLength <= Self.headLimit else {
            fail(.longHead)
            return false
        }
        if isWhole, line.last == UInt8(ascii: "\r") { line.removeLast() }
        return isWhole
    }

    private mutating func understand(_ line: [UInt8]) {
        switch part {
        case .statusLine: understandStatus(line)
        case .header where line.isEmpty: endHead()
        case .header: understandHeader(line)
        case .chunkSize: understandChunkSize(line)
        case .chunkEnd where line.isEmpty: beginLines(.chunkSize)
        case .trailer: if line.isEmpty { complete() }
        default: fail(.chunk)
        }
    }

    private mutating func beginLines(_ next: Part) {
        headLength = 0
        part = next
    }

    /// `HTTP/1.1 200 OK`; the words after the number may be missing.
    private mutating func understandStatus(_ line: [UInt8]) {
        let words = line.split(whereSeparator: isBlank)
        guard words.count >= 2, words[0].starts(with: "HTTP/1.".utf8), words[1].count == 3,
            let status = decimal(words[1]), status >= 100
        else { return fail(.notHTTP) }
        response = Response(status: status, headers: [:], body: [])
        lastHeader = nil
        part = .header
    }

    private mutating func understandHeader(_ line: [UInt8]) {
        // A line that begins with a blank continues the previous one (obs-fold).
        if isBlank(line[0]), let name = lastHeader {
            response.headers[name]! += " " + text(line[...])
            return
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return }
        let name = text(line[..<colon]).lowercased()
        let value = text(line[(colon + 1)...])
        response.headers[name] = response.headers[name].map { "\($0), \(value)" } ?? value
        lastHeader = name
    }

    private mutating func endHead() {
        // An interim response; the final one follows.
        if 100..<200 ~= response.status, response.status != 101 { return beginLines(.statusLine) }
        if [101, 204, 304].contains(response.status) { return complete() }
        let coding = response.headers["transfer-encoding"]?.lowercased() ?? "identity"
        if coding == "chunked" { return beginLines(.chunkSize) }
        guard coding == "identity" else { return fail(.coding(coding)) }
        guard let reported = response.headers["content-length"] else { return part = .bodyToEnd }
        // Several that say the same are one (RFC 9110, 8.6).
        let lengths = reported.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map {
            decimal(trimmed(Array($0)[...]))
        }
        guard let first = lengths[0], lengths.allSatisfy({ $0 == first }) else { return fail(.length(reported)) }
        guard first <= Self.limit else { return fail(.tooLong) }
        part = .body(left: first)
        if first == 0 { complete() }
    }

    /// `1a2B ; name=value`: hexadecimal, and extensions that mean nothing to us.
    private mutating func understandChunkSize(_ line: [UInt8]) {
        let digits = trimmed(line.prefix { $0 != UInt8(ascii: ";") })
        guard !digits.isEmpty else { return fail(.chunk) }
        var size = 0
        for digit in digits {
            guard let value = Character(UnicodeScalar(digit)).hexDigitValue else { return fail(.chunk) }
            size = size << 4 + value
            guard size <= Self.limit else { return fail(.tooLong) }
        }
        beginLines(size == 0 ? .trailer : .chunk(left: size))
    }
}

private func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

private func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let start = bytes.drop(while: isBlank)
    return start.prefix((start.lastIndex { !isBlank($0) } ?? start.startIndex - 1) + 1 - start.startIndex)
}

private func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: trimmed(bytes), as: UTF8.self) }

/// Digits and nothing else; a number that is too large for all that is read stays the largest.
private func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
    guard !digits.isEmpty else { return nil }
    var number = 0
    for digit in digits {
        guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
        number = min(number * 10 + Int(digit - UInt8(ascii: "0")), ResponseParser.limit + 1)
    }
    return number
}
