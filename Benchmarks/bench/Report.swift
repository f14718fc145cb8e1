import Glibc

/// The lines that are printed, and whether every target was met.
struct Report {
    private(set) var isMet = true

    func title(_ text: String) { line("\n\(text)") }

    func figure(_ name: String, _ value: Double, _ unit: String, note: String = "") {
        line("  \(padded(name, 44))\(padded(decimals(value, 3), 9, left: true)) \(padded(unit, 6))\(note)")
    }

    mutating func target(_ name: String, _ value: Double, _ unit: String, atMost limit: Double) {
        let met = value <= limit
        isMet = isMet && met
        figure(name, value, unit, note: "at most \(decimals(limit, 1)): \(met ? "met" : "missed")")
    }

    func line(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }

    private func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
        let room = String(repeating: " ", count: max(0, width - text.count))
        return left ? room + text : text + room
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
