import Ledger

/// `--filter KEY=VALUE` of `stats` and `ps`. As with `docker ps`, filters with the same key are alternatives, and filters with
/// different keys all apply.
package struct RowFilter: Sendable {
    package enum Key: String, CaseIterable, Sendable {
        case id, name, image, label, runtime, gpu, user
    }

    package enum Refusal: Error {
        /// The text has no `=`, or no value.
        case noValue(String)
        case unknownKey(String, known: [Key])
    }

    private var wanted: [Key: [String]] = [:]

    /// - Parameter keys: the keys that the command's rows have.
    package init(_ texts: [String], keys: [Key]) throws(Refusal) {
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1).map { String($0) }
            guard parts.count == 2 else { throw .noValue(text) }
            guard let key = Key(rawValue: parts[0].lowercased()), keys.contains(key) else {
                throw .unknownKey(parts[0], known: keys)
            }
            wanted[key, default: []].append(parts[1])
        }
    }

    package var isEmpty: Bool { wanted.isEmpty }

    package func keeps(_ row: Row) -> Bool {
        wanted.allSatisfy { key, values in values.contains { matches(row, key, $0) } }
    }

    private func matches(_ row: Row, _ key: Key, _ value: String) -> Bool {
        func field(_ name: String) -> String? { row[name].map { $0.plain ?? $0.text } }
        return switch key {
        case .id:
            // Ids are shown with 12 digits, and a whole id is given too.
            field("ContainerID").map { $0.hasPrefix(value) || $0.count >= 12 && value.hasPrefix($0) } == true
        case .name: field("ContainerName")?.contains(value) == true
        case .image: field("Image")?.contains(value) == true
        case .runtime: field("Runtime") == value
        case .user: field("User") == value
        case .gpu: field("GPU") == value || field("UUID")?.hasPrefix(value) == true
        case .label: matchesLabel(row, value)
        }
    }

    /// "KEY", or "KEY=VALUE".
    private func matchesLabel(_ row: Row, _ value: String) -> Bool {
        let parts = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { String($0) }
        guard let label = row.labels[parts[0]] else { return false }
        return parts.count == 1 || label == parts[1]
    }
}

extension RowFilter.Refusal {
    package var text: String {
        switch self {
        case .noValue(let text): "--filter '\(text)' has no value; use KEY=VALUE, such as name=trainer"
        case .unknownKey(let key, let known):
            "unknown filter '\(key)'\(didYouMean(key, among: known.map(\.rawValue))); use "
                + known.map(\.rawValue).joined(separator: ", ")
        }
    }
}
