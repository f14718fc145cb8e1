import ContainerRuntimes
import HostOptions
import Ledger
import Probe
import Sampling

extension RunCommand {
    /// The engines that a client uses: those that plimsoll's options name, else those that the command names, else the default ones.
    func engines(of client: CommandClient?, _ plan: SamplingPlan) -> CommandWatch.Engines {
        var naming = host.host.engineNaming
        if let client, naming.hosts.isEmpty, naming.context == nil {
            naming.hosts = client.engine.hosts
            naming.context = client.engine.context
            if client.program == .podman {
                // Podman ignores Docker contexts. Its service listens on the default sockets.
                naming.context = DockerContext.defaultName
                if naming.hosts.isEmpty { naming.hosts = environment("CONTAINER_HOST").map { [$0] } ?? [] }
            }
        }
        return { [naming] sampler in
            // The command's start waits for this.
            guard let selection = try? HostOptions.selection(naming, sampler, within: 0.1) else { return nil }
            // The client uses the engine that the environment or the configuration names.
            if let skipped = selection.skipped, skipped.reason != .silent { return nil }
            return EngineWatch(selection, plan)
        }
    }
}
