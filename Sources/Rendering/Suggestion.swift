/// The known name that is most like a mistyped one; nil if none is similar enough: at most a third of its letters wrong.
package func suggestion(for typed: String, among known: [String]) -> String? {
    let typed = typed.lowercased()
    guard typed.count <= 64 else { return nil }
    let ranked = known.filter { $0.count <= 64 }.map { (name: $0, distance: editDistance(typed, $0.lowercased())) }
    guard let best = ranked.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }) else { return nil }
    return best.distance <= max(1, max(typed.count, best.name.count) / 3) ? best.name : nil
}

/// " (did you mean 'stats'?)", or nothing.
package func didYouMean(_ typed: String, among known: [String]) -> String {
    suggestion(for: typed, among: known).map { " (did you mean '\($0)'?)" } ?? ""
}

/// Insertions, deletions, substitutions and swaps of neighbours (Damerau-Levenshtein, optimal string alignment).
private func editDistance(_ left: String, _ right: String) -> Int {
    let (left, right) = (Array(left), Array(right))
    var before: [Int] = []
    var previous = Array(0...right.count)
    for (row, letter) in left.enumerated() {
        var current = [row + 1]
        for (column, other) in right.enumerated() {
            var cost = min(previous[column + 1] + 1, current[column] + 1, previous[column] + (letter == other ? 0 : 1))
            if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other {
                cost = min(cost, before[column - 1] + 1)
            }
            current.append(cost)
        }
        (before, previous) = (previous, current)
    }
    return previous[right.count]
}

/// "0, 1 or 7:1".
func alternatives(_ names: [String]) -> String {
    guard let last = names.last, names.count > 1 else { return names.first ?? "" }
    return names.dropLast().joined(separator: ", ") + " or " + last
}
