extension ClientTracker {
    /// Ends the tracking, when the command has ended.
    ///
    /// - Parameters:
    ///   - last: a reading after the end; nil if there is none.
    ///   - listed: the containers that engines listed after the end; nil if they did not answer.
    ///   - end: ends a candidate's usage as the command's own was ended.
    mutating func end(
        _ snapshot: Snapshot?, _ observation: Observation?, listed: Set<String>?, base: CommandUsage,
        scope: CommandScope,
        at time: Double, began: Int64, pid: UInt32, of members: CommandMembers
    ) {
        if let snapshot, let observation {
            // One that began just before the end: `docker run -d` ends as soon as its container has begun.
            add(snapshot, observation, at: time, base: base, scope: scope)
        }
        for index in candidates.indices {
            candidates[index].usage.end(
                snapshot, observation, at: time, began: began, pid: pid, of: members)
            let held = snapshot.flatMap { candidates[index].usage.targetBytes($0) }
            let living = snapshot?.processes.contains {
                $0.holder != .gone && candidates[index].usage.targeted[$0.pid] != nil
            }
            let isListed = listed.map { !$0.isDisjoint(with: candidates[index].containers.keys) } ?? false
            candidates[index].stillRuns = isListed || living ?? false
            candidates[index].held = held
            if let held { candidates[index].peak = max(candidates[index].peak ?? 0, held) }
        }
    }

    /// What was found, and the usage that counts if it is not the command's own alone.
    var finding: (ClientFinding, CommandUsage?) {
        let (outcome, chosen) = decision
        func finding(_ parts: [Candidate]) -> ClientFinding {
            ClientFinding(
                client: client, outcome: outcome, parts: parts.map(\.part).sorted { ($0.peak ?? 0) > ($1.peak ?? 0) },
                leftOut: outcome == .counted ? 0 : leftOut.count)
        }
        if outcome == .counted, let only = chosen.first { return (finding([only]), only.usage) }
        return (finding(chosen), nil)
    }

    private var decision: (ClientFinding.Outcome, [Candidate]) {
        if obstacle == .elsewhere { return (.unknown(.elsewhere), []) }
        let believed = candidates.filter(\.isBelieved)
        switch client.action {
        case .unit: return settled(believed)
        case .start, .exec:
            // Their names are the evidence, whatever else began.
            if believed.isEmpty, let obstacle { return (.unknown(obstacle), []) }
            return settled(believed)
        case .compose: return judged(believed)
        case .run(let name?):
            let named = believed.filter { $0.containers.values.contains(name) }
            if !named.isEmpty { return settled(named) }
            return judged(believed.filter { !$0.isReported })
        case .run(nil): return judged(believed)
        }
    }

    private func settled(_ meant: [Candidate]) -> (ClientFinding.Outcome, [Candidate]) {
        switch meant.count {
        case 0: (.nothing, [])
        case 1: (.counted, meant)
        default: (.ambiguous, meant)
        }
    }

    /// By what is new alone: nothing names it.
    private func judged(_ meant: [Candidate]) -> (ClientFinding.Outcome, [Candidate]) {
        let descendants = meant.filter(\.holdsDescendant)
        if descendants.count == 1 { return (.counted, descendants) }
        if let obstacle { return (.unknown(obstacle), meant) }
        if !hasListBefore { return (.unknown(.late), meant) }
        return settled(meant)
    }
}
