import ArgumentParser
import Rendering

/// The arguments, and what can be said of them before ArgumentParser parses them.
struct Arguments {
    /// `gpu`, if Docker started this program as a plugin; else empty.
    private let prefix: [String]
    private let words: [String]

    init(_ arguments: [String]) {
        prefix = Array(arguments.prefix { $0 == "gpu" })
        let words = Array(arguments.dropFirst(prefix.count))
        // `-v` alone asks for the version, as with docker.
        self.words = words == ["-v"] ? ["--version"] : Self.hoisted(words)
    }

    /// All of them, for ArgumentParser.
    var all: [String] { prefix + words }

    private static let names = Plimsoll.commands.compactMap { $0.configuration.commandName }

    /// Common options with a value.
    private static let valueOptions: Set = [
        "--procfs", "--sysfs", "--nvml-library", "--docker-host", "--timeout", "--replay",
    ]
    private static let flags: Set = ["--no-color", "--debug"]

    /// Moves common options from before the command to after it, because Docker accepts them in both positions: `--replay
    /// FILE stats` becomes `stats --replay FILE`.
    private static func hoisted(_ words: [String]) -> [String] {
        var rest = words[...]
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
        guard !common.isEmpty, let command = rest.first, names.contains(command) else { return words }
        return [command] + common + rest.dropFirst()
    }

    var asksForVersion: Bool { words.contains("--version") }

    /// The command that the arguments name; nil if they name none.
    var command: (any DocumentedCommand.Type)? {
        guard let topic else { return nil }
        return Plimsoll.commands.first { $0.configuration.commandName == topic }
    }

    /// Whether the arguments begin with `help`.
    var isHelpCommand: Bool { words.first == "help" }

    /// The first word, or the word after `help`; nil if it is an option, or `help` itself.
    private var topic: String? {
        let word = isHelpCommand ? words.dropFirst().first : words.first
        return word.flatMap { $0.hasPrefix("-") || $0 == "help" ? nil : $0 }
    }

    /// A command that needs the GPU itself, or runs on this host, cannot read a recording.
    func refuseReplay() throws {
        let needsHost =
            [CheckCommand.self, AllocCommand.self, RunCommand.self, MeasureCommand.self] as [any ParsableCommand.Type]
        guard let command, needsHost.contains(where: { $0 == command }) else { return }
        // The words of `run`'s command are its own.
        let own = words.dropFirst().prefix { $0 != "--" && (command != RunCommand.self || $0.hasPrefix("-")) }
        guard own.contains(where: { $0 == "--replay" || $0.hasPrefix("--replay=") }) else { return }
        let name = command.configuration.commandName ?? ""
        throw Failure.usage("'\(name)' does not take --replay: it uses this host, not a recording")
    }

    /// ArgumentParser would call an unknown command an unexpected argument of the default command.
    func refuseUnknownCommand() throws {
        guard let topic, !Self.names.contains(topic) else { return }
        let names = Self.names.joined(separator: ", ")
        throw Failure.usage("unknown command '\(topic)'\(didYouMean(topic, among: Self.names)); commands: \(names)")
    }
}
