import Glibc

/// Columns that text takes on a terminal, as the C library counts: another opinion than the product's own.
package enum TerminalWidth {
    /// wcwidth(3). Swift's Glibc does not declare it. nil if this machine has no UTF-8 locale.
    private static let call: (@convention(c) (wchar_t) -> Int32)? = {
        guard setlocale(LC_CTYPE, "C.UTF-8") ?? setlocale(LC_CTYPE, "en_US.UTF-8") != nil else { return nil }
        return dlsym(nil, "wcwidth").map { unsafeBitCast($0, to: (@convention(c) (wchar_t) -> Int32).self) }
    }()

    package static var isKnown: Bool { call != nil }

    /// nil for a scalar that the C library does not know or that is no text.
    package static func columns(_ scalar: Unicode.Scalar) -> Int? {
        call.map { Int($0(wchar_t(bitPattern: scalar.value))) }.flatMap { $0 < 0 ? nil : $0 }
    }

    /// What is not known takes a column.
    package static func columns(_ text: String) -> Int { text.unicodeScalars.reduce(0) { $0 + (columns($1) ?? 1) } }
}
