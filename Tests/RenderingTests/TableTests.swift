import SeededGenerator
import Testing

@testable import Rendering

struct TableTests {
    private let table = Table(
        [
            .init("ID", importance: 1), .init("NAME", shortest: 4, importance: 3),
            .init("MEM", .right, importance: 2),
        ], rows: [["6525e65814a9", "a-rather-long-name", "5GiB"], ["951e643e3c24", "b", "10GiB"]])

    @Test("Where there is room nothing is cut")
    func wide() {
        #expect(
            table.lines(on: Page()) == [
                "ID             NAME                   MEM", "6525e65814a9   a-rather-long-name    5GiB",
                "951e643e3c24   b                    10GiB",
            ])
    }

    @Test("No line is ever wider than the page, and what matters most stays", arguments: 1...50)
    func narrow(_ width: Int) {
        let lines = table.lines(on: Page(width: width))
        #expect(lines.allSatisfy { columns($0) <= width })
        #expect(lines[0].hasPrefix(width >= 41 ? "ID" : width == 1 ? "…" : width < 18 ? "N" : ""))
    }

    @Test("Columns shrink as if a column were taken at a time from the widest", arguments: 1...60)
    func shrinks(_ width: Int) {
        var generator = SeededGenerator(seed: UInt64(width))
        let long = (0..<3).map { _ in Int.random(in: 1...30, using: &generator) }
        let shortest = (0..<3).map { _ in Int.random(in: 1...8, using: &generator) }
        let table = Table(
            (0..<3).map { .init("", shortest: shortest[$0], importance: $0) },
            rows: [long.map { Cell(String(repeating: "x", count: $0)) }], gap: 1)
        var widths = long
        while widths.reduce(2, +) > width {
            let reducible = widths.indices.filter { widths[$0] > shortest[$0] }
            guard let widest = reducible.max(by: { widths[$0] < widths[$1] }) else { return }
            widths[widest] -= 1
        }
        let expected = widths.indices.map { place in
            widths[place] < long[place]
                ? String(repeating: "x", count: widths[place] - 1) + "…" : String(repeating: "x", count: long[place])
        }
        #expect(table.lines(on: Page(width: width))[1] == expected.joined(separator: " "))
    }

    @Test("A cell of a megabyte is cut at once")
    func hugeCell() {
        let cell = String(repeating: "x ", count: 1 << 19)
        let table = Table(
            [.init("N", shortest: 4, importance: 1), .init("M", importance: 2)], rows: [[Cell(cell), "5GiB"]])
        let start = ContinuousClock.now
        #expect(columns(table.lines(on: Page(width: 80))[1]) == 80)
        #expect(ContinuousClock.now - start < .seconds(1))
    }

    @Test("The mark of an unverified container stays where its name is cut", arguments: 12...40)
    func mark(_ width: Int) {
        let marked = Table(
            [.init("NAME", shortest: 6, importance: 2), .init("MEM", .right, importance: 1)],
            rows: [[.name("a-rather-long-name", verified: false), "5GiB"]])
        let line = marked.lines(on: Page(width: width))[1]
        #expect(line.contains(width < 28 ? "… (?) " : "name \(width < 37 ? "(?)" : "(unverified)") "))
        #expect(columns(line) <= width)
    }

    @Test("A name cannot hide that mark: to Swift its last letter and the space before the mark are one character")
    func hiddenMark() {
        let cell = Cell.name("a-rather-long-name\u{D4E}", verified: false)
        let table = Table([.init("NAME", shortest: 6, importance: 2)], rows: [[cell]])
        for width in 12...33 {
            let line = table.lines(on: Page(width: width))[1]
            #expect(Array(line.utf8.suffix(3)) == Array((width < 32 ? "(?)" : "ed)").utf8), "\(width): \(line)")
            let below = table.linesWithLegend(on: Page(width: width)).dropFirst(2)
            let mark = width < 32 ? Mark.unverifiedShort : .unverified
            #expect(Array(below) == Mark.legend(for: [mark], on: Page(width: width)), "\(width): \(line)")
        }
    }

    @Test("A long cell is cut before a column goes")
    func cuts() {
        #expect(table.lines(on: Page(width: 30))[1] == "6525e65814a9  a-rather…   5GiB")
        #expect(table.lines(on: Page(width: 14))[1] == "a-rath…   5GiB")
    }
}

struct ParagraphTests {
    @Test("A message that is broken into lines begins at the edge once, on every page", arguments: 1...60)
    func indent(_ width: Int) {
        let text = "a plimsoll: forged and " + String(repeating: "word ", count: 20)
        let lines = paragraph(text, on: Page(width: width), indent: 2)
        #expect(lines.allSatisfy { columns($0) <= width })
        #expect(lines.count > 1 && !lines[0].hasPrefix(" "))
        if width > 2 { #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }) }
        let words = lines.joined(separator: " ").split(separator: " ")
        if width > 12 { #expect(words == text.split(separator: " ")) }
    }
}

struct JSONTests {
    @Test("Text is escaped, order is kept, and what is no number is null")
    func text() {
        let document = JSON.object([
            ("z", .string("a\"b\\c\n\u{1}/ü")), ("a", .array([.integer(-1), .null, .bool(true), .number(0.5)])),
            ("n", .number(.nan)), ("e", .object([])), ("l", .array([])),
        ])
        #expect(document.text() == #"{"z":"a\"b\\c\n\u0001/ü","a":[-1,null,true,0.5],"n":null,"e":{},"l":[]}"#)
        #expect(
            JSON.string("\u{7f}\u{9b}\u{85}\u{200b}\u{202e}\u{2028}\u{feff}\u{e0041}é模😀").text()
                == #""\u007f\u009b\u0085\u200b\u202e\u2028\ufeff\udb40\udc41é模😀""#)
        #expect(
            JSON.object([("a", .array([.object([("b", .null)])]))]).text(indented: true)
                == "{\n  \"a\": [\n    {\n      \"b\": null\n    }\n  ]\n}")
    }

    @Test(
        "A text that looks like a mark brings no line below the table",
        arguments: ["Xorg aside)", "--", "5GiB+", "(gone)", "(?)"])
    func looksLikeMark(_ name: String) {
        let table = Table([.init("NAME", importance: 1)], rows: [[Cell(name)]])
        #expect(table.linesWithLegend(on: Page()) == ["NAME", name])
    }

    @Test("No word of a legend is lost on a narrow page", arguments: [20, 40, 79])
    func narrowLegend(_ width: Int) {
        for mark in Mark.allCases {
            let lines = Mark.legend(for: [mark], on: Page(width: width))
            #expect(lines.allSatisfy { $0.count <= width }, "\(lines)")
            let words = Mark.legend(for: [mark], on: Page()).joined(separator: " ").split(separator: " ")
            #expect(lines.joined(separator: " ").split(separator: " ") == words)
        }
    }

    @Test("Two forms of a mark are explained on one line")
    func twoForms() {
        #expect(
            Mark.legend(for: [.unverified, .unverifiedShort], on: Page())
                == [
                    "",
                    "(unverified), (?)  may be another container: no engine confirms it",
                ])
    }

    @Test(
        "Where -- has two meanings, one line explains both",
        arguments: [
            (Mark.notApplicable, "--  unknown, or not applicable: a container that uses no GPU"),
            (
                Mark.noInsidePID,
                "--  unknown, or not applicable: PID INSIDE of a process in the PID namespace of the host"
            ),
        ])
    func twoMeanings(_ mark: Mark, _ line: String) {
        #expect(Mark.legend(for: [.unknown, mark], on: Page()) == ["", line])
        #expect(Mark.legend(for: [mark], on: Page()).last?.hasPrefix("--  not applicable: this ") == true)
    }

    @Test("A mark in a column that a narrow page leaves out has no line below the table")
    func leftOutMark() {
        let table = Table(
            [.init("NAME", importance: 2), .init("GPU MEM", importance: 1)], rows: [["a-long-name", .unknown]])
        #expect(table.linesWithLegend(on: Page()).last == "--  unknown")
        #expect(
            table.linesWithLegend(on: Page(width: 12)) == [
                "NAME", "a-long-name", "", "columns not", "  shown", "  (terminal", "  too", "  narrow):", "  GPU MEM",
            ])
    }
}
