import Ledger

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

    /// The document on one line, or indented on several lines.
    package func text(indented: Bool = false) -> String {
        var result: [UInt8] = []
        write(to: &result, indentation: indented ? 0 : nil)
        return String(decoding: result, as: UTF8.self)
    }

    private func write(to result: inout [UInt8], indentation: Int?) {
        switch self {
        case .null: result += "null".utf8
        case .bool(let value): result += (value ? "true" : "false").utf8
        case .integer(let value): result += String(value).utf8
        case .number(let value): result += (value.isFinite ? String(value) : "null").utf8
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
                result += (indentation == nil ? ":" : ": ").utf8
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
        _ open: String, _ close: String, _ count: Int, _ indentation: Int?, to result: inout [UInt8],
        element: (Int, Int?, inout [UInt8]) -> Void
    ) {
        result += open.utf8
        for index in 0..<count {
            if index > 0 { result.append(UInt8(ascii: ",")) }
            if let indentation { newLine(indentation + 1, to: &result) }
            element(index, indentation.map { $0 + 1 }, &result)
        }
        if let indentation, count > 0 { newLine(indentation, to: &result) }
        result += close.utf8
    }

    private static func newLine(_ indentation: Int, to result: inout [UInt8]) {
        result.append(UInt8(ascii: "\n"))
        result.append(contentsOf: repeatElement(UInt8(ascii: " "), count: indentation * 2))
    }

    private static func write(_ text: String, to result: inout [UInt8]) {
        result.append(UInt8(ascii: "\""))
        if text.utf8.allSatisfy({ 0x20..<0x7F ~= $0 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            result += text.utf8
        } else {
            for scalar in text.unicodeScalars { write(scalar, to: &result) }
        }
        result.append(UInt8(ascii: "\""))
    }

    private static func write(_ scalar: Unicode.Scalar, to result: inout [UInt8]) {
        switch scalar {
        case "\"": result += "\\\"".utf8
        case "\\": result += "\\\\".utf8
        case "\n": result += "\\n".utf8
        case "\t": result += "\\t".utf8
        case "\r": result += "\\r".utf8
        case _ where scalar.isUnsafe: result.appendJSONEscape(of: scalar)
        default: result += UTF8.encode(scalar)!
        }
    }
}
