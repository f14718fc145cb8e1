import Ledger

// Why something is not known, part by part.

extension WireWriter {
    mutating func reason(_ reason: Reason) {
        let parts = reason.parts
        text(parts.kind)
        optional(parts.texts) { writer, texts in writer.list(texts) { $0.text($1) } }
        optional(parts.number) { $0.number($1.bitPattern) }
        optional(parts.reasons) { writer, reasons in writer.list(reasons) { $0.reason($1) } }
    }
}

extension WireReader {
    /// Reasons of reasons: of GPUs, of several of these, and of what is asked again.
    private static let deepest = 8

    mutating func reason(depth: Int = 0) throws(WireError) -> Reason {
        guard depth < Self.deepest else { throw WireError() }
        let parts = Reason.Parts(
            try text(),
            try optional { reader throws(WireError) in
                try reader.list { reader throws(WireError) in try reader.text() }
            },
            number: try optional { reader throws(WireError) in Double(bitPattern: try reader.number()) },
            reasons: try optional { reader throws(WireError) in
                try reader.list { reader throws(WireError) in try reader.reason(depth: depth + 1) }
            })
        guard let reason = Reason(parts) else { throw WireError() }
        return reason
    }
}
