import Foundation
import TestSupport
import Testing

/// A JSON document, as far as tests look into it.
struct JSONDocument {
    var value: Any?

    init(_ text: String) throws {
        value = try JSONSerialization.jsonObject(with: Data(text.utf8), options: [.fragmentsAllowed])
    }

    private init(value: Any?) { self.value = value }

    subscript(key: String) -> JSONDocument { JSONDocument(value: (value as? [String: Any])?[key]) }
    subscript(index: Int) -> JSONDocument {
        let array = value as? [Any] ?? []
        return JSONDocument(value: array.indices.contains(index) ? array[index] : nil)
    }

    var elements: [JSONDocument] { (value as? [Any] ?? []).map { JSONDocument(value: $0) } }
    var string: String? { value as? String }
    var integer: Int64? { (value as? NSNumber)?.int64Value }
    var bool: Bool? { value as? Bool }
    var isNull: Bool { value is NSNull }
}

extension ProgramResult {
    func document() throws -> JSONDocument { try JSONDocument(output) }
}
