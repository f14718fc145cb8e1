import Testing

@testable import Rendering

struct AmountTests {
    @Test(
        "Sizes are as Docker prints them",
        arguments: [
            (0, "0B"), (1023, "1023B"), (1024, "1KiB"), (1_048_575, "1024KiB"), (1_048_576, "1MiB"),
            (5_587_745_014, "5.204GiB"), (25_757_220_864, "23.99GiB"), (-524_288, "-512KiB"), (1 << 50, "1PiB"),
        ] as [(Int64, String)])
    func sizes(_ bytes: Int64, _ expected: String) {
        #expect(size(bytes) == expected)
    }

    @Test("What is unknown is never a number")
    func unknowns() {
        #expect(size(nil) == "--")
        #expect(percent(nil, of: 10) == "--")
        #expect(percent(1, of: nil) == "--")
        #expect(percent(1, of: 0) == "--")
        #expect(sum(nil, complete: false) == "--")
        #expect(sum(1024, complete: false) == "1KiB+")
    }

    @Test("Percentages have two decimals, below zero too")
    func percentages() {
        #expect(percent(1, of: 3) == "33.33%")
        #expect(percent(3, of: 3) == "100.00%")
        #expect(percent(-1, of: 2) == "-50.00%")
    }

    @Test("Times are in UTC, with milliseconds")
    func times() {
        #expect(timestamp(1_795_374_780_123) == "2026-11-22T19:13:00.123Z")
        #expect(timestamp(-1) == "1969-12-31T23:59:59.999Z")
    }

    @Test("A name cannot move the cursor, colour the screen or turn the text around")
    func controls() {
        let page = Page()
        #expect(shown("a\u{1B}[31mb\nc\u{202E}d", on: page) == "a?[31mb?c?d")
        #expect(shown("a\r\nb\u{85}\u{9b}\u{ad}\u{2029}\u{2064}\u{e0041}c", on: page) == "a??b??????c")
        #expect(shown("größe 模型", on: page) == "größe 模型")
        #expect(shown("größe", on: Page(unicode: false)) == "gr??e")
        #expect(columns("模型") == 4)
        #expect(cut("模型abc", to: 4, on: page) == "模…")
    }
}
