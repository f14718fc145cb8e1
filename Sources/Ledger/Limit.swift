/// A limit that a source reported: an amount, or none.
package enum Limit<Amount> {
    case unlimited
    case amount(Amount)

    /// - Parameter amount: nil for no limit.
    package init(_ amount: Amount?) { self = amount.map { .amount($0) } ?? .unlimited }

    /// nil if there is no limit.
    package var amount: Amount? {
        if case .amount(let amount) = self { amount } else { nil }
    }
}

extension Limit: Sendable where Amount: Sendable {}
extension Limit: Equatable where Amount: Equatable {}

/// In recordings a number, and null for no limit.
extension Limit: Codable where Amount: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        self = container.decodeNil() ? .unlimited : .amount(try container.decode(Amount.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .unlimited: try container.encodeNil()
        case .amount(let amount): try container.encode(amount)
        }
    }
}
