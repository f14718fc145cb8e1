import ArgumentParser
import Rendering

/// What can be said of the arguments before ArgumentParser parses them.
enum Arguments {
    private static let names = Plimsoll.commands.compactMap { $0.configuration.commandName }

    /// Common options with a value.
    private static let valueOptions: Set = [
        "--procfs", "--sysfs", "--nvml-library", "--docker-host", "--timeout", "--replay",
    ]
    private static let flags: Set = ["--no-color", "--debug"]

    /// Moves common options from before the command to after it, because Docker accepts them in both positions: `--replay
    /// FILE stats` becomes `stats --replay FILE`.
    static func hoisted(_ arguments: [String]) -> [String] {
        var rest = arguments[...]
        let prefix = rest.first == "gpu" ? [rest.removeFirst()] : []
        var common: [String] = []
        while let option = rest.first {
            if flags.contains(option) || valueOptions.contains(where: { option.hasPrefix($0 + "=") }) {
                common.append(rest.removeFirst())
            } else if valueOptions.contains(option), rest.count > 1 {
                common += [rest.removeFirst(), rest.removeFirst()]
            } else {
                break
            }
        }
        guard !common.isEmpty, let command = rest.first, names.contains(command) else { return arguments }
        return prefix + [command] + common + rest.dropFirst()
    }

    /// `-v` alone asks for the version, as with docker.
    static func withoutShortVersion(_ arguments: [String]) -> [String] {
        arguments.drop { $0 == "gpu" }.elementsEqual(["-v"])
            ? arguments.map { $0 == "-v" ? "--version" : $0 } : arguments
    }

    static func asksForVersion(_ arguments: [String]) -> Bool { arguments.contains("--version") }

    /// The command that the arguments name; nil if they name none.
    static func command(in arguments: [String]) -> (any DocumentedCommand.Type)? {
        guard let word = arguments.first(where: { $0 != "gpu" }), !word.hasPrefix("-") else { return nil }
        let name = word == "help" ? arguments.drop { $0 != "help" }.dropFirst().first ?? "" : word
        return Plimsoll.commands.first { $0.configuration.commandName == name }
    }

    /// Whether the arguments begin with `help`.
    static func isHelpCommand(_ arguments: [String]) -> Bool { arguments.first { $0 != "gpu" } == "help" }

    /// A command that needs the GPU itself, or runs on this host, cannot read a recording.
    static func refuseReplay(in arguments: [String], _ command: (any DocumentedCommand.Type)?) throws {
        let needsHost =
            [CheckCommand.self, AllocCommand.self, RunCommand.self, MeasureCommand.self] as [any ParsableCommand.Type]
        guard let command, needsHost.contains(where: { $0 == command }) else { return }
        let words = arguments.drop { $0 == "gpu" }.dropFirst()
        // The words of `run`'s command are its own.
        let own = words.prefix { $0 != "--" && (command != RunCommand.self || $0.hasPrefix("-")) }
        guard own.contains(where: { $0 == "--replay" || $0.hasPrefix("--replay=") }) else { return }
        let name = command.configuration.commandName ?? ""
        throw Failure.usage("'\(name)' does not take --replay: it uses this host, not a recording")
    }

    /// ArgumentParser would call an unknown command an unexpected argument of the default command.
    static func refuseUnknownCommand(in arguments: [String]) throws {
        let words = Array(arguments.drop { $0 == "gpu" })
        guard let first = words.first, !first.hasPrefix("-") else { return }
        let topic = first == "help" ? words.dropFirst().first : first
        guard let topic, !topic.hasPrefix("-"), !names.contains(topic) else { return }
        throw Failure.usage(
            "unknown command '\(topic)'\(didYouMean(topic, among: names)); commands: \(names.joined(separator: ", "))")
    }
}
