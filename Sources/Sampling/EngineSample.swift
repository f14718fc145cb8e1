import ContainerRuntimes
import Ledger

/// One question to every engine, side by side with the drivers and /proc, through the child that reads the host's files.
struct EngineSample {
    private let selection: EngineSelection
    private let timeout: Double
    /// In seconds of the monotonic clock.
    private let deadline: Double
    private let asked: [(engine: DockerEngine, question: UInt32?)]

    /// - Parameter stands: the answers are waited for beyond this sample.
    init(_ selection: EngineSelection, through host: DriverSession, within timeout: Double, stands: Bool = false) {
        self.selection = selection
        self.timeout = timeout
        // The client in the child keeps the time of an engine; the rest is for an answer that takes long to understand.
        let deadline = monotonicSeconds() + timeout + 0.25
        self.deadline = deadline
        asked = selection.engines.map { engine in
            (engine, host.send(.engine(socket: engine.socket, seconds: timeout), until: deadline, stands: stands))
        }
    }

    /// Every answer is there, or its time is over. Does not wait.
    func isSettled(_ host: DriverSession) -> Bool {
        // The child answers at the deadline at the latest.
        monotonicSeconds() > deadline + 0.25 || asked.allSatisfy { host.isSettled($0.question) }
    }

    /// - Parameter kept: what engines said in earlier samples, by their sockets. An engine that does not answer this time still runs
    ///   these containers, as far as anybody knows: their names stay.
    func wait(_ host: DriverSession, _ kept: inout [String: ObservedEngine], now: Int64) -> Answers {
        var answers = Answers()
        for (engine, question) in asked {
            switch host.answer(to: question, until: deadline) {
            case .engine(let observed, let seconds):
                answers.engines.append(observed)
                answers.reports.append(
                    SourceReport(
                        name: name(engine, observed.runtime.rawValue, among: answers.reports), seconds: seconds))
                var observed = observed
                observed.answeredAt = now
                kept[engine.socket] = observed
            case .noEngine(let trouble, let seconds):
                let wasNeverThere = trouble.isAbsence && kept[engine.socket] == nil
                if !selection.isNamed && wasNeverThere { continue }
                answers.note(
                    report(on: engine, .other(trouble.message), seconds, among: answers.reports),
                    trouble.isForbidden ? nil : kept[engine.socket], isForbidden: trouble.isForbidden)
            case .failed(let why):
                answers.note(report(on: engine, why, 0, among: answers.reports), kept[engine.socket])
            default:
                // The folder of its socket hangs.
                let error = EngineError.timedOut(path: engine.socket, seconds: timeout)
                answers.note(
                    report(on: engine, .other(error.description), timeout, among: answers.reports),
                    kept[engine.socket])
            }
        }
        if answers.reports.isEmpty {
            let error = EngineError.none(lookedFor: selection.engines.map(\.socket))
            answers.reports = [
                SourceReport(name: "docker", seconds: 0, error: .other(error.description), isAbsent: true)
            ]
        }
        return answers
    }

    struct Answers {
        var engines: [ObservedEngine] = []
        var reports: [SourceReport] = []

        /// - Parameter earlier: the engine's previous answer, which is used instead.
        fileprivate mutating func note(
            _ report: SourceReport, _ earlier: ObservedEngine?, isForbidden: Bool = false
        ) {
            var report = report
            report.isForbidden = isForbidden ? true : nil
            report.answeredAt = earlier?.answeredAt
            if let earlier { engines.append(earlier) }
            reports.append(report)
        }
    }

    private func report(
        on engine: DockerEngine, _ why: Reason, _ seconds: Double, among reports: [SourceReport]
    ) -> SourceReport {
        let guess = engine.socket.contains("podman") ? "podman" : "docker"
        return SourceReport(name: name(engine, guess, among: reports), seconds: seconds, error: why)
    }

    /// "docker" or "podman"; the second of a kind has its socket in the name.
    private func name(_ engine: DockerEngine, _ kind: String, among reports: [SourceReport]) -> String {
        reports.contains { $0.name == kind } ? "\(kind):\(engine.socket)" : kind
    }
}
