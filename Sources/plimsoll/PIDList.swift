import ArgumentParser

/// An argument of `whose`: a PID, or several with commas between them.
struct PIDList {
    var pids: [UInt32]

    /// - Throws: `ValidationError`, which says what a PID is.
    init(_ argument: String) throws {
        let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { UInt32($0) }
        guard !numbers.contains(nil) else {
            throw ValidationError("Use whole numbers up to \(UInt32.max), separated by blanks or commas.")
        }
        pids = numbers.compactMap(\.self)
    }

    /// The arguments of `whose`, with PIDs that follow each other in one of them: the time that ArgumentParser takes grows with
    /// the square of their number, and for as many as a command line holds that is an hour.
    static func joined(_ arguments: [String]) -> [String] {
        guard arguments.first(where: { $0 != "gpu" }) == "whose" else { return arguments }
        var joined: [String] = []
        var run: [String] = []
        func endRun() {
            // The first may be the value of an option.
            joined += run.prefix(1)
            if run.count > 1 { joined.append(run.dropFirst().joined(separator: ",")) }
            run = []
        }
        for argument in arguments {
            if argument.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), UInt32(argument) != nil {
                run.append(argument)
            } else {
                endRun()
                joined.append(argument)
            }
        }
        endRun()
        return joined
    }
}
