import CSimulator
import Glibc
import HostDescription

/// The calls, or the time, in which a GPU is off the bus.
struct Loss {
    /// Call numbers on the GPU, over all processes, counted from 1. The GPU is lost at `from` and healthy again at
    /// `until`.
    private let from: UInt64?
    private let until: UInt64?
    /// The GPU is lost while this file exists.
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
    /// Whether the GPU is off the bus. For a MIG instance: whether its GPU is.
    func isLost(_ number: Int) -> Bool {
        let parent = devices[number].record.parent
        return devices[number].loss.isNow || (parent != SIM_NONE && devices[Int(parent)].loss.isNow)
    }

    /// The processes that the driver lists to the client at `fd`, and the faults with which the library returns them.
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
