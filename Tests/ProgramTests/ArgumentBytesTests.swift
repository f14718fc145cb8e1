import Foundation
import TestSupport
import Testing

@Suite("Arguments that are not UTF-8 are passed on as they are, or refused")
struct ArgumentBytesTests {
    /// A script of bash, whose $'…' gives any byte.
    private func bash(_ script: String, in folder: String = "/") throws -> ProgramResult {
        try run(program: "/bin/bash", ["-c", "cd \(folder); plimsoll() { \(Build.plimsoll) \"$@\"; }; \(script)"])
    }

    @Test("run gives its command every byte", arguments: ["run --quiet --", "run -q", "run -q --interval 1s --"])
    func command(_ start: String) throws {
        let result = try bash(#"plimsoll \#(start) printf '%s.%s' $'a\xffb' $'\xc3' | od -An -tx1"#)
        #expect(result.output == " 61 ff 62 2e c3\n")
        #expect(result.errors == "")
    }

    @Test("Its name may be such, with and without a first line that names a shell")
    func commandName() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        for line in [#"'#!/bin/sh'"#, "''"] {
            let result = try bash(
                #"printf '%s\n' \#(line) 'echo ran "$1"' > $'s\xff'; chmod +x $'s\xff'; "#
                    + #"plimsoll run -q -- ./$'s\xff' $'\xfe' | od -An -c; PATH=.:$PATH plimsoll run -q $'s\xff' x"#,
                in: scratch.url.path)
            #expect(result.output == "   r   a   n     376  \\n\nran x\n", "\(line)")
        }
        #expect(try bash(#"plimsoll run -q -- $'no\xff'; echo $?"#).output == "127\n")
    }

    @Test("A path that is not UTF-8 is refused, and no file of another name appears")
    func paths() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let replay = "--replay \(Build.package.path)/samples/workstation.json"
        let reason = "the name is not UTF-8"
        for (script, code, message) in [
            (#"capture $'bad\xff.json' \#(replay)"#, 2, "cannot write bad\u{FFFD}.json: \(reason); choose another"),
            (#"run --report $'bad\xff.json' -- echo ran"#, 125, "cannot write bad\u{FFFD}.json: \(reason)"),
            (#"run --report=$'bad\xff.svg' -- echo ran"#, 125, "cannot write bad\u{FFFD}.svg: \(reason)"),
            (#"ledger --replay $'bad\xff.json'"#, 2, "cannot read bad\u{FFFD}.json: \(reason)"),
        ] {
            let result = try bash("plimsoll \(script)", in: scratch.url.path)
            #expect(result.code == Int32(code), "\(script)")
            #expect(result.errors.contains(message), "\(result.errors)")
            #expect(result.output == "")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == [])
        // The character itself, written in UTF-8, is a name as any other.
        #expect(try bash("plimsoll capture 'good\u{FFFD}.json' \(replay)", in: scratch.url.path).code == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["good\u{FFFD}.json"])
    }

    @Test("--replay reads an open descriptor by any of its names")
    func replayedDescriptor() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let sample = "\(Build.package.path)/samples/workstation.json"
        let plain = try bash("plimsoll --replay \(sample)").output
        for script in [
            "cat \(sample) | plimsoll --replay /dev/stdin", "plimsoll --replay <(cat \(sample))",
            "ln -s /dev/stdin in; cat \(sample) | plimsoll --replay in",
            "plimsoll --replay /proc/self/fd/7 7< \(sample)", "plimsoll --replay /proc/./self/fd/7 7< \(sample)",
        ] {
            let result = try bash(script, in: scratch.url.path)
            #expect(result.output == plain, "\(script): \(result.errors)")
        }
    }
}
