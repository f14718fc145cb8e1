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

    @Test("The mark of an unverified container stays where its name is cut", arguments: 12...40)
    func mark(_ width: Int) {
        let marked = Table(
            [.init("NAME", shortest: 6, importance: 2), .init("MEM", .right, importance: 1)],
            rows: [["a-rather-long-name (unverified)", "5GiB"]])
        let line = marked.lines(on: Page(width: width))[1]
        #expect(line.contains(width < 28 ? "… (?) " : "name \(width < 37 ? "(?)" : "(unverified)") "))
        #expect(columns(line) <= width)
    }

    @Test("A long cell is cut before a column goes")
    func cuts() {
        #expect(table.lines(on: Page(width: 30))[1] == "6525e65814a9  a-rather…   5GiB")
        #expect(table.lines(on: Page(width: 14))[1] == "a-rath…   5GiB")
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
            JSON.object([("a", .array([.object([("b", .null)])]))]).text(indented: true)
                == "{\n  \"a\": [\n    {\n      \"b\": null\n    }\n  ]\n}")
    }
}
