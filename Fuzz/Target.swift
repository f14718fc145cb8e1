import Glibc
import Ledger

/// Something that reads what others wrote, and what it promises of every input.
struct Target: Sendable {
    var name: String
    /// How many a whole run tries; cheap ones more.
    var inputs: UInt64
    var corpus: Corpus
    /// What was wrong with the reading of an input; nil where nothing was.
    var complaint: @Sendable ([UInt8]) -> String?

    static let all = [
        cgroup, mounts, stat, status, engine, response, pastedText, recording, template, fdinfo, kernelTables, messages,
        vendorTools, redaction,
    ]
}

/// wcwidth(3), which Swift's Glibc does not declare; nil without a UTF-8 locale.
private let widthInC: (@convention(c) (wchar_t) -> Int32)? = {
    guard setlocale(LC_CTYPE, "C.UTF-8") ?? setlocale(LC_CTYPE, "en_US.UTF-8") != nil else { return nil }
    return dlsym(nil, "wcwidth").map { unsafeBitCast($0, to: (@convention(c) (wchar_t) -> Int32).self) }
}()

/// Columns that a line takes on a terminal by the C library's tables, not by those that laid it out. What they do not know
/// takes a column.
private func columns(_ line: String) -> Int {
    line.unicodeScalars.reduce(0) { sum, scalar in
        guard !scalar.isASCII, let told = widthInC?(wchar_t(bitPattern: scalar.value)), told >= 0 else {
            return sum + 1
        }
        return sum + Int(told)
    }
}

/// No line is wider than its page, and none steers a terminal.
func wrongLines(_ lines: [String], width: Int) -> String? {
    for line in lines {
        if columns(line) > width { return "a line of \(columns(line)) columns on a page of \(width): \(line)" }
        if line.unicodeScalars.contains(where: \.isUnsafe) {
            return "an unsafe character reaches the terminal: \(line.debugDescription)"
        }
    }
    return nil
}
