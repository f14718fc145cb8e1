import TestSupport
import Testing

@testable import Rendering

@Suite("Text is never wider on a terminal than it was counted")
struct TextWidthTests {
    /// Each is one Swift character, or has scalars that were once counted as one column.
    private static let wide: [(name: String, text: String, columns: Int)] = [
        ("Hangul consonants", String(repeating: "\u{1100}", count: 26), 52),
        ("a Devanagari conjunct", String(repeating: "\u{915}\u{94D}", count: 40) + "\u{915}", 41),
        ("CJK Extension B", String(repeating: "\u{20000}", count: 20), 40),
        ("emoji", "✅✅⌛⭐", 8), ("a flag", "🇰🇷", 4), ("a narrow emoji made wide", "❤\u{FE0F}", 2),
        ("a Korean syllable in parts", "\u{1112}\u{1161}\u{11AB}", 2), ("a letter with a mark", "e\u{301}", 1),
        ("a hexagram", "䷀", 2), ("Tangut", "\u{17000}", 2), ("ideographs and Latin", "größe 模型", 10),
    ]

    @Test("Each scalar counts", arguments: wide)
    func counts(_ name: String, _ text: String, _ expected: Int) {
        #expect(columns(text) == expected, "\(name)")
    }

    @Test("No scalar counts less than the C library says, and nearly all count the same")
    func everyScalar() throws {
        try #require(TerminalWidth.isKnown, "this machine has no UTF-8 locale")
        var known = 0
        var same = 0
        var tooNarrow: [String] = []
        for value in UInt32(0x20)...0x10FFFF {
            guard let scalar = Unicode.Scalar(value), let told = TerminalWidth.columns(scalar) else { continue }
            let counted = columns(String(scalar))
            known += 1
            if counted == told { same += 1 }
            if counted < told { tooNarrow.append(String(value, radix: 16)) }
        }
        #expect(tooNarrow.isEmpty, "\(tooNarrow.prefix(20))")
        #expect(known > 200_000)
        #expect(Double(same) > 0.99 * Double(known), "\(same) of \(known)")
    }

    @Test("A cut is between two scalars, and keeps the marks of the last one", arguments: wide)
    func cuts(_ name: String, _ text: String, _ columns: Int) {
        let page = Page()
        for width in 0..<60 {
            let short = cut(text + "e\u{301}nd", to: width, on: page)
            #expect(TerminalWidth.columns(short) <= width, "\(name)")
            #expect(Rendering.columns(short) <= width, "\(name)")
        }
        #expect(cut("e\u{301}e\u{301}abc", to: 3, on: page) == "e\u{301}e\u{301}…")
    }

    @Test("No row of a table wraps, whatever its cells hold", arguments: wide, [10, 21, 40, 80])
    func tables(_ wide: (name: String, text: String, columns: Int), _ width: Int) {
        let table = Table(
            [.init("NAME", shortest: 6, importance: 9), .init("MEMORY", .right, importance: 8)],
            rows: [["x\(wide.text)plimsoll: forged", "1GiB"], ["\(wide.text)\(wide.text)", "2GiB"]])
        for line in table.lines(on: Page(width: width)) {
            #expect(TerminalWidth.columns(line) <= width, "\(wide.name): \(line)")
        }
    }

    @Test("A message that is too wide is folded, and goes on to the right of its beginning", arguments: 1...90)
    func folds(_ width: Int) {
        let long = String(repeating: "\u{1100}", count: 26) + "plimsoll:forged" + String(repeating: "x", count: 60)
        let lines = ["plimsoll: 8GiB does not fit:", "  GPU 0 has 4GiB free, and \(long) holds 2GiB"]
        for (line, margin) in zip(lines, ["", "  "]) {
            let shown = folded([line], on: Page(width: width))
            #expect(shown.allSatisfy { columns($0) <= width && TerminalWidth.columns($0) <= width })
            // Narrower pages have no columns for the margin, or not for a wide character.
            guard width > 5 else { continue }
            #expect(shown[0].hasPrefix(margin) && shown.dropFirst().allSatisfy { $0.hasPrefix(margin + "  ") })
            #expect(shown.joined().filter { $0 != " " } == line.filter { $0 != " " })
        }
        #expect(folded(lines, on: Page()) == lines)
    }
}
