/// A value, or the reason why there is none. Unknown never becomes 0.
package enum Reading<Value> {
    case known(Value)
    case unknown(Reason)

    package var value: Value? {
        if case .known(let value) = self { value } else { nil }
    }

    /// Why there is no value.
    package var reason: Reason? {
        if case .unknown(let reason) = self { reason } else { nil }
    }

    package func map<Other>(_ transform: (Value) -> Other) -> Reading<Other> {
        switch self {
        case .known(let value): .known(transform(value))
        case .unknown(let reason): .unknown(reason)
        }
    }
}

extension Reading: Sendable where Value: Sendable {}
extension Reading: Equatable where Value: Equatable {}

extension Reading: Codable where Value: Codable {
    private enum Key: String, CodingKey { case value, unavailable }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        if let reason = try container.decodeIfPresent(Reason.self, forKey: .unavailable) {
            self = .unknown(reason)
        } else {
            self = .known(try container.decode(Value.self, forKey: .value))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .known(let value): try container.encode(value, forKey: .value)
        case .unknown(let reason): try container.encode(reason, forKey: .unavailable)
        }
    }
}
