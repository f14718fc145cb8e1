/// The PIDs that a pasted message names, in its order, each once.
///
/// PyTorch: "Process 4242 has 10.50 GiB memory in use"; the kernel: "Killed process 4242 (python3)", "Xid (PCI:0000:01:00):
/// 31, pid=4242, name=python"; others: "PID 4242", "pid: 4242", "[4242]" alone, and lines that are nothing but a number.
package func pids(inMessage text: String) -> [UInt32] {
    var found: [UInt32] = []
    var known: Set<UInt32> = []
    func add(_ digits: Substring) {
        if let pid = UInt32(digits), pid > 0, known.insert(pid).inserted { found.append(pid) }
    }
    for line in text.split(whereSeparator: \.isNewline) {
        let words = line.split { !$0.isLetter && !$0.isNumber }
        for (word, next) in zip(words, words.dropFirst()) where ["process", "pid"].contains(word.lowercased()) {
            add(next)
        }
        if words.count == 1, words[0].allSatisfy(\.isNumber) { add(words[0]) }
    }
    return found
}
