/// The size of a tensor: its shape and the type of its elements.
package struct TensorSize: Sendable, Equatable {
    package var shape: [UInt64]
    package var type: ElementType

    /// Named as PyTorch names its types.
    package enum ElementType: String, CaseIterable, Sendable {
        case float64, float32, float16, bfloat16, float8_e4m3fn, float8_e5m2
        case int64, int32, int16, int8, uint8, bool, complex64, complex128

        var bytes: UInt64 {
            switch self {
            case .complex128: 16
            case .float64, .int64, .complex64: 8
            case .float32, .int32: 4
            case .float16, .bfloat16, .int16: 2
            case .float8_e4m3fn, .float8_e5m2, .int8, .uint8, .bool: 1
            }
        }
    }

    /// - Parameter text: "1000x1000". nil if the text is not a shape.
    package init?(_ text: String, _ type: ElementType) {
        let parts = text.split(omittingEmptySubsequences: false) { "xX".contains($0) }
        guard parts.count > 1 else { return nil }
        var shape: [UInt64] = []
        for part in parts {
            guard !part.isEmpty, part.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
            // More than 64 bits: the product is too.
            shape.append(UInt64(part) ?? .max)
        }
        self.shape = shape
        self.type = type
    }

    /// nil if that is more than any device has.
    package var bytes: Bytes? {
        var product = type.bytes
        for count in shape {
            let (next, overflow) = product.multipliedReportingOverflow(by: count)
            if overflow { return shape.contains(0) ? 0 : nil }
            product = next
        }
        return Bytes(reported: product)
    }
}
