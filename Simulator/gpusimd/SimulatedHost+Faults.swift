import CSimulator
import Glibc

/// A bad day that comes and goes while programs ask.
struct Loss {
    /// Numbers of calls on the card, of all processes, counted from 1: lost from the first on, well again from the second on.
    private let from: UInt64?
    private let until: UInt64?
    /// While this file exists.
    private let file: String?
    private(set) var calls: UInt64 = 0

    init(_ faults: HostDescription.Faults?) {
        from = faults?.lostFromCall
        until = faults?.healedFromCall
        file = faults?.lostWhile
    }

    mutating func count() { calls += 1 }

    var isNow: Bool {
        if let file, access(file, F_OK) == 0 { return true }
        guard let from, calls >= from else { return false }
        return until.map { calls < $0 } ?? true
    }
}

extension HostDescription.Faults {
    var lengthAnswer: sim_length_answer {
        if ignoresCount == true { return SIM_LENGTH_NOT_ASKED }
        return countSucceeds == true ? SIM_LENGTH_SUCCEEDS : SIM_LENGTH_REFUSED
    }
}

extension SimulatedHost {
    /// Of a GPU, or of the one that an instance is of.
    func isLost(_ number: Int) -> Bool {
        let parent = devices[number].record.parent
        return devices[number].loss.isNow || (parent != SIM_NONE && devices[Int(parent)].loss.isNow)
    }

    /// What a list of the driver shows to the client at `fd`, and how the library tells it.
    func list(_ list: Int, on number: Int, seenBy fd: Int32) -> ListAnswer {
        var answer = ListAnswer(processes(on: number, list: list, seenBy: fd))
        guard devices.indices.contains(number) else { return answer }
        answer.grows = devices[number].listsGrow
        answer.claims = devices[number].claims
        answer.length = devices[number].lengthAnswer
        return answer
    }
}

struct ListAnswer {
    /// An nvmlReturn_t.
    var code: Int32
    var processes: [sim_process]
    var grows = false
    var claims: UInt32 = 0
    var length = SIM_LENGTH_REFUSED

    init(_ list: (code: Int32, processes: [sim_process])) {
        (code, processes) = list
    }
}
