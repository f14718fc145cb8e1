import ContainerRuntimes
import Ledger

/// One question to every engine, side by side with the drivers and /proc, through the child that reads the host's files.
struct EngineRound {
    private let selection: EngineSelection
    private let timeout: Double
    /// In seconds of the monotonic clock.
    private let deadline: Double
    private let asked: [(engine: DockerEngine, question: UInt32?)]

    init(_ selection: EngineSelection, through host: DriverSession, within timeout: Double) {
        self.selection = selection
        self.timeout = timeout
        // The client in the child keeps the time of an engine; the rest is for an answer that takes long to understand.
        let deadline = monotonicSeconds() + timeout + 0.25
        self.deadline = deadline
        asked = selection.engines.map { engine in
            (engine, host.send(.engine(socket: engine.socket, seconds: timeout), until: deadline))
        }
    }

    func wait(_ host: DriverSession) -> (engines: [ObservedEngine], reports: [SourceReport]) {
        var engines: [ObservedEngine] = []
        var reports: [SourceReport] = []
        for (engine, question) in asked {
            switch host.answer(to: question, until: deadline) {
            case .engine(let observed, let seconds):
                engines.append(observed)
                reports.append(
                    SourceReport(name: name(engine, observed.runtime.rawValue, among: reports), seconds: seconds))
            case .noEngine(let trouble, let seconds):
                if !selection.isNamed && trouble.isAbsence { continue }
                var told = report(on: engine, trouble.message, seconds, among: reports)
                told.isForbidden = trouble.isForbidden ? true : nil
                reports.append(told)
            case .failed(let why):
                reports.append(report(on: engine, "\(engine.socket.cleaned): \(why)", 0, among: reports))
            default:
                // The folder of its socket hangs.
                let error = EngineError.timedOut(path: engine.socket, seconds: timeout)
                reports.append(report(on: engine, error.description, timeout, among: reports))
            }
        }
        if reports.isEmpty {
            let error = EngineError.none(lookedFor: selection.engines.map(\.socket))
            reports = [SourceReport(name: "docker", seconds: 0, error: error.description, isAbsent: true)]
        }
        return (engines, reports)
    }

    private func report(
        on engine: DockerEngine, _ why: String, _ seconds: Double, among reports: [SourceReport]
    ) -> SourceReport {
        let guess = engine.socket.contains("podman") ? "podman" : "docker"
        return SourceReport(name: name(engine, guess, among: reports), seconds: seconds, error: why)
    }

    /// "docker" or "podman"; the second of a kind has its socket behind it.
    private func name(_ engine: DockerEngine, _ kind: String, among reports: [SourceReport]) -> String {
        reports.contains { $0.name == kind } ? "\(kind):\(engine.socket)" : kind
    }
}
