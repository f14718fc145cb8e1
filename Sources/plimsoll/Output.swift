import CProcess
import Glibc
import HostOptions
import Ledger
import Rendering
import Sampling
import Synchronization

/// Standard output holds the answer alone. Messages for people go to standard error.
enum Output {
    static func write(_ text: String) {
        write(Array(text.utf8))
    }

    static func write(_ bytes: [UInt8]) {
        switch put(bytes, to: STDOUT_FILENO) {
        case 0: return
        // The reader closed the pipe: it has read enough.
        case EPIPE: Outcome.done.exit()
        case let code:
            error("standard output: \(String(cString: strerror(code)))")
            Outcome.impossible.exit()
        }
    }

    /// Writes all of it, however long the reader takes.
    ///
    /// - Parameter deadline: in seconds of the monotonic clock; it has an effect only if the file is open with O_NONBLOCK.
    /// - Returns: 0, or the error number; ETIMEDOUT if the deadline has passed.
    static func put(_ bytes: [UInt8], to fd: Int32, until deadline: Double? = nil) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                let left = deadline.map { $0 - monotonicSeconds() }
                if let left, left <= 0 { return ETIMEDOUT }
                var ready = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
                poll(&ready, 1, left.map { Int32(min($0, 3600) * 1000) + 1 } ?? -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }

    static func write(_ lines: [String]) {
        write(lines.map { $0 + "\n" }.joined())
    }

    static func error(_ message: String, prefixed: Bool = true) { errors([message], prefixed: prefixed) }

    /// Writes all messages at once: a write per message can take longer than finding the problems.
    static func errors(_ messages: [String], prefixed: Bool = true) {
        if messages.isEmpty { return }
        if isMidLine.load(ordering: .relaxed) { overwrite("") }
        let page = Screen.errorPage
        remark(messages.flatMap { lines(of: $0, prefixed: prefixed, on: page) })
    }

    /// The lines of a message as they are shown. Only the first line starts at the left edge, so that no name in a message can look
    /// like another message: lines after it are indented. On a terminal, long lines are folded.
    static func lines(of message: String, prefixed: Bool = true, on page: Page = Screen.errorPage) -> [String] {
        let prefix = prefixed ? "plimsoll: " : ""
        if message.isPlainASCII { return folded([prefix + message], on: page) }
        // Split by scalars: Swift counts a carriage return and a newline as one character.
        let lines = message.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
        let rest = lines.dropFirst().map { $0.isEmpty || $0.utf8.starts(with: "  ".utf8) ? $0 : "  " + $0 }
        let clean = ([prefix + lines[0]] + rest).map {
            Screen.errorsAreShown ? shown($0, on: page) : $0.cleaned
        }
        return folded(clean, on: page)
    }

    /// Lines for people, on standard error.
    static func remark(_ lines: [String]) {
        _ = put(Array(lines.map { $0 + "\n" }.joined().utf8), to: STDERR_FILENO)
    }

    /// Whether the cursor is at the end of a progress line, which the next message overwrites.
    private static let isMidLine = Atomic(false)

    /// Shows a progress line on the terminal at standard error, over the previous one; an empty message removes the line.
    static func overwrite(_ message: String) {
        let page = Screen.errorPage
        let line = cut(shown(message, on: page), to: (page.width ?? Screen.usualWidth) - 1, on: page)
        isMidLine.store(!line.isEmpty, ordering: .relaxed)
        cprocess_set_mid_line(!line.isEmpty)
        _ = put(Array("\r\u{1B}[K\(line)".utf8), to: STDERR_FILENO)
    }

    /// Reports the sources that did not answer, and why.
    static func troubles(of snapshot: Snapshot, where isReported: (SourceReport) -> Bool = { _ in true }) {
        errors(troubleMessages(of: snapshot, where: isReported))
    }

    static func troubleMessages(of snapshot: Snapshot, where isReported: (SourceReport) -> Bool = { _ in true })
        -> [String]
    {
        let messages = snapshot.sources.filter(isReported).compactMap { source in
            source.sentence.map { "\(source.name.cleaned): \($0)" }
        }
        let isEmpty = snapshot.devices.isEmpty && snapshot.outcome == .no
        return messages + (isEmpty ? ["nvml: the driver reports no GPUs"] : [])
    }
}

/// The terminal, if standard output or standard error is one.
struct Screen {
    static let isTerminal = isatty(STDOUT_FILENO) == 1
    static let errorsAreShown = isatty(STDERR_FILENO) == 1

    /// Columns of a terminal that does not report its width.
    static let usualWidth = 80

    /// - Parameter colourless: the user wants no color.
    static func page(colourless: Bool) -> Page {
        Page(
            width: width(of: STDOUT_FILENO) ?? namedWidth, unicode: isUTF8,
            colour: isTerminal && !colourless && environment("NO_COLOR") == nil)
    }

    /// The page of standard error.
    static var errorPage: Page { Page(width: width(of: STDERR_FILENO), unicode: isUTF8) }

    static var size: (columns: Int, rows: Int)? { size(of: STDOUT_FILENO) }

    /// Columns of the terminal; nil if the descriptor is not a terminal.
    private static func width(of fd: Int32) -> Int? {
        isatty(fd) == 1 ? size(of: fd)?.columns ?? namedWidth ?? usualWidth : nil
    }

    private static var namedWidth: Int? {
        environment("COLUMNS").flatMap { Int($0) }.flatMap { 1...1000 ~= $0 ? $0 : nil }
    }

    private static func size(of fd: Int32) -> (columns: Int, rows: Int)? {
        var size = winsize()
        guard isatty(fd) == 1, ioctl(fd, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return (min(Int(size.ws_col), 1000), Int(size.ws_row))
    }

    /// The first variable that is set decides (locale(7)).
    private static var isUTF8: Bool {
        let locale = environment("LC_ALL") ?? environment("LC_CTYPE") ?? environment("LANG") ?? ""
        let name = locale.uppercased()
        return name.contains("UTF-8") || name.contains("UTF8")
    }
}
