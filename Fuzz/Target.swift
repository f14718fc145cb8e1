import Ledger

/// Something that reads what others wrote, and what it promises of every input.
struct Target: Sendable {
    var name: String
    /// How many a whole run tries; cheap ones more.
    var inputs: UInt64
    var corpus: Corpus
    /// What was wrong with the reading of an input; nil where nothing was.
    var complaint: @Sendable ([UInt8]) -> String?

    static let all = [cgroup, stat, status, engine, recording, template, fdinfo, kernelTables, messages]
}

/// No line is wider than its page, and none steers a terminal.
func wrongLines(_ lines: [String], width: Int, columns: (String) -> Int) -> String? {
    for line in lines {
        if columns(line) > width { return "a line of \(columns(line)) columns on a page of \(width): \(line)" }
        if line.unicodeScalars.contains(where: \.isUnsafe) {
            return "an unsafe character reaches the terminal: \(line.debugDescription)"
        }
    }
    return nil
}
