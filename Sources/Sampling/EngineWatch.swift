import ContainerRuntimes
import Glibc
import Ledger

/// Container engines that are asked beside samples: a sample never waits for them, and has what they said last.
package struct EngineWatch {
    private let selection: EngineSelection
    private let timeout: Double
    private var round: EngineSample?
    private var askedAt = -Double.infinity
    private var kept: [String: ObservedEngine] = [:]
    private var last = EngineSample.Answers()
    /// When what they said last was asked for, in seconds of the monotonic clock; nil before the first answer.
    package private(set) var reportedSince: Double?

    package init(_ selection: EngineSelection, _ plan: SamplingPlan) {
        self.selection = selection
        timeout = plan.engineTimeout
    }

    package var engines: [ObservedEngine] { last.engines }
    package var sources: [SourceReport] { last.reports }

    /// Whether every engine that was asked has listed its containers.
    package var isWhole: Bool { !last.reports.isEmpty && last.reports.allSatisfy(\.ok) }

    /// The ids of their containers.
    package var listed: Set<String> { Set(last.engines.flatMap { $0.containers.map(\.id) }) }

    /// Asks, unless a question is still out or was asked less than `pause` seconds ago.
    package mutating func ask(_ sampler: Sampler, after pause: Double = 0) {
        let now = monotonicSeconds()
        guard round == nil, now - askedAt >= pause, sampler.host.hasChild else { return }
        askedAt = now
        round = EngineSample(selection, through: sampler.host, within: timeout, stands: true)
    }

    /// Takes the answers if they are there.
    ///
    /// - Parameter seconds: how long they are waited for.
    /// - Returns: whether there are new ones.
    @discardableResult
    package mutating func collect(_ sampler: Sampler, within seconds: Double = 0) -> Bool {
        guard let round else { return false }
        let deadline = monotonicSeconds() + seconds
        while !round.isSettled(sampler.host) {
            if monotonicSeconds() >= deadline { return false }
            usleep(1000)
        }
        last = round.wait(sampler.host, &kept, now: wallClock())
        reportedSince = askedAt
        self.round = nil
        return true
    }

    /// Adds what they said last.
    package func fill(_ observation: inout Observation) {
        observation.engines = last.engines
        observation.sources += last.reports
    }
}
