import Ledger
import Rendering

/// What is said of a name that no running container has.
enum MissingContainer {
    static func absent(_ name: String, among known: [String] = []) -> String {
        "no running container has the name or id \(name.cleaned)\(didYouMean(name, among: known).cleaned)"
    }

    /// An engine that did not answer may run a container of this name.
    static func unknown(_ name: String) -> String {
        "cannot say whether a container has the name or id \(name.cleaned): an engine did not answer"
    }

    /// Reports each of these names.
    ///
    /// - Returns: no, or impossible if an engine did not answer.
    static func report(_ names: [String], in snapshot: Snapshot) -> Outcome {
        let isKnown = !snapshot.sources.contains { !$0.ok && $0.isEngine }
        let known = snapshot.containerNames
        Output.errors(names.map { isKnown ? absent($0, among: known) : unknown($0) })
        return isKnown ? .no : .impossible
    }
}
