/// A JSON document whose keys stay in the order in which they were given.
package enum JSON: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([(String, JSON)])

    package static func string(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }
    package static func integer(_ value: Int64?) -> JSON { value.map { .integer($0) } ?? .null }

    /// On one line, or on several with `indentation` where it is given.
    package func text(indented: Bool = false) -> String {
        var result = ""
        write(to: &result, indentation: indented ? 0 : nil)
        return result
    }

    private func write(to result: inout String, indentation: Int?) {
        switch self {
        case .null: result += "null"
        case .bool(let value): result += value ? "true" : "false"
        case .integer(let value): result += String(value)
        case .number(let value): result += value.isFinite ? String(value) : "null"
        case .string(let value): Self.write(value, to: &result)
        case .array(let values):
            // Numbers and the like stay on their line.
            let isFlat = values.allSatisfy(\.isScalar)
            Self.write("[", "]", values.count, isFlat ? nil : indentation, to: &result) { index, indentation, result in
                values[index].write(to: &result, indentation: indentation)
            }
        case .object(let members):
            Self.write("{", "}", members.count, indentation, to: &result) { index, indentation, result in
                Self.write(members[index].0, to: &result)
                result += indentation == nil ? ":" : ": "
                members[index].1.write(to: &result, indentation: indentation)
            }
        }
    }

    private var isScalar: Bool {
        switch self {
        case .array, .object: false
        default: true
        }
    }

    private static func write(
        _ open: String, _ close: String, _ count: Int, _ indentation: Int?, to result: inout String,
        element: (Int, Int?, inout String) -> Void
    ) {
        result += open
        let inner = indentation.map { $0 + 1 }
        for index in 0..<count {
            if index > 0 { result += "," }
            if let inner { result += "\n" + String(repeating: "  ", count: inner) }
            element(index, inner, &result)
        }
        if let indentation, count > 0 { result += "\n" + String(repeating: "  ", count: indentation) }
        result += close
    }

    private static func write(_ text: String, to result: inout String) {
        result += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        result += "\""
    }
}
