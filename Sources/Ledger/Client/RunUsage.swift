/// What `run` counts for a command: its own processes, and what an engine or systemd starts for it.
package struct RunUsage: Sendable {
    private var base: CommandUsage
    private var tracker: ClientTracker?

    package init(_ client: CommandClient?) {
        base = CommandUsage(.none)
        tracker = client.map(ClientTracker.init)
    }

    package var scope: CommandScope {
        get { base.scope }
        set { base.scope = newValue }
    }

    /// Whether answers of engines matter.
    package var asksEngines: Bool { tracker?.asksEngines ?? false }
    /// And soon.
    package var wantsNames: Bool { tracker?.wantsNames ?? false }

    package mutating func note(obstacle: ClientFinding.Obstacle) { tracker?.note(obstacle: obstacle) }

    /// Notes what the engines reported before the command began.
    package mutating func begin(engines: [ObservedEngine], _ sources: [SourceReport]) {
        tracker?.begin(engines: engines, sources)
    }

    /// What was to be seen before the command began.
    package mutating func begin(_ observation: Observation) {
        let snapshot = Snapshot(observation)
        base.begin(snapshot, observation)
        tracker?.begin(snapshot, observation, base.scope)
    }

    /// - Parameters:
    ///   - observation: with the engines' last answers.
    ///   - time: seconds since the command began.
    ///   - isFresh: every engine has listed its containers since the previous reading.
    package mutating func add(
        _ observation: Observation, at time: Double, isFresh: Bool, ancestors: CommandUsage.Ancestors
    ) {
        let snapshot = Snapshot(observation)
        tracker?.add(snapshot, observation, at: time, base: base, scope: base.scope)
        base.add(snapshot, observation, at: time, ancestors: ancestors)
        tracker?.count(snapshot, observation, at: time, isFresh: isFresh, base.members)
    }

    /// Ends the measurement, when the command has ended.
    ///
    /// - Parameters:
    ///   - observation: made after the end; nil if the driver no longer answered.
    ///   - listed: the containers that engines listed after the end; nil if they did not answer.
    ///   - time: the end, in seconds since the command began.
    ///   - pid: the command's own.
    package mutating func end(
        _ observation: Observation?, listed: Set<String>?, at time: Double, began: Int64, pid: UInt32,
        ancestors: CommandUsage.Ancestors
    ) {
        let before = base
        let snapshot = base.end(observation, at: time, began: began, pid: pid, ancestors: ancestors)
        tracker?.end(
            snapshot, observation, listed: listed, base: before, scope: base.scope, at: time, began: began, pid: pid,
            of: base.members)
    }

    package struct Result: Sendable {
        package var usage: CommandUsage
        /// nil for a command that starts nothing elsewhere.
        package var finding: ClientFinding?
    }

    package var result: Result {
        guard let (finding, usage) = tracker?.finding else { return Result(usage: base, finding: nil) }
        return Result(usage: usage ?? base, finding: finding)
    }
}
