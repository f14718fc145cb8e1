import Foundation
import TestSupport
import Testing

private let id = HostTree.id(1)

/// A new line, a C1 control, an escape sequence, a mark that turns direction, a line separator, and an invisible tag.
private let attack = "a\nplimsoll: forged\u{9b}1m\u{1b}[31m\u{202e}\u{2028}\u{e0041}z"
private let cleaned = "a?plimsoll: forged?1m?[31m???z"

/// How each attack is run: as we are, and as root also as a user without rights.
private let users: [String?] = getuid() == 0 ? [nil, "65534"] : [nil]

/// A host whose names all attack: of its card, of a process, and of a container with its image and label.
private func hostileHost(engine: StubEngine.Behaviour? = nil) throws -> RunningHost {
    let host = try HostTree()
    try host.process(4242, attack, cgroup: "0::/docker/\(id)")
    host.container(id, attack, "lab/" + attack, labels: ["team": attack])
    host.card(
        "RTX " + attack, uuid: "GPU-0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", total: 24564,
        processes: [HostTree.listed(4242, 1024)])
    return try host.start(engine: engine)
}

extension RunningHost {
    fileprivate func plimsoll(
        as user: String?, _ arguments: [String], environment more: [String: String] = [:]
    ) throws -> ProgramResult {
        guard let user else { return try plimsoll(arguments, environment: more) }
        chmod(tree.scratch.url.path, 0o755)
        chmod(engine.path, 0o777)
        let rights = ["--reuid=\(user)", "--regid=\(user)", "--clear-groups"]
        return try run(
            program: "/usr/bin/setpriv", rights + [Build.plimsoll] + arguments,
            environment: environment.merging(more) { $1 })
    }
}

/// Nothing steers the terminal, and no line is another's.
private func expectClean(_ text: String, _ what: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let unsafe = text.unicodeScalars.filter { scalar in
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: scalar != "\n"
        default: false
        }
    }
    #expect(unsafe.isEmpty, "\(what): \(text.debugDescription)", sourceLocation: sourceLocation)
    let lines = text.split(separator: "\n")
    #expect(
        !lines.contains { $0.hasPrefix("plimsoll: forged") }, "\(what): \(text.debugDescription)",
        sourceLocation: sourceLocation)
}

struct ForeignNameTests {
    private static let commands: [[String]] = [
        ["ledger"], ["ledger", "--format", "json"], ["ledger", "--fail-above", "1%"], ["stats", "--no-stream"],
        ["stats", "--no-stream", "--format", "json"], ["stats", "--no-stream", "-a", "other"],
        ["stats", "--no-stream", "--format", #"{{.Name}} {{.Image}} {{.Label "team"}}"#],
        ["stats", "--no-stream", "--format", #"table {{upper .Name}}\t{{.Label "team"}}\t{{json .Name}}"#],
        ["stats", "--no-stream", "--format", #"{{range split .Name "m"}}{{.}},{{end}}{{.}}"#],
        ["ps"], ["ps", "--format", "json"], ["ps", "--format", "{{.Name}} {{.Container}}"], ["whose", "4242"],
        ["whose", "4242", "--format", "{{.Name}} {{.Container}} {{.Image}}"], ["fit", "8GiB"], ["fit", "1TiB"],
        ["fit", "8GiB", "--format", "{{.Name}}"], ["wait", "1TiB", "--for", "1"], ["check"],
        ["check", "--format", "json"], ["capture", "-"], ["alloc", "40GiB", "--force"], ["alloc", "1GiB"],
    ]

    @Test("No name forges a line or steers a terminal, whatever prints it", arguments: users)
    func surfaces(_ user: String?) throws {
        let host = try hostileHost()
        for command in Self.commands {
            let result = try host.plimsoll(as: user, command)
            expectClean(result.output, "\(command)")
            expectClean(result.errors, "\(command)")
        }
    }

    @Test("What holds too much is named on one line, and so is a container that only its cgroup names")
    func cgroups() throws {
        let host = try hostileHost()
        let cuda = ["LD_LIBRARY_PATH": host.driver.libraries]
        let oom = try host.plimsoll(["alloc", "40GiB", "--force"], environment: cuda).errors
        expectClean(oom, "alloc")
        #expect(oom.contains("  \(cleaned) holds 1GiB\n"), "\(oom)")
        let tree = try HostTree()
        try tree.process(5000, "x", cgroup: "0::/lxc.payload.b\u{9b}1m\u{202e}\u{e0041}c")
        tree.card("c", uuid: "GPU-1", total: 100, processes: [HostTree.listed(5000, 60)])
        let running = try tree.start()
        for command in Self.commands {
            let result = try running.plimsoll(command)
            expectClean(result.output, "\(command)")
            expectClean(result.errors, "\(command)")
        }
        let line = try running.plimsoll("stats", "--no-stream", "--format", "{{.ID}} {{json .ID}}").output
        #expect(line == #"b?1m??c "b\u009b1m\u202e\udb40\udc41c""# + "\n")
    }

    @Test("A recording of these names forges nothing when it is replayed")
    func replayed() throws {
        let host = try hostileHost()
        let file = host.tree.scratch.path("r.json")
        #expect(try host.plimsoll("capture", file).code == 0)
        for command in Self.commands where !["alloc", "check", "wait", "capture"].contains(command[0]) {
            let result = try run(command + ["--replay", file])
            expectClean(result.output, "\(command)")
            expectClean(result.errors, "\(command)")
        }
        #expect(
            try run(["ps", "--format", "{{.Name}} {{.Container}}", "--replay", file]).output
                == "\(cleaned) \(cleaned)\n")
    }

    @Test("JSON keeps the real name, escaped as JSON has it")
    func json() throws {
        let host = try hostileHost()
        for command in [["--format", "json"], ["capture", "-"]] {
            let result = try host.plimsoll(command)
            let escaped = #"\u009b1m\u001b[31m\u202e\u2028\udb40\udc41z"#
            #expect(result.output.lowercased().contains(escaped), "\(result.output)")
        }
        let document = try host.plimsoll("--format", "json").document()
        #expect(document["containers"][0]["name"].string == attack)
        #expect(document["containers"][0]["image"].string == "lab/" + attack)
        #expect(document["processes"][0]["name"].string == attack)
        let line = try host.plimsoll("stats", "--no-stream", "--format", "{{json .Name}}").output
        #expect(try JSONDecoder().decode([String].self, from: Data("[\(line)]".utf8)) == [attack])
        #expect(line.split(separator: "\n").count == 1)
    }

    @Test("A template keeps what the user typed, and its functions work on the cleaned name")
    func templates() throws {
        let host = try hostileHost()
        func line(_ template: String) throws -> String {
            try host.plimsoll("stats", "--no-stream", "--format", template).output
        }
        #expect(try line(#"{{.Name}}\n\t{{.Label "team"}}"#) == "\(cleaned)\n\t\(cleaned)\n")
        #expect(try line("\u{1b}[1m{{.Name}}") == "\u{1b}[1m\(cleaned)\n")
        #expect(try line(#"{{join (split .Name "?") "+"}}"#) == cleaned.replacing("?", with: "+") + "\n")
        #expect(try line(#"{{if eq .Name "\#(cleaned)"}}same{{end}}"#) == "same\n")
        #expect(try line("{{upper .Name}}") == cleaned.uppercased() + "\n")
    }

    @Test("What run reports of a program with such a name is a picture and a document all the same", arguments: users)
    func report(_ user: String?) throws {
        let host = try hostileHost()
        let folder = host.tree.scratch.path("out")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        chmod(folder, 0o777)
        // To Swift `<` and a combining mark after it are another character.
        let name = attack + "<b>&\u{ffff}<\u{301}x>\u{301}&\u{301}lt;"
        let program = host.tree.scratch.path(name)
        try FileManager.default.copyItem(atPath: "/bin/true", toPath: program)
        chmod(program, 0o755)
        let (picture, document) = ("\(folder)/r.svg", "\(folder)/r.json")
        let result = try host.plimsoll(
            as: user, ["run", "--report", picture, "--report", document, "--", program])
        #expect(result.code == 0, "\(result.errors)")
        expectClean(result.errors, "run")
        #expect(result.errors.contains(cleaned))
        let svg = try String(contentsOfFile: picture, encoding: .utf8)
        expectClean(svg, "the picture")
        let shown = "\(cleaned)&lt;b&gt;&amp;&lt;\u{301}x&gt;\u{301}&amp;\u{301}lt;, which"
        #expect(Data(svg.utf8).range(of: Data(shown.utf8)) != nil, "\(svg)")
        let json = try String(contentsOfFile: document, encoding: .utf8)
        expectClean(json, "the report")
        let told = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        #expect(told?["program"] as? String == name)
    }
}

private let compiler: String? = ["/usr/bin/cc", "/usr/bin/clang"].first { access($0, X_OK) == 0 }

struct ForeignMessageTests {
    @Test("The engine's name forges no message", arguments: users)
    func engines(_ user: String?) throws {
        let host = try hostileHost()
        let config = host.tree.scratch.path("config")
        try FileManager.default.createDirectory(atPath: config, withIntermediateDirectories: false)
        let settings: [[String: String]] = [
            ["DOCKER_HOST": attack], ["DOCKER_HOST": "unix:///" + attack], ["DOCKER_HOST": "tcp://" + attack],
            ["DOCKER_HOST": "", "DOCKER_CONTEXT": attack, "DOCKER_CONFIG": config],
            ["DOCKER_HOST": "", "DOCKER_CONTEXT": "x", "DOCKER_CONFIG": config + attack],
            ["DOCKER_HOST": "", "XDG_RUNTIME_DIR": "/" + attack, "HOME": "/nowhere"],
        ]
        for setting in settings {
            let result = try host.plimsoll(as: user, ["ledger"], environment: setting)
            expectClean(result.output + "\n" + result.errors, "\(setting)")
        }
        let context = try host.plimsoll(
            as: user, ["ledger"],
            environment: ["DOCKER_HOST": "", "DOCKER_CONTEXT": attack, "DOCKER_CONFIG": config])
        #expect(context.errors.contains("there is no Docker context '\(cleaned)' in "))
        let named = try host.plimsoll(as: user, ["ledger", "--docker-host", "ssh://" + attack])
        #expect(named.code == 2)
        expectClean(named.errors, "--docker-host")
    }

    @Test("What an engine answers forges no message")
    func answers() throws {
        let message = #"{"message":"a\nplimsoll: forged\u009b1m\u202e"}"#
        let refusing = try hostileHost(engine: .bytes("HTTP/1.0 500 x\r\n\r\n\(message)")).plimsoll("ledger")
        #expect(refusing.errors.contains("answered 500: a?plimsoll: forged?1m?"))
        expectClean(refusing.errors, "500")
        let long = "HTTP/1.0 500 x\r\n\r\n{\"message\":\"\(String(repeating: "x", count: 1 << 20))\"}"
        #expect(try hostileHost(engine: .bytes(long)).plimsoll("ledger").errors.utf8.count < 10_000)
    }

    @Test("A recording's sources and devices forge no message", arguments: users)
    func recordings(_ user: String?) throws {
        let host = try hostileHost()
        let sample = Build.package.appending(path: "samples/workstation.json")
        var text = try String(contentsOf: sample, encoding: .utf8)
        let told = #"a\nplimsoll: forged\u001b[31m\u009b1m"#
        text = text.replacing(#/"host" : "[^"]*"/#, with: "\"host\" : \"\(told)\"")
        text = text.replacing(#""name" : "docker""#, with: "\"name\" : \"\(told)\", \"error\" : \"\(told)\"")
        text = text.replacing(#""name" : "nvml""#, with: "\"name\" : \"nvml\", \"error\" : \"\(told)\"")
        text = text.replacing(#""index" : "1""#, with: "\"index\" : \"\(told)\"")
        try host.tree.scratch.write(text, to: "r.json")
        let commands = [
            ["ledger"], ["--format", "json"], ["ledger", "--fail-above", "1%"], ["fit", "1TiB"], ["ps"],
            ["fit", "1GiB", "--device", "9"], ["stats"], ["whose", "9"], ["capture", "-"],
        ]
        for command in commands {
            let result = try host.plimsoll(as: user, command + ["--replay", host.tree.scratch.path("r.json")])
            #expect(
                result.errors.contains("plimsoll: a?plimsoll: forged") || command[0] == "whose" || result.errors != "")
            expectClean(result.output, "\(command)")
            expectClean(result.errors, "\(command)")
        }
    }

    @Test(
        "An argument forges no message",
        arguments: [
            [attack], ["ledger", "--\(attack)"], ["ledger", "--format", attack], ["--replay", attack],
            ["ps", "--format", "{{.\(attack)}}"], ["ps", "--format", "{{\(attack)}}"], ["fit", attack],
            ["fit", "8GiB", attack], ["whose", attack], ["capture", "/nowhere/\(attack)"], ["--timeout", attack],
            ["run", "--", attack], ["run", "--report", attack, "true"], ["alloc", attack],
            ["--nvml-library", "/nowhere/\(attack)"], ["--procfs", "/nowhere/\(attack)"],
        ])
    func arguments(_ arguments: [String]) throws {
        let host = try hostileHost()
        let result = try host.plimsoll(arguments)
        #expect(result.errors != "")
        expectClean(result.output, "\(arguments)")
        expectClean(result.errors, "\(arguments)")
    }

    @Test("A variable forges no message, nor does what stands before `docker gpu`")
    func variables() throws {
        let host = try hostileHost()
        let names = [
            "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "PLIMSOLL_TIMEOUT",
            "PLIMSOLL_NVML_LIBRARY", "PLIMSOLL_PROCFS", "PLIMSOLL_SYSFS",
        ]
        for name in names {
            for command in [["check"], ["check", "--format", "json"], ["ledger"], ["alloc", "1GiB"]] {
                let result = try host.plimsoll(command, environment: [name: attack])
                expectClean(result.output, "\(name) \(command)")
                expectClean(result.errors, "\(name) \(command)")
            }
        }
        let plugin = host.tree.scratch.path("docker-gpu")
        try FileManager.default.createSymbolicLink(atPath: plugin, withDestinationPath: Build.plimsoll)
        for arguments in [
            ["-H", attack, "gpu"], ["--context", attack, "gpu"], ["gpu", attack], ["gpu", "whose", attack],
        ] {
            let result = try run(program: plugin, arguments, environment: host.environment)
            #expect(result.errors != "")
            expectClean(result.output + "\n" + result.errors, "\(arguments)")
        }
    }

    @Test("A name that is not there is told on one line, and so is one that is asked for")
    func askedFor() throws {
        let host = try hostileHost()
        let stats = try host.plimsoll("stats", "--no-stream", "b\nplimsoll: forged")
        #expect(stats.errors == "plimsoll: no running container has the name or id b?plimsoll: forged\n")
        #expect(
            try host.plimsoll("fit", "1GiB", "--device", "b\nplimsoll: forged").errors.split(separator: "\n").count == 1
        )
        let timeout = try host.plimsoll("ps", environment: ["PLIMSOLL_TIMEOUT": attack])
        expectClean(timeout.errors, "PLIMSOLL_TIMEOUT")
    }

    @Test(
        "The path of a library forges no answer of the child that loads it",
        arguments: ["\n", "\r\n", "\r", "\u{2028}"])
    func children(_ newline: String) throws {
        let nowhere = ["DOCKER_HOST": "unix:///nowhere"]
        let path = "/x\(newline)+/forged"
        let document = try run(["check", "--format", "json", "--nvml-library", path], environment: nowhere).document()
        let libraries = document["libraries"].elements
        #expect(libraries.count == 2 && libraries.allSatisfy { $0["path"].isNull })
        #expect(libraries[0]["unavailable"].string?.contains("+/forged: cannot open shared object file") == true)
        #expect(libraries[1]["unavailable"].string?.hasPrefix("libcuda.so.1: cannot open") == true)
        let host = try hostileHost()
        let alloc = try host.plimsoll("alloc", "1GiB", "--cuda-library", "/x\(newline)ok \(newline)plimsoll: forged")
        #expect(alloc.code == 2)
        expectClean(alloc.errors, "alloc")
        #expect(alloc.errors.split(separator: "\n").count == 1, "\(alloc.errors.debugDescription)")
        let long = try host.plimsoll("alloc", "1GiB", "--cuda-library", "/" + String(repeating: "x/", count: 50_000))
        #expect(long.code == 2 && long.errors.utf8.count < 10_000)
    }

    @Test(
        "The name of an error, as long and as wild as a library makes it, is told in part and on one line",
        .enabled(if: compiler != nil, "there is no C compiler"))
    func errorName() throws {
        let host = try hostileHost()
        let calls = [
            "DeviceGetCount", "DeviceGet", "DevicePrimaryCtxRetain", "CtxSetCurrent", "MemAlloc_v2", "MemFree_v2",
            "MemGetInfo_v2",
        ]
        let source =
            "static char text[1 << 20];\nint cuInit(unsigned flags) { return 999; }\n"
            + calls.map { "int cu\($0)(void) { return 999; }\n" }.joined() + #"""
                int cuGetErrorName(int code, const char **name) {
                    static const char start[] = "\xCC\x81 a\r\nok 0\nplimsoll: forged\x1b[31m\xC2\x9b";
                    for (unsigned i = 0; i + 1 < sizeof text; i++)
                        text[i] = i + 1 < sizeof start ? start[i] : 'x';
                    *name = text;
                    return 0;
                }
                """#
        try host.tree.scratch.write(source, to: "cuda.c")
        let library = host.tree.scratch.path("libcuda.so.1")
        let built = try run(
            program: compiler!, ["-shared", "-fPIC", "-o", library, host.tree.scratch.path("cuda.c")])
        #expect(built.code == 0, "\(built.errors)")
        let result = try host.plimsoll("alloc", "1GiB", "--cuda-library", library)
        #expect(result.code == 2)
        #expect(result.errors.hasPrefix("plimsoll: cuInit: \u{301} a??ok 0?plimsoll: forged?[31m?xxx"))
        #expect(result.errors.split(separator: "\n").count == 1 && result.errors.utf8.count < 10_000)
        expectClean(result.errors, "alloc")
    }

    @Test("Of a message of several lines only the first begins at the edge")
    func severalLines() throws {
        for arguments in [["ledger"], ["ledger", "--bogus"], ["bogus"]] {
            let lines = try run(arguments, environment: ["DOCKER_HOST": "unix:///nowhere"]).errors.split(
                separator: "\n")
            #expect(lines.count > 1)
            #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("  ") || $0.hasPrefix("plimsoll: ") })
        }
    }
}
