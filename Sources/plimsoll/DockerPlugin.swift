import ArgumentParser
import Glibc
import HostOptions
import Rendering

/// The Docker CLI plugin `docker gpu`. Docker starts `docker-gpu` with Docker's global options, the word `gpu`, and our arguments.
enum DockerPlugin {
    static let executable = "docker-gpu"
    static let metadataCommand = "docker-cli-plugin-metadata"

    static func main(_ arguments: [String]) {
        switch arguments.first {
        case metadataCommand?: Output.write(metadata.text() + "\n")
        case "__complete"?, "__completeNoDesc"?: Output.write(completions(arguments.dropFirst()))
        default: Main.run(Docker.self, afterGlobalOptions(arguments), program: "docker gpu")
        }
    }

    /// Docker CLI plugin protocol, cli-plugins/metadata.
    private static var metadata: JSON {
        .object([
            ("SchemaVersion", .string("0.1.0")), ("Vendor", .string("Plimsoll")),
            ("Version", .string(Plimsoll.version)),
            ("ShortDescription", .string("GPU memory of containers")),
        ])
    }

    /// Docker passes on its global options, which stand before `gpu`. Keeps the engine that they name, apart from an engine that the
    /// environment names, because the user asked for it. Skips all other options.
    private static func afterGlobalOptions(_ arguments: [String]) -> [String] {
        var rest = arguments[...]
        while let option = rest.first, option.hasPrefix("-"), !["-h", "--help", "-v", "--version"].contains(option) {
            rest.removeFirst()
            let parts = Self.parts(option)
            guard takesValue.contains(parts[0]) else { continue }
            guard let value = parts.count > 1 ? parts[1] : rest.popFirst() else { break }
            switch parts[0] {
            // The docker client ignores an empty value.
            case "-H", "--host": if !value.isEmpty { HostOptions.dockerOptions.withLock { $0.hosts.append(value) } }
            case "-c", "--context": HostOptions.dockerOptions.withLock { $0.context = value.isEmpty ? nil : value }
            case "--config": setenv("DOCKER_CONFIG", value, 1)
            default: break
            }
        }
        return Array(rest)
    }

    /// Name and value of `--host=URL` and `-HURL`; of another option its name.
    private static func parts(_ option: String) -> [String] {
        if let short = ["-H", "-c", "-l"].first(where: { option.hasPrefix($0) && option.count > 2 }) {
            let value = option.dropFirst(2)
            return [short, String(value.hasPrefix("=") ? value.dropFirst() : value)]
        }
        return option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    }

    private static let takesValue: Set = [
        "-H", "--host", "-c", "--context", "--config", "-l", "--log-level", "--tlscacert", "--tlscert", "--tlskey",
    ]

    /// The lines that Docker's completion reads: one candidate per line, with a description after a tab, then `:4`, which keeps the
    /// shell from adding file names (cobra, ShellCompDirectiveNoFileComp).
    private static func completions(_ arguments: ArraySlice<String>) -> [String] {
        let words = afterGlobalOptions(Array(arguments)).drop { $0 == "gpu" }
        let last = words.last ?? ""
        let commands = Plimsoll.commands.map { $0.configuration }
        var candidates: [String] = []
        if last.hasPrefix("-") {
            let command = Plimsoll.commands.first { $0.configuration.commandName == words.first }
            let options = HelpScreen(command ?? LedgerCommand.self, program: "docker gpu").optionNames
            candidates = options.filter { $0.hasPrefix(last) }.sorted()
        } else if words.count <= 1 {
            candidates = commands.filter { $0.commandName?.hasPrefix(last) ?? false }.map {
                "\($0.commandName ?? "")\t\($0.abstract)"
            }
        }
        return candidates + [":4"]
    }
}

/// The commands under `docker gpu`.
struct Docker: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "docker", abstract: "Docker", shouldDisplay: false, subcommands: [GPU.self])

    struct GPU: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "gpu",
            abstract: Plimsoll.configuration.abstract,
            discussion: Plimsoll.configuration.discussion,
            version: Plimsoll.version,
            subcommands: Plimsoll.configuration.subcommands,
            defaultSubcommand: LedgerCommand.self)
    }
}
