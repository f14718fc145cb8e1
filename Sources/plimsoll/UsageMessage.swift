import ArgumentParser
import Ledger

enum UsageMessage {
    /// What ArgumentParser says of wrong usage. Its message repeats arguments as they are: if they hold unsafe characters, it is
    /// asked again with clean ones.
    static func text(
        for error: any Error, of root: (some ParsableCommand).Type, _ arguments: [String]
    ) -> String {
        let clean = arguments.map(\.cleaned)
        guard clean != arguments else { return root.fullMessage(for: error) }
        do {
            _ = try root.parseAsRoot(clean)
        } catch let again {
            return root.fullMessage(for: again)
        }
        return root.fullMessage(for: error)
    }
}
