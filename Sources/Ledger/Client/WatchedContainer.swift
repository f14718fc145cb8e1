/// A container that is watched until it ends, and its memory.
package struct WatchedContainer: Sendable {
    package let id: String
    package private(set) var name: String?
    package private(set) var usage: CommandUsage
    /// Whether an engine has listed it, and so will report its end.
    private var isListed = false
    /// Every process of it that was seen.
    private var seen: Set<CommandUsage.ProcessKey> = []

    package init(_ container: Container) {
        id = container.id
        name = container.name
        isListed = container.known
        usage = CommandUsage(.containers([container.id], since: nil))
    }

    /// What it held when the watch began: the first reading, too.
    package mutating func begin(_ observation: Observation) {
        usage.begin(observation)
        usage.add(Snapshot(observation), observation, at: 0, of: CommandMembers())
        seen.formUnion(usage.targeted.values)
    }

    /// - Parameters:
    ///   - observation: with the engines' last answers.
    ///   - isFresh: every engine has listed its containers since the previous reading.
    ///   - living: containers of processes that still run, by PID.
    /// - Returns: whether the container has ended; then the reading does not count.
    package mutating func add(
        _ observation: Observation, at time: Double, isFresh: Bool, living: ([UInt32]) -> [UInt32: Int64]
    ) -> Bool {
        let listed = observation.engines.flatMap(\.containers).first { $0.id == id }
        if let listed {
            isListed = true
            name = name ?? listed.name
        }
        if isListed, isFresh, listed == nil { return true }
        let snapshot = Snapshot(observation)
        usage.add(snapshot, observation, at: time, of: CommandMembers())
        seen.formUnion(usage.targeted.values)
        // What holds memory there is seen; a driver can list a process that has ended for a while.
        guard !isListed, !snapshot.containers.contains(where: { $0.id == id }) else { return false }
        let alive = living(seen.map(\.pid))
        seen = seen.filter { alive[$0.pid] == $0.startTick }
        return seen.isEmpty
    }

    /// Ends the watch.
    ///
    /// - Parameters:
    ///   - observation: made after the end; nil if the driver no longer answered.
    ///   - began: milliseconds since 1970.
    package mutating func end(_ observation: Observation?, at time: Double, began: Int64) {
        usage.end(
            observation.map { Snapshot($0) }, observation, at: time, began: began, pid: nil, of: CommandMembers())
    }
}

extension ObservedProcess {
    /// Of those that are not dead, by PID: when each started.
    package static func starts(of processes: [ObservedProcess]) -> [UInt32: Int64] {
        processes.reduce(into: [:]) { if !$1.isDead { $0[$1.pid] = $1.startTick } }
    }
}
