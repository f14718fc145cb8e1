/// Parses a template: text, and actions between `{{` and `}}`.
struct TemplateParser {
    private let characters: [Character]
    private let offset: Int
    private let kind: RowKind
    private var next = 0
    private var depth = 0

    init(_ text: String, offset: Int, kind: RowKind) {
        characters = Array(text)
        self.offset = offset
        self.kind = kind
    }

    mutating func parse() throws(TemplateError) -> [TemplateNode] {
        let (nodes, end) = try parseNodes(inRange: false)
        if let end { throw error("{{\(end.word)}} without an if or range", at: end.position) }
        return nodes
    }

    private enum End {
        case end(Int)
        case otherwise(Int)

        var word: String { if case .end = self { "end" } else { "else" } }
        var position: Int {
            switch self {
            case .end(let position), .otherwise(let position): position
            }
        }
    }

    private func error(_ reason: String, at position: Int) -> TemplateError {
        TemplateError(position: position + offset + 1, reason: reason)
    }

    // MARK: Text and blocks

    private mutating func parseNodes(inRange: Bool) throws(TemplateError) -> ([TemplateNode], End?) {
        depth += 1
        defer { depth -= 1 }
        guard depth < 64 else { throw error("blocks are nested too deeply", at: next) }
        var nodes: [TemplateNode] = []
        var text = ""
        func flush(_ nodes: inout [TemplateNode], _ text: inout String) {
            if !text.isEmpty { nodes.append(.text(text)) }
            text = ""
        }
        while next < characters.count {
            guard starts(with: "{{") else {
                text += readText()
                continue
            }
            let start = next
            next += 2
            // `{{- ` takes the white space before it along, ` -}}` what comes after.
            if peek() == "-", peek(1)?.isWhitespace == true {
                next += 1
                while text.last?.isWhitespace == true { text.removeLast() }
            }
            skipSpace()
            flush(&nodes, &text)
            if starts(with: "/*") {
                try skipComment(from: start)
                continue
            }
            switch readKeyword() {
            case "end"?:
                try close(start)
                return (nodes, .end(start))
            case "else"?: return (nodes, .otherwise(start))
            case "if"?: nodes.append(try parseIf(start, inRange: inRange))
            case "range"?: nodes.append(try parseRange(start, inRange: inRange))
            default:
                let expression = try parsePipeline(inRange: inRange)
                try close(start)
                nodes.append(.output(expression))
            }
        }
        flush(&nodes, &text)
        return (nodes, nil)
    }

    private mutating func parseIf(_ start: Int, inRange: Bool) throws(TemplateError) -> TemplateNode {
        let condition = try parsePipeline(inRange: inRange)
        try close(start)
        let (then, end) = try parseNodes(inRange: inRange)
        switch end {
        case .end: return .branch(condition, then: then, otherwise: [])
        case nil: throw error("this if has no {{end}}", at: start)
        case .otherwise(let position):
            skipSpace()
            if readKeyword() == "if" {
                // `else if` ends with the same {{end}}.
                return .branch(condition, then: then, otherwise: [try parseIf(position, inRange: inRange)])
            }
            try close(position)
            return .branch(condition, then: then, otherwise: try parseLast(start, "if", inRange: inRange))
        }
    }

    private mutating func parseRange(_ start: Int, inRange: Bool) throws(TemplateError) -> TemplateNode {
        let list = try parsePipeline(inRange: inRange)
        try close(start)
        let (body, end) = try parseNodes(inRange: true)
        switch end {
        case .end: return .loop(list, body: body, otherwise: [])
        case nil: throw error("this range has no {{end}}", at: start)
        case .otherwise(let position):
            try close(position)
            return .loop(list, body: body, otherwise: try parseLast(start, "range", inRange: inRange))
        }
    }

    private mutating func parseLast(
        _ start: Int, _ what: String, inRange: Bool
    ) throws(TemplateError) -> [TemplateNode] {
        let (nodes, end) = try parseNodes(inRange: inRange)
        guard case .end = end else { throw error("this \(what) has no {{end}}", at: start) }
        return nodes
    }

    // MARK: Expressions

    private mutating func parsePipeline(inRange: Bool) throws(TemplateError) -> TemplateExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth < 64 else { throw error("parentheses are nested too deeply", at: next) }
        var value = try parseCommand(piped: nil, inRange: inRange)
        skipSpace()
        while peek() == "|" {
            next += 1
            value = try parseCommand(piped: value, inRange: inRange)
            skipSpace()
        }
        return value
    }

    /// A value, or a function with its arguments; what a pipe brings is the last of them.
    private mutating func parseCommand(
        piped: TemplateExpression?, inRange: Bool
    ) throws(TemplateError) -> TemplateExpression {
        skipSpace()
        let start = next
        guard let word = readWord() else {
            guard piped == nil else { throw error("after |, a function is needed", at: start) }
            return try parseOperand(inRange: inRange)
        }
        if let truth = ["true": true, "false": false][word] {
            return TemplateExpression(kind: .constant(.truth(truth)), position: start + offset + 1)
        }
        guard let function = TemplateFunction(rawValue: word) else {
            let known = TemplateFunction.allCases.map(\.rawValue).joined(separator: ", ")
            throw error("unknown function \(word) (fields start with a dot); functions: \(known)", at: start)
        }
        var arguments: [TemplateExpression] = []
        skipSpace()
        while let character = peek(), !starts(with: "}}"), !starts(with: "-}}"), character != "|", character != ")" {
            arguments.append(try parseOperand(inRange: inRange))
            skipSpace()
        }
        if let piped { arguments.append(piped) }
        guard function.arity.contains(arguments.count) else {
            let wanted = function.arity.lowerBound
            let more = function.arity.count > 1 ? " or more" : ""
            throw error(
                "\(word) takes \(wanted)\(more) argument\(wanted == 1 ? "" : "s"), not \(arguments.count)", at: start)
        }
        // Docker's own order: `split .Names ","` and `truncate .Name 8` have the text first.
        return TemplateExpression(kind: .call(function, arguments), position: start + offset + 1)
    }

    private mutating func parseOperand(inRange: Bool) throws(TemplateError) -> TemplateExpression {
        let start = next
        func made(_ kind: TemplateExpression.Kind) -> TemplateExpression {
            TemplateExpression(kind: kind, position: start + offset + 1)
        }
        guard let character = peek() else { throw error("this {{ has no }}", at: start) }
        switch character {
        case ".": return made(try parseField(inRange: inRange))
        case "\"", "`": return made(.constant(.text(try readString(character))))
        case "(":
            next += 1
            let inner = try parsePipeline(inRange: inRange)
            skipSpace()
            guard peek() == ")" else { throw error("this ( has no )", at: start) }
            next += 1
            return inner
        case _ where character.isNumber:
            var digits = ""
            while let digit = peek(), digit.isNumber {
                digits.append(digit)
                next += 1
            }
            guard let number = Int(digits) else { throw error("\(digits) is not a number", at: start) }
            return made(.constant(.number(number)))
        case "}": throw error("a value is missing", at: start)
        default: throw error("unexpected \(character)", at: start)
        }
    }

    private mutating func parseField(inRange: Bool) throws(TemplateError) -> TemplateExpression.Kind {
        let start = next
        next += 1
        guard let name = readWord() else { return .dot }
        if inRange { throw error("inside range, . is an element of the list and has no field .\(name)", at: start) }
        if name == "Label", kind.hasLabels {
            skipSpace()
            guard let quote = peek(), quote == "\"" || quote == "`" else {
                throw error(".Label needs a label key, such as .Label \"com.example.team\"", at: start)
            }
            return .label(try readString(quote))
        }
        let known = kind.titles.map(\.field)
        guard known.contains(name) else {
            let hint = kind.hints[name].map { "; \($0)" } ?? didYouMean(name, among: known)
            throw error("unknown field .\(name)\(hint); fields: \(kind.fieldList)", at: start)
        }
        return .field(name)
    }

    // MARK: Characters

    private func peek(_ ahead: Int = 0) -> Character? {
        next + ahead < characters.count ? characters[next + ahead] : nil
    }

    private func starts(with text: String) -> Bool {
        characters[next...].starts(with: text)
    }

    private mutating func skipSpace() {
        while peek()?.isWhitespace == true { next += 1 }
    }

    private mutating func readText() -> String {
        if peek() == "\\", let escaped = peek(1), let meant: Character = ["t": "\t", "n": "\n"][escaped] {
            next += 2
            return String(meant)
        }
        defer { next += 1 }
        return String(characters[next])
    }

    private mutating func readWord() -> String? {
        var word = ""
        while let character = peek(), character.isLetter || character == "_" || (!word.isEmpty && character.isNumber) {
            word.append(character)
            next += 1
        }
        return word.isEmpty ? nil : word
    }

    /// A word of the template language, or nothing read.
    private mutating func readKeyword() -> String? {
        let start = next
        if let word = readWord(), ["if", "else", "end", "range"].contains(word) { return word }
        next = start
        return nil
    }

    private mutating func readString(_ quote: Character) throws(TemplateError) -> String {
        let start = next
        next += 1
        var text = ""
        while let character = peek() {
            next += 1
            if character == quote { return text }
            if character == "\\", quote == "\"", let escaped = peek() {
                next += 1
                text.append(["n": "\n", "t": "\t"][escaped] ?? escaped)
            } else {
                text.append(character)
            }
        }
        throw error("this string has no closing quote", at: start)
    }

    private mutating func skipComment(from start: Int) throws(TemplateError) {
        while next < characters.count, !starts(with: "*/") { next += 1 }
        guard next < characters.count else { throw error("this comment has no */", at: start) }
        next += 2
        try close(start)
    }

    private mutating func close(_ start: Int) throws(TemplateError) {
        skipSpace()
        let trims = starts(with: "-}}")
        if trims { next += 1 }
        guard starts(with: "}}") else {
            let what =
                peek().map { "unexpected \($0); close {{ with }}" } ?? "{{ is not closed: add }}"
            throw error(what, at: peek() == nil ? start : next)
        }
        next += 2
        if trims { skipSpace() }
    }
}
