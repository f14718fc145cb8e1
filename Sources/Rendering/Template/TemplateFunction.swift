/// The functions of templates: those of Docker's command line, and Go's comparisons without which `if` is of little use.
enum TemplateFunction: String, CaseIterable {
    case json, upper, lower, title, truncate, pad, join, split
    case eq, ne, and, or, not, len

    /// How many arguments it takes.
    var arity: ClosedRange<Int> {
        switch self {
        case .json, .upper, .lower, .title, .not, .len: 1...1
        case .truncate, .join, .split, .ne: 2...2
        case .pad: 3...3
        case .eq, .and, .or: 2...16
        }
    }

    /// - Parameter inTitle: whether the title line of a table is made, in which only `pad` does anything.
    func apply(_ values: [TemplateValue], inTitle: Bool, position: Int) throws(TemplateError) -> TemplateValue {
        func text(_ index: Int) -> String { values[index].text }
        func number(_ index: Int) throws(TemplateError) -> Int {
            guard case .number(let number) = values[index], (0...1_000_000).contains(number) else {
                throw TemplateError(position: position, reason: "\(rawValue) needs a number here")
            }
            return number
        }
        if inTitle, ![.pad, .eq, .ne, .and, .or, .not].contains(self) {
            // The text that it works on is its first argument, with split and truncate as with the others.
            return values[0]
        }
        switch self {
        case .json: return .text(Self.json(values[0]).text())
        case .upper: return .text(text(0).uppercased())
        case .lower: return .text(text(0).lowercased())
        case .title: return .text(Self.title(text(0)))
        case .truncate: return .text(String(text(0).unicodeScalars.prefix(try number(1))))
        case .pad:
            return .text(
                String(repeating: " ", count: try number(1)) + text(0) + String(repeating: " ", count: try number(2)))
        case .join:
            guard case .list(let list) = values[0] else {
                throw TemplateError(position: position, reason: "join needs a list, such as the result of split")
            }
            return .text(list.joined(separator: text(1)))
        case .split: return .list(Self.split(text(0), at: text(1)))
        case .eq: return .truth(values.dropFirst().contains { $0.text == text(0) })
        case .ne: return .truth(text(0) != text(1))
        case .and: return values.first { !$0.isTrue } ?? values[values.count - 1]
        case .or: return values.first { $0.isTrue } ?? values[values.count - 1]
        case .not: return .truth(!values[0].isTrue)
        case .len:
            if case .list(let list) = values[0] { return .number(list.count) }
            return .number(text(0).utf8.count)
        }
    }

    private static func json(_ value: TemplateValue) -> JSON {
        switch value {
        case .row(let row): row.json
        case .titles: .null
        case .text(let text), .foreign(let text): .string(text)
        case .number(let number): .integer(Int64(number))
        case .truth(let truth): .bool(truth)
        case .list(let list): .array(list.map { .string($0) })
        }
    }

    private static func title(_ text: String) -> String {
        var startsWord = true
        return String(
            text.flatMap { character -> String in
                defer { startsWord = !character.isLetter && !character.isNumber }
                return startsWord ? character.uppercased() : String(character)
            })
    }

    /// By bytes, as Go does it: to Swift a separator that a combining mark follows is another character.
    private static func split(_ text: String, at separator: String) -> [String] {
        guard !separator.isEmpty else { return text.unicodeScalars.map { String($0) } }
        var parts: [String] = []
        var rest = text.utf8[...]
        while let range = rest.firstRange(of: separator.utf8) {
            parts.append(String(Substring(rest[..<range.lowerBound])))
            rest = rest[range.upperBound...]
        }
        return parts + [String(Substring(rest))]
    }
}
