// Parsers of the files under /proc/PID: each a pure function of a file's text. Formats: proc(5).

/// /proc/PID/stat: `PID (comm) state ppid …`, where comm may hold spaces and brackets, so fields count from the last ')'.
package struct ProcessStat: Equatable {
    /// "Z" is a zombie, "X" and "x" are dead.
    package var state: Character
    /// Field 22, in ticks since boot.
    package var startTick: Int64
    package var name: String

    package var isDead: Bool { "ZXx".contains(state) }

    package init?(_ text: String) {
        guard let open = text.utf8.firstIndex(of: UInt8(ascii: "(")),
            let close = text.utf8.lastIndex(of: UInt8(ascii: ")")), open < close
        else { return nil }
        name = String(text[text.utf8.index(after: open)..<close])
        let fields = text[text.utf8.index(after: close)...].split(whereSeparator: \.isWhitespace)
        // The first of these is field 3.
        guard fields.count > 19, let state = fields[0].first, fields[0].count == 1, let start = Int64(fields[19]),
            start >= 0
        else { return nil }
        self.state = state
        startTick = start
    }
}

/// /proc/PID/status, as far as it says who a process is.
package struct ProcessStatus: Equatable {
    package var effectiveUser: UInt32?
    /// Its PIDs, outermost namespace first; one where the kernel is older than 4.1 and has no NSpid line.
    package var namespacePIDs: [UInt32]

    package init(_ text: String) {
        effectiveUser = nil
        namespacePIDs = []
        var pid: [UInt32] = []
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let numbers = line[line.index(after: colon)...].split(whereSeparator: \.isWhitespace).map { UInt32($0) }
            switch line[..<colon] {
            case "Uid" where numbers.count >= 2: effectiveUser = numbers[1]
            case "NSpid": namespacePIDs = numbers.compactMap(\.self)
            case "Pid": pid = numbers.compactMap(\.self)
            default: break
            }
        }
        if namespacePIDs.isEmpty { namespacePIDs = pid }
    }
}

/// /proc/PID/cmdline: arguments, each ended by a NUL.
package func commandLine(_ text: String) -> String {
    text.split(separator: "\0").joined(separator: " ")
}
