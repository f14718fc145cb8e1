import Glibc

/// What is measured, as a table: what, Plimsoll's figure, the floor's, their ratio, the aim, and whether it is met.
struct Report {
    private var rows: [[String]] = [["", "plimsoll", "floor", "ratio", "aim", ""]]

    /// - Parameters:
    ///   - paired: the ratio, where it was had pair by pair.
    ///   - limit: of the ratio.
    mutating func compare(
        _ what: String, _ ours: Double, _ floor: Double, _ unit: String, ratio paired: Double? = nil,
        atMost limit: Double? = nil
    ) {
        let ratio = paired ?? ours / floor
        let amounts = ["\(decimals(ours, 2)) \(unit)", "\(decimals(floor, 2)) \(unit)"]
        add(what, amounts, ratio: ratio, aim: limit.map { (factor($0), ratio <= $0) })
    }

    /// - Parameter limit: of Plimsoll's amount.
    mutating func limit(_ what: String, _ ours: Double, _ floor: Double, _ unit: String, atMost limit: Double) {
        let amounts = ["\(decimals(ours, 2)) \(unit)", "\(decimals(floor, 2)) \(unit)"]
        add(what, amounts, ratio: nil, aim: ("\(decimals(limit, 0)) \(unit)", ours <= limit))
    }

    /// Of two of Plimsoll's own figures.
    mutating func ratio(_ what: String, _ ratio: Double, atMost limit: Double? = nil) {
        add(what, ["", ""], ratio: ratio, aim: limit.map { (factor($0), ratio <= $0) })
    }

    /// An aim as it was set: 1.8, and 1.01.
    private func factor(_ limit: Double) -> String { decimals(limit, (limit * 10).rounded() == limit * 10 ? 1 : 2) }

    private mutating func add(_ what: String, _ amounts: [String], ratio: Double?, aim: (String, isMet: Bool)?) {
        let judged = aim.map { ["at most \($0.0)", $0.isMet ? "met" : "missed"] } ?? ["", ""]
        rows.append([what] + amounts + [ratio.map { decimals($0, $0 < 1.1 && $0 > 0.9 ? 3 : 2) } ?? ""] + judged)
    }

    func printTable() {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        line("")
        for row in rows {
            let cells = zip(row, widths).enumerated().map { column, cell in
                let room = String(repeating: " ", count: cell.1 - cell.0.count)
                return column == 0 ? cell.0 + room : room + cell.0
            }
            var text = cells.joined(separator: "  ")
            while text.last == " " { text.removeLast() }
            line(text)
        }
    }

    func line(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

func decimals(_ value: Double, _ places: Int) -> String {
    let factor = (0..<places).reduce(1.0) { product, _ in product * 10 }
    let scaled = Int((abs(value) * factor).rounded())
    let digits = String(scaled % Int(factor))
    let fraction = places == 0 ? "" : "." + String(repeating: "0", count: places - digits.count) + digits
    return (value < 0 && scaled > 0 ? "-" : "") + String(scaled / Int(factor)) + fraction
}
