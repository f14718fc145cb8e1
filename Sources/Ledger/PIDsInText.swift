/// The PIDs that a pasted message names, in its order, each once.
///
/// - PyTorch: "Process 4242 has 10.50 GiB memory in use", "DataLoader worker (pid(s) 18894, 18897) exited".
/// - The kernel: "Killed process 4242 (python3)", "Xid (PCI:0000:01:00): 31, pid=4242, name=python", "python3[4242]: segfault",
///   "for process viewer pid 5044 thread viewer:cs0 pid 5072", of which the second is a thread of the first.
/// - Its watchdogs: "task python3:4242 blocked for more than 120 seconds", "soft lockup … [python3:4242]".
/// - Ray, vLLM and others: "(EngineCore_0 pid=4242)", "PID 4242", "\"pid\": 4242", "PIDs: 1, 2 and 3".
/// - Tables (`PIDTable`), and lines that are nothing but numbers.
///
/// Sizes, ports, ranks and the numbers in names such as "Process-3" are no PIDs.
package func pids(inMessage text: String) -> [UInt32] {
    var found: [UInt32] = []
    var known: Set<UInt32> = []
    var table = PIDTable()
    for line in text.utf8.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
        let line = TextLine(line)
        for pid in table.pids(in: line) ?? line.pids where known.insert(pid).inserted { found.append(pid) }
    }
    return found
}

/// A line of a message. Bytes, because a message may have megabytes, and characters cost ten times as much.
struct TextLine {
    let bytes: [UInt8]

    /// Without the colours that logs have on a terminal.
    init(_ text: some Sequence<UInt8>) {
        let text = Array(text)
        let escape: UInt8 = 0x1B
        guard text.contains(escape) else {
            bytes = text
            return
        }
        var kept: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            guard byte == escape, rest.first == UInt8(ascii: "[") else {
                kept.append(byte)
                continue
            }
            rest = rest.dropFirst().drop { !(0x40...0x7E ~= $0) }.dropFirst()
        }
        bytes = kept
    }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    func byte(_ offset: Int) -> UInt8? { bytes.indices.contains(offset) ? bytes[offset] : nil }

    /// The first offset from here on with a byte of another kind.
    func skip(_ skipped: (UInt8) -> Bool, from offset: Int) -> Int {
        bytes[offset...].firstIndex { !skipped($0) } ?? bytes.count
    }

    func skipBlanks(from offset: Int) -> Int { skip(\.isBlank, from: offset) }

    /// The run of letters and digits that begins here, in lower case.
    func word(at offset: Int) -> (text: String, end: Int) {
        let end = skip(\.isOfWord, from: offset)
        return (text(offset..<end).lowercased(), end)
    }

    /// A number from 1 to the kernel's PID_MAX_LIMIT (include/linux/threads.h), of digits alone.
    func pid(_ range: Range<Int>) -> UInt32? {
        guard !range.isEmpty, range.count <= 10, bytes[range].allSatisfy(\.isDigit) else { return nil }
        let number = bytes[range].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        return 1...(4 << 20) ~= number ? UInt32(number) : nil
    }

    /// Fields between blanks; `also` parts them too.
    func fields(_ also: (UInt8) -> Bool = { _ in false }) -> [Range<Int>] {
        bytes[...].split { $0.isBlank || also($0) }.map { $0.startIndex..<$0.endIndex }
    }
}

extension UInt8 {
    var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }
    var isDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= self }
    /// Letters beyond ASCII count as such; there are no others in words that matter here.
    var isOfWord: Bool { isDigit || UInt8(ascii: "a")...UInt8(ascii: "z") ~= self | 0x20 || self >= 0x80 }
    func isOne(of characters: StaticString) -> Bool {
        characters.withUTF8Buffer { $0.contains(self) }
    }
}

extension TextLine {
    /// Of a line that is no row of a table.
    fileprivate var pids: [UInt32] {
        if let numbers = onlyNumbers { return numbers }
        return keyedPIDs + bracketedPIDs + watchedPIDs + ncclPIDs
    }

    /// `4242`, `[4242]`, `4242 4243`: the output of `pgrep` and `fuser`, or typed numbers.
    private var onlyNumbers: [UInt32]? {
        var numbers: [UInt32] = []
        var fields = fields { $0.isOne(of: ",;") }
        // An item of a list.
        if let first = fields.first, bytes[first].elementsEqual("-".utf8) { fields.removeFirst() }
        for field in fields {
            let isDecoration = { (byte: UInt8) in byte.isOne(of: "()[]{}<>\"'`.*") }
            let start = skip(isDecoration, from: field.lowerBound)
            guard start < field.upperBound else { continue }
            let end = (bytes[start..<field.upperBound].lastIndex { !isDecoration($0) } ?? start) + 1
            guard bytes[start..<end].allSatisfy(\.isDigit) else { return nil }
            if let pid = pid(start..<end) { numbers.append(pid) }
        }
        return numbers.isEmpty ? nil : numbers
    }

    private enum Subject { case process, thread }

    /// Numbers behind "pid", "pids", "pid(s)", "process", "processes" and "process id".
    private var keyedPIDs: [UInt32] {
        var found: [UInt32] = []
        var subject: Subject?
        /// Whether this line has named the PID of a process, so that the PID of a thread after it is a thread of that
        /// process.
        var isProcessKnown = false
        var lastWord = ""
        var offset = 0
        while let start = bytes[offset...].firstIndex(where: \.isOfWord) {
            // No other words matter, and a message may have a million.
            let matters = bytes[start].isOne(of: "pPtT")
            let (word, end) = matters ? word(at: start) : ("", skip(\.isOfWord, from: start))
            offset = end
            var numbers: [UInt32] = []
            switch word {
            case "thread": subject = .thread
            case "pid" where isFileName(start..<end) || isCount(start): break
            case "pids" where isCount(start): break
            case "processes" where isCount(start): break
            case "pid", "processid":
                let isList = bytes[end...].starts(with: "(s)".utf8)
                numbers = self.numbers(after: isList ? end + 3 : end, as: isList ? .list : .one)
            case "pids": numbers = self.numbers(after: end, as: .list)
            case "processes":
                // A single number is how many there are.
                let all = self.numbers(after: end, as: .list)
                numbers = all.count > 1 ? all : []
            case "process" where byte(start - 1) != UInt8(ascii: "_"):
                subject = .process
                if lastWord != "per" { numbers = processNumber(after: end) }
            default: break
            }
            if !(subject == .thread && isProcessKnown) { found += numbers }
            if subject == .process, !numbers.isEmpty { isProcessKnown = true }
            lastWord = word
        }
        return found
    }

    /// `/run/x.pid 42`; `process.pid=4242` is a key.
    private func isFileName(_ word: Range<Int>) -> Bool {
        byte(word.lowerBound - 1) == UInt8(ascii: ".") && byte(word.upperBound).map(\.isBlank) ?? true
    }

    /// "max pid 32768", "nr_pids 100", "number of processes 4, 8": numbers that count, or bound.
    private func isCount(_ start: Int) -> Bool {
        var start = start
        for _ in 0..<3 {
            let (word, begin) = word(before: start)
            if ["max", "maximum", "nr", "num", "number", "total", "count", "limit"].contains(word) { return true }
            guard ["of", "the"].contains(word) else { return false }
            start = begin
        }
        return false
    }

    /// The run of letters and digits that ends before this offset, in lower case, without separators.
    private func word(before offset: Int) -> (text: String, start: Int) {
        var end = offset
        while end > 0, bytes[end - 1].isOne(of: " \t_-.") { end -= 1 }
        var start = end
        while start > 0, end - start < 16, bytes[start - 1].isOfWord { start -= 1 }
        return (text(start..<end).lowercased(), start)
    }

    /// "Process 4242 has", "process id 4242"; not the ranks of "process 3 of 8" and of PyTorch's "Process 3 terminated with
    /// the following error" (torch/multiprocessing/spawn.py), and not "process 512 samples".
    private func processNumber(after end: Int) -> [UInt32] {
        let next = skip({ $0.isBlank || $0.isOne(of: "_-") }, from: end)
        let (word, wordEnd) = word(at: next)
        if next > end, word == "id" {
            // To JAX and others it is a rank.
            let isRank = ["num_processes", "process_count", "world_size"].contains { contains($0) }
            return isRank ? [] : numbers(after: wordEnd, as: .one)
        }
        guard let (pid, after) = number(after: end), let pid else { return [] }
        let (follower, followerEnd) = self.word(at: skipBlanks(from: after))
        let rest = skipBlanks(from: followerEnd)
        if ["of", "out"].contains(follower), byte(rest)?.isDigit == true || self.word(at: rest).text == "of" {
            return []
        }
        if follower == "terminated", self.word(at: rest).text == "with" { return [] }
        return isPlural(follower) ? [] : [pid]
    }

    /// A noun of which there are several, and no verb: "samples", and not "has".
    private func isPlural(_ word: String) -> Bool {
        word.utf8.count > 3 && word.hasSuffix("s") && !word.hasSuffix("ss") && !Self.verbs.contains(word)
    }

    private static let verbs: Set = [
        "allocates", "consumes", "crashes", "does", "dies", "ends", "exceeds", "exits", "fails", "gets", "hangs",
        "holds",
        "keeps", "leaks", "lists", "needs", "occupies", "owns", "reports", "requests", "requires", "reserves", "runs",
        "says",
        "still", "takes", "terminates", "uses", "wants",
    ]

    private enum Numbers { case one, list }

    private func numbers(after end: Int, as kind: Numbers) -> [UInt32] {
        var numbers: [UInt32] = []
        var end = end
        while let (pid, after) = number(after: end, inList: kind == .list), let pid {
            // "PID: 4242, 4243" is a list as well, and "pid 4242, 12 errors" is none.
            if kind == .one, !numbers.isEmpty, !isEndOfItem(after) { break }
            numbers.append(pid)
            // "1, 2 and 3", "4242/4243"
            end = skip({ $0.isBlank || $0.isOne(of: ",;&/") }, from: after)
            if kind == .one, byte(after) != UInt8(ascii: ",") { break }
            let (word, wordEnd) = word(at: end)
            if word == "and" { end = wordEnd }
        }
        return numbers
    }

    private func isEndOfItem(_ offset: Int) -> Bool {
        let next = skipBlanks(from: offset)
        guard let byte = byte(next) else { return true }
        return byte.isOne(of: ",;.)]}") || word(at: next).text == "and"
    }

    /// - Returns: the number behind a key and what parts them, nil for one that is no PID, with its end; nil without a number.
    private func number(after end: Int, inList: Bool = false) -> (pid: UInt32?, end: Int)? {
        var start = skip({ $0.isBlank || $0.isOne(of: "=:'\"`\\#([<") }, from: end)
        let (word, wordEnd) = word(at: start)
        if start > end, word == "is" { start = skipBlanks(from: wordEnd) }
        let after = skip(\.isDigit, from: start)
        guard after > start else { return nil }
        let isItem = isAlone(after) || inList && byte(after) == UInt8(ascii: "/") && !isDate(after)
        return (isItem ? pid(start..<after) : nil, after)
    }

    /// `2024/05/01`: two numbers of two digits after the one that ends here.
    private func isDate(_ end: Int) -> Bool {
        let month = skip(\.isDigit, from: end + 1)
        let day = byte(month) == UInt8(ascii: "/") ? skip(\.isDigit, from: month + 1) : month
        return month == end + 3 && day == month + 3
    }

    /// Whether the number that ends here is a number of its own, and no part of a name, a size, a time, a date or an address.
    private func isAlone(_ end: Int) -> Bool {
        guard let next = byte(end) else { return true }
        if next.isOfWord || next.isOne(of: "_%") { return false }
        if next.isOne(of: ".:-/"), byte(end + 1)?.isDigit == true { return false }
        return !Self.units.contains(word(at: skipBlanks(from: end)).text)
    }

    private static let units: Set = [
        "kb", "kib", "mb", "mib", "gb", "gib", "tb", "tib", "byte", "bytes", "ms", "sec", "secs", "second", "seconds",
        "minutes", "hours", "percent", "times",
    ]

    // MARK: Forms of the kernel and of NCCL

    private func contains(_ marker: StaticString) -> Bool {
        marker.withUTF8Buffer { marker in
            bytes.indices.contains { bytes[$0] == marker[0] && bytes[$0...].starts(with: marker) }
        }
    }

    /// `python3[4242]: segfault`, and with a blank between them `GPU HANG: …, in python3 [4242]`.
    private var bracketedPIDs: [UInt32] {
        let open = UInt8(ascii: "[")
        guard bytes.contains(open) else { return [] }
        let isGlued = ["segfault", "general protection", "traps:", "nouveau"].contains { contains($0) }
        let isBehindName = ["GPU HANG", "Timedout job"].contains { contains($0) }
        guard isGlued || isBehindName else { return [] }
        return bytes.indices.compactMap { offset in
            guard bytes[offset] == open, let before = byte(offset - 1) else { return nil }
            let end = skip(\.isDigit, from: offset + 1)
            guard byte(end) == UInt8(ascii: "]") else { return nil }
            guard before.isBlank ? isBehindName && byte(end + 1) == nil : isGlued else { return nil }
            return pid(offset + 1..<end)
        }
    }

    /// `task python3:4242 blocked for more than 120 seconds.` (kernel, hung_task.c), `soft lockup - CPU#3 stuck for 22s!
    /// [python3:4242]` (watchdog.c).
    private var watchedPIDs: [UInt32] {
        guard bytes.contains(UInt8(ascii: ":")) else { return [] }
        let isHung = contains(" blocked for more than ")
        guard isHung || contains(" lockup") else { return [] }
        let end = isHung ? UInt8(ascii: " ") : UInt8(ascii: "]")
        return bytes.indices.compactMap { offset in
            guard bytes[offset] == UInt8(ascii: ":") else { return nil }
            let after = skip(\.isDigit, from: offset + 1)
            guard byte(after) == end, !isHung || word(at: after + 1).text == "blocked" else { return nil }
            return pid(offset + 1..<after)
        }
    }

    /// `gpu-box:4242:4300 [0] NCCL INFO …`: host, process and thread.
    private var ncclPIDs: [UInt32] {
        guard contains(" NCCL ") else { return [] }
        let fields = fields()
        guard let rank = fields.dropFirst().firstIndex(where: { bytes[$0.lowerBound] == UInt8(ascii: "[") }) else {
            return []
        }
        let parts = bytes[fields[rank - 1]].indices.split(omittingEmptySubsequences: false) {
            bytes[$0] == UInt8(ascii: ":")
        }
        guard parts.count == 3, pid(parts[2].startIndex..<parts[2].endIndex) != nil,
            let pid = pid(parts[1].startIndex..<parts[1].endIndex)
        else { return [] }
        return [pid]
    }
}
