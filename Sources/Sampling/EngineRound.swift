import ContainerRuntimes
import Ledger

/// One question to every engine, side by side with the driver and /proc.
struct EngineRound {
    private let selection: EngineSelection
    private let timeout: Double
    /// In seconds of the monotonic clock.
    private let askedAt = monotonicSeconds()
    private let asked: [(engine: DockerEngine, answer: Answer<Reply>)]

    private struct Reply: Sendable {
        var result: Result<ObservedEngine, EngineError>
        var seconds: Double
    }

    init(_ selection: EngineSelection, within timeout: Double) {
        self.selection = selection
        self.timeout = timeout
        asked = selection.engines.map { engine in
            let answer = Answer(
                { () -> Reply in
                    var clock = Stopwatch()
                    do throws(EngineError) {
                        let observed = try engine.containers(within: timeout)
                        return Reply(result: .success(observed), seconds: clock.lap())
                    } catch {
                        return Reply(result: .failure(error), seconds: clock.lap())
                    }
                }, failed: { Reply(result: .failure(.notAsked(path: engine.socket, why: $0)), seconds: 0) })
            return (engine, answer)
        }
    }

    func wait() -> (engines: [ObservedEngine], reports: [SourceReport]) {
        var engines: [ObservedEngine] = []
        var reports: [SourceReport] = []
        for (engine, answer) in asked {
            // The client keeps its own deadline; this one is for an answer that takes long to understand.
            let reply =
                answer.wait(seconds: max(0, askedAt + timeout + 0.5 - monotonicSeconds()))
                ?? Reply(result: .failure(.timedOut(path: engine.socket, seconds: timeout)), seconds: timeout)
            switch reply.result {
            case .success(let observed):
                engines.append(observed)
                reports.append(
                    SourceReport(name: name(engine, observed.runtime.rawValue, among: reports), seconds: reply.seconds))
            case .failure(let error):
                if !selection.isNamed && error.isAbsence { continue }
                let guess = engine.socket.contains("podman") ? "podman" : "docker"
                reports.append(
                    SourceReport(
                        name: name(engine, guess, among: reports), seconds: reply.seconds, error: error.description,
                        isForbidden: error.isForbidden ? true : nil))
            }
        }
        if reports.isEmpty {
            let error = EngineError.none(lookedFor: selection.engines.map(\.socket))
            reports = [SourceReport(name: "docker", seconds: 0, error: error.description, isAbsent: true)]
        }
        return (engines, reports)
    }

    /// "docker" or "podman"; the second of a kind has its socket behind it.
    private func name(_ engine: DockerEngine, _ kind: String, among reports: [SourceReport]) -> String {
        reports.contains { $0.name == kind } ? "\(kind):\(engine.socket)" : kind
    }
}
