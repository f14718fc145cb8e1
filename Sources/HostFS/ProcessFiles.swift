import Ledger

// Parsers of the files under /proc/PID: each a pure function of a file's text. Formats: proc(5).

/// /proc/PID/stat: `PID (comm) state ppid …`, where comm may hold spaces and brackets, so fields count from the last ')'.
package struct ProcessStat: Equatable {
    /// "Z" is a zombie, "X" and "x" are dead.
    package var state: Character
    /// 0 if the parent is not in this namespace.
    package var parent: UInt32
    /// Field 22, in ticks since boot.
    package var startTick: Int64
    package var name: String
    /// It belongs to the kernel (PF_KTHREAD, include/linux/sched.h) and has no descriptors.
    package var isKernelThread: Bool

    package var isDead: Bool { "ZXx".contains(state) }

    package init?(_ text: String) {
        guard let open = text.utf8.firstIndex(of: UInt8(ascii: "(")),
            let close = text.utf8.lastIndex(of: UInt8(ascii: ")")), open < close
        else { return nil }
        name = String(text[text.utf8.index(after: open)..<close]).capped(at: TextLimit.processName)
        let fields = words(text[close...].utf8.dropFirst(), atMost: 20)
        // The first of these is field 3.
        guard fields.count == 20, fields[0].utf8.count == 1, let state = fields[0].first, let start = Int64(fields[19]),
            start >= 0, let parent = UInt32(fields[1])
        else { return nil }
        isKernelThread = UInt64(fields[6]).map { $0 & 0x0020_0000 != 0 } ?? false
        self.state = state
        self.parent = parent
        startTick = start
    }
}

/// The kernel writes ASCII between them. Bytes, because a sample reads thousands, and characters cost ten times as much.
private func words(_ bytes: Substring.UTF8View, atMost most: Int = .max) -> [Substring] {
    var words: [Substring] = []
    var rest = bytes
    while words.count < most {
        rest = rest.drop { isBlank($0) }
        if rest.isEmpty { break }
        let word = rest.prefix { !isBlank($0) }
        words.append(Substring(word))
        rest = rest[word.endIndex...]
    }
    return words
}

private func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || 9...13 ~= byte }

/// /proc/PID/status, as far as it says who a process is.
package struct ProcessStatus: Equatable {
    /// The process, if this is one of its threads or the process itself; nil if the text does not say.
    package var threadGroup: UInt32?
    package var effectiveUser: UInt32?
    /// Its PIDs, outermost namespace first; only one on kernels before 4.1, which have no NSpid line.
    package var namespacePIDs: [UInt32]

    package init(_ text: String) {
        threadGroup = nil
        effectiveUser = nil
        namespacePIDs = []
        var pid: [UInt32] = []
        var rest = text.utf8[...]
        // The kernel writes NSpid after the others (fs/proc/array.c, task_state), and forty more lines after it.
        while namespacePIDs.isEmpty, !rest.isEmpty {
            let line = rest.prefix { $0 != UInt8(ascii: "\n") }
            rest = rest[line.endIndex...].dropFirst()
            func numbers(after key: String) -> [UInt32?]? {
                guard line.starts(with: key.utf8) else { return nil }
                return words(line.dropFirst(key.utf8.count)).map { UInt32($0) }
            }
            if let numbers = numbers(after: "Uid:"), numbers.count >= 2 { effectiveUser = numbers[1] }
            if let numbers = numbers(after: "Tgid:") { threadGroup = numbers.first.flatMap { $0 } }
            if let numbers = numbers(after: "Pid:") { pid = numbers.compactMap(\.self) }
            if let numbers = numbers(after: "NSpid:") { namespacePIDs = numbers.compactMap(\.self) }
        }
        if namespacePIDs.isEmpty { namespacePIDs = pid }
    }
}

/// /proc/PID/cmdline: arguments, each ended by a NUL.
package func commandLine(_ text: String) -> String {
    text.capped(at: TextLimit.commandLine).split(separator: "\0").joined(separator: " ")
}
