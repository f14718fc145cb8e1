import ArgumentParser
import Ledger
import Rendering

/// The whole number that an argument means.
/// - Throws: `ValidationError`, which names the range.
func wholeNumber(_ argument: String, in range: ClosedRange<Int>) throws -> Int {
    guard let number = Int(argument), range.contains(number) else {
        throw ValidationError("Use a whole number from \(range.lowerBound) to \(range.upperBound).")
    }
    return number
}

/// The message for wrong usage: the problem, the usage line, and where help is.
struct UsageMessage {
    /// How the program was called: `plimsoll`, or `docker gpu`.
    let program: String
    /// nil for the program itself.
    let command: (any DocumentedCommand.Type)?

    func text(_ problem: String) -> String {
        let screen = HelpScreen(command, program: program)
        let name = command?.configuration.commandName.map { "\(program) \($0)" } ?? program
        return "\(problem)\n\(screen.usage)\nRun '\(name) --help' for more information."
    }

    /// ArgumentParser takes a negative number for an option, and calls the value missing. What follows `--` is not parsed.
    private static func negative(_ problem: String, _ arguments: [String]) -> String {
        let own = arguments.prefix { $0 != "--" }
        guard problem.hasPrefix("Missing "),
            let number = own.first(where: { $0.hasPrefix("-") && $0.dropFirst().first?.isNumber == true })
        else { return problem }
        return "\(problem); '\(number)' is not accepted: it must not be negative"
    }

    /// ArgumentParser's description of wrong usage. It repeats arguments as they are: if they hold unsafe characters, parse again with
    /// clean ones.
    static func problem(_ error: any Error, of root: (some ParsableCommand).Type, _ arguments: [String]) -> String {
        let clean = arguments.map(\.cleaned)
        var described = error
        if clean != arguments {
            do { _ = try root.parseAsRoot(clean) } catch { described = error }
        }
        return negative(root.message(for: described), clean)
    }
}
