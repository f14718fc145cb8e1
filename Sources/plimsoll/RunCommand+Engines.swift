import ContainerRuntimes
import Ledger
import Probe
import Sampling

extension RunCommand {
    /// The engines that a client asks: those that our own options name, else those that its words name, else the usual ones.
    func engines(of client: CommandClient?, _ plan: SamplingPlan) -> CommandWatch.Engines {
        var naming = host.engineNaming
        if let client, naming.hosts.isEmpty, naming.context == nil {
            naming.hosts = client.engine.hosts
            naming.context = client.engine.context
            if client.program == .podman {
                // Docker's contexts mean nothing to Podman, and its service listens in the usual places.
                naming.context = DockerContext.defaultName
                if naming.hosts.isEmpty { naming.hosts = environment("CONTAINER_HOST").map { [$0] } ?? [] }
            }
        }
        return { [naming] sampler in
            // The command waits for this.
            guard let selection = try? HostOptions.selection(naming, sampler, within: 0.1) else { return nil }
            // What the environment or the configuration names is what the client itself asks.
            if let skipped = selection.skipped, skipped.reason != .silent { return nil }
            return EngineWatch(selection, plan)
        }
    }
}
