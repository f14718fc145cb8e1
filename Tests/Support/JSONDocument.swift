import Foundation

/// A JSON document, as far as tests look into it.
package struct JSONDocument {
    private var value: Any?

    package init(_ text: String) throws {
        value = try JSONSerialization.jsonObject(with: Data(text.utf8), options: [.fragmentsAllowed])
    }

    private init(value: Any?) { self.value = value }

    package subscript(key: String) -> JSONDocument { JSONDocument(value: (value as? [String: Any])?[key]) }
    package subscript(index: Int) -> JSONDocument {
        let array = value as? [Any] ?? []
        return JSONDocument(value: array.indices.contains(index) ? array[index] : nil)
    }

    package var elements: [JSONDocument] { (value as? [Any] ?? []).map { JSONDocument(value: $0) } }
    package var members: [String: JSONDocument] {
        (value as? [String: Any] ?? [:]).mapValues { JSONDocument(value: $0) }
    }
    package var string: String? { value as? String }
    package var integer: Int64? { (value as? NSNumber)?.int64Value }
    package var number: Double? { (value as? NSNumber)?.doubleValue }
    package var bool: Bool? { value as? Bool }
    package var isNull: Bool { value is NSNull }
    /// There is no such key.
    package var isMissing: Bool { value == nil }
}

extension ProgramResult {
    package func document() throws -> JSONDocument { try JSONDocument(output) }
}
