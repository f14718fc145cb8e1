import ArgumentParser

/// What a command's help screen shows beside its options.
struct CommandHelp {
    /// What follows the command's name in the usage line: "[OPTIONS] [CONTAINER...]".
    var synopsis: String
    /// Titles for groups of the command's own options, by their long names. Other options stand under "Options".
    var groups: [(title: String, options: [String])] = []
    var examples: [Example] = []

    struct Example {
        var purpose: String
        var command: String

        init(_ purpose: String, _ command: String) {
            self.purpose = purpose
            self.command = command
        }
    }
}

/// A command with a help screen of its own.
protocol DocumentedCommand: ParsableCommand {
    static var help: CommandHelp { get }
}
