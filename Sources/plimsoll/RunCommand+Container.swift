import ContainerRuntimes
import Glibc
import HostOptions
import Ledger
import Probe
import Rendering
import Sampling

/// `run --container`: watches a container instead of running a command, with the same report.
extension RunCommand {
    func watch(
        _ name: String, _ plan: SamplingPlan, _ files: [OutputFile], _ checks: [OutputFile.Check]
    ) throws -> Never {
        let mask = ContainerWatch.prepare()
        let watch: ContainerWatch
        do {
            for check in checks { try check.finish(within: plan.deviceTimeout) }
            watch = try begin(name, plan)
        } catch let failure as Failure {
            throw failure.ending(with: .ownFailure)
        }
        switch watch.next(isBegun: false) {
        case .signal(let number): Outcome(rawValue: 128 + number).exit()
        case .ended: Outcome.ownFailure.exit()
        case .start(.refused(let why)):
            report(why, name)
            Outcome.ownFailure.exit()
        case .start(.begun(let container)):
            if !quiet, Screen.errorsAreShown {
                Output.error("watching container \(container.nameOrID) until it ends; to stop, press Ctrl-C")
            }
        }
        var code: Int32 = 0
        if case .signal(let number) = watch.next(isBegun: true) { code = 128 + number }
        Command.finish(mask)
        guard let findings = watch.end(within: min(2, plan.deviceTimeout + 0.5)) else { Outcome.ownFailure.exit() }
        let container = findings.container
        let report = RunReport(
            .container(id: container.id, name: container.name, stillRuns: code != 0), usage: container.usage,
            client: nil,
            began: findings.began, interval: interval.seconds, isContainer: false, isCutShort: findings.isCutShort)
        finish(report, files, within: plan.deviceTimeout, code: code)
    }

    private func begin(_ name: String, _ plan: SamplingPlan) throws -> ContainerWatch {
        let naming = host.host.engineNaming
        do throws(CommandError) {
            return try ContainerWatch(
                name, interval: interval.seconds, plan,
                engines: { sampler in
                    do throws(EngineError) {
                        let selection = try HostOptions.selection(naming, sampler)
                        if let skipped = selection.skipped { Output.error("\(skipped)") }
                        return .success(EngineWatch(selection, plan))
                    } catch {
                        return .failure(.engines(.other(error.description)))
                    }
                }, notify: { Output.error($0) })
        } catch {
            throw Failure.impossible(error)
        }
    }

    private func report(_ why: ContainerWatch.Refusal, _ name: String) {
        switch why {
        case .none: Output.error(MissingContainer.absent(name))
        case .several(let containers):
            let ids = containers.map { shortID($0.id) }.joined(separator: ", ")
            Output.error(
                "\(containers.count) containers have the name or id \(name.cleaned); use one of these ids: \(ids)"
                    .cleaned)
        case .unknown(let snapshot):
            Output.troubles(of: snapshot)
            Output.error(MissingContainer.unknown(name))
        case .noDevice(let snapshot): Output.troubles(of: snapshot)
        case .engines(let why): Output.error(why.text)
        }
    }
}
