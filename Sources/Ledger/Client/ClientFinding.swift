/// What became of a client's request: which container or service holds its memory, as far as that is known.
package struct ClientFinding: Sendable, Equatable {
    package enum Outcome: Sendable, Equatable {
        /// The parts are what was started for the client, and count.
        case counted
        /// Nothing was started for it that could be seen.
        case nothing
        /// The parts compete, and none counts.
        case ambiguous
        /// What was started for the command is unknown, and none of the parts counts.
        case unknown(Obstacle)
    }

    /// Why it is unknown what an engine started.
    package enum Obstacle: Sendable, Equatable {
        /// The engine was asked and did not answer.
        case engine(Reason)
        /// The engine did not list in time what it ran before the command began.
        case late
        /// No program asks containerd for names.
        case containerd
        /// The words of the command name an engine that is not on this machine, or that no socket of it leads to.
        case elsewhere
    }

    /// A container, a Compose project or a service.
    package struct Part: Sendable, Equatable {
        /// Of a container; the name of a project or a service.
        package var id: String
        package var name: String?
        /// The most that it held on all devices together; nil if unknown.
        package var peak: Bytes?
        /// Whether it still runs after the command's end.
        package var stillRuns = false
        /// What it holds then; nil if unknown.
        package var held: Bytes?

        package init(id: String, name: String? = nil, peak: Bytes? = nil, stillRuns: Bool = false, held: Bytes? = nil) {
            self.id = id
            self.name = name
            self.peak = peak
            self.stillRuns = stillRuns
            self.held = held
        }
    }

    package var client: CommandClient
    package var outcome: Outcome
    package var parts: [Part]
    /// The number of further candidates that were not tracked.
    package var leftOut: Int

    package init(client: CommandClient, outcome: Outcome, parts: [Part], leftOut: Int = 0) {
        self.client = client
        self.outcome = outcome
        self.parts = parts
        self.leftOut = leftOut
    }

    /// What was measured is all of the command's memory, as far as is known.
    package var isWhole: Bool {
        switch outcome {
        case .counted, .nothing: true
        case .ambiguous, .unknown: false
        }
    }
}
