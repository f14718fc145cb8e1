import Testing

@testable import Rendering

struct TemplateTests {
    private let rows = [
        Row(
            fields: [("ID", "6525e65814a9"), ("Name", "web-db"), ("GPUMem", "5.2GiB"), ("PIDs", "2")],
            numbers: [("GPUMemBytes", 5), ("GPUTotalBytes", nil)], labels: ["team": "vision"])
    ]
    private let kind = RowKind.stats

    private func lines(_ template: String) throws -> [String] {
        try Template(template, for: kind).lines(rows)
    }

    @Test(
        "Templates do what Docker's do",
        arguments: [
            ("{{.Name}}", "web-db"), ("{{ .Name }}:{{.PIDs}}", "web-db:2"), (#"{{.Label "team"}}"#, "vision"),
            (#"{{.Label "none"}}|"#, "|"), ("{{upper .Name}}", "WEB-DB"), ("{{.Name | upper | lower}}", "web-db"),
            ("{{title .Name}}", "Web-Db"), ("{{truncate .ID 4}}", "6525"), ("{{pad .PIDs 1 2}}|", " 2  |"),
            (#"{{join (split .Name "-") "+"}}"#, "web+db"), (#"{{split .Name "-"}}"#, "[web db]"),
            (#"{{json .Name}}"#, "\"web-db\""), (#"{{if .Name}}y{{else}}n{{end}}"#, "y"),
            (#"{{if eq .PIDs "1"}}one{{else if eq .PIDs "2"}}two{{else}}more{{end}}"#, "two"),
            (#"{{range split .Name "-"}}<{{.}}>{{end}}"#, "<web><db>"),
            (#"{{range split .Name "-"}}x{{else}}none{{end}}"#, "xx"), (#"a\tb"#, "a\tb"), ("a {{- .PIDs -}} b", "a2b"),
            ("{{/* why */}}x", "x"), (#"{{if and .Name (not .Image)}}y{{end}}"#, "y"), ("{{len .Name}}", "6"),
            ("no action", "no action"), ("}} { {", "}} { {"), (#"{{"}}"}}"#, "}}"), ("{{`a\"b`}}", "a\"b"),
            (
                "{{json .}}",
                #"{"ID":"6525e65814a9","Name":"web-db","GPUMem":"5.2GiB","PIDs":"2","GPUMemBytes":5,"GPUTotalBytes":null}"#
            ),
        ])
    func writes(_ template: String, _ expected: String) throws {
        #expect(try lines(template) == [expected])
    }

    @Test("A field of others is cleaned before a function has it, and json alone has it as it is")
    func foreign() throws {
        let rows = [Row(fields: [("Name", "a\nb\tc\u{9b}")], numbers: [], labels: ["k\n": "\u{202e}x"])]
        func line(_ template: String) throws -> String { try Template(template, for: kind).lines(rows)[0] }
        #expect(try line("{{.Name}}") == "a?b?c?")
        #expect(try line("{{upper .Name}}") == "A?B?C?")
        #expect(try line(#"{{range split .Name "?"}}<{{.}}>{{end}}"#) == "<a><b><c><>")
        #expect(try line("{{len .Name}}") == "6")
        #expect(try line("{{.Label \"k\\n\"}}") == "?x")
        #expect(try line("{{json .Name}}") == #""a\nb\tc\u009b""#)
        #expect(try line("{{json (or .Image .Name)}}") == #""a\nb\tc\u009b""#)
        #expect(try line("{{json .}}") == #"{"Name":"a\nb\tc\u009b"}"#)
        #expect(try line(#"\t{{.Name}}\n"#) == "\ta?b?c?\n")
    }

    @Test("A combining mark hides no separator, and a cut name is no longer than it was asked for")
    func scalars() throws {
        let rows = [
            Row(
                fields: [("Image", "lab/\u{301}web"), ("Name", Cell(String(repeating: "\u{1100}", count: 26)))],
                numbers: [],
                labels: [:])
        ]
        func scalars(_ template: String) throws -> [Unicode.Scalar] {
            Array(try Template(template, for: kind).lines(rows)[0].unicodeScalars)
        }
        #expect(try scalars(#"{{range split .Image "/"}}[{{.}}]{{end}}"#) == Array("[lab][\u{301}web]".unicodeScalars))
        #expect(try scalars("{{truncate .Name 4}}") == Array("\u{1100}\u{1100}\u{1100}\u{1100}".unicodeScalars))
        #expect(try scalars(#"{{range split .Name ""}}{{.}},{{end}}"#).count == 52)
    }

    @Test("A table has titles, and columns that line up")
    func table() throws {
        let text = try lines(#"table {{.Name}}\t{{.GPUMem | lower}}\t{{if .ID}}{{truncate .ID 4}}{{end}}"#)
        #expect(text == ["NAME     GPU MEM   CONTAINER ID", "web-db   5.2gib    6525"])
    }

    @Test(
        "What does not parse is told with its place",
        arguments: [
            ("{{.Bogus}}", 3), ("table {{.Bogus}}", 9), ("{{.Name", 1), ("{{if .Name}}x", 1), ("{{end}}", 1),
            ("x{{else}}", 2), ("{{nope .Name}}", 3), ("{{truncate .Name}}", 3), (#"{{.Label}}"#, 3), (#"{{"x}}"#, 3),
            ("{{}}", 3), ("{{(.Name}}", 3), ("{{.Name | .ID}}", 11), ("{{/* x", 1),
            ("{{range .Name}}{{.Name}}{{end}}", 18),
            ("{{.Name .ID}}", 9), ("{{if}}{{end}}", 5),
        ])
    func refuses(_ template: String, _ position: Int) {
        do throws(TemplateError) {
            _ = try Template(template, for: kind)
            Issue.record("\(template) was taken")
        } catch {
            #expect(error.position == position, "\(error)")
        }
    }

    @Test("A range over what is no list is told when it runs")
    func noList() {
        #expect(throws: TemplateError.self) { try lines("{{range .Name}}x{{end}}") }
        #expect(throws: TemplateError.self) { try lines(#"{{join .Name ","}}"#) }
        #expect(throws: TemplateError.self) { try lines(#"{{truncate .Name "x"}}"#) }
    }

    @Test("Blocks within blocks without end are refused, not followed into the ground")
    func depth() {
        let deep = String(repeating: "{{if .Name}}", count: 5000)
        #expect(throws: TemplateError.self) { try Template(deep, for: kind) }
        #expect(throws: TemplateError.self) {
            try Template("{{" + String(repeating: "(", count: 5000), for: kind)
        }
    }
}
