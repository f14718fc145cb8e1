import Foundation
import TestSupport
import Testing

private let id = HostTree.id(1)

/// A host with a container that an engine of this machine knows, and other engines named in the user's settings.
private final class NamedHost {
    let running: RunningHost
    let plugin: String

    /// - Parameter contexts: of the docker client, by name, with their URLs.
    init(contexts: [String: String] = [:], current: String? = nil, engine: StubEngine.Behaviour? = nil) throws {
        let host = try HostTree()
        try host.process(4242, "python3", cgroup: "0::/system.slice/docker-\(id).scope")
        host.container(id, "trainer", "lab/trainer:1")
        host.card("NVIDIA L4", uuid: "GPU-1", total: 23034, processes: [HostTree.listed(4242, 3000)])
        if let current {
            try host.scratch.write(#"{"currentContext": "\#(current)"}"#, to: "home/.docker/config.json")
        }
        for (name, url) in contexts {
            try host.scratch.write(
                #"{"Name": "\#(name)", "Endpoints": {"docker": {"Host": "\#(url)"}}}"#,
                to: "home/.docker/contexts/meta/\(name)/meta.json")
        }
        plugin = host.scratch.path("docker-gpu")
        try FileManager.default.createSymbolicLink(atPath: plugin, withDestinationPath: Build.plimsoll)
        running = try host.start(engine: engine)
    }

    func environment(_ more: [String: String] = [:], engineIsHere: Bool = true) -> [String: String] {
        var environment = running.environment
        environment["DOCKER_HOST"] = nil
        environment["HOME"] = running.tree.scratch.path("home")
        // Where the stub's socket is looked for as that of a rootless engine.
        environment["XDG_RUNTIME_DIR"] = engineIsHere ? running.tree.scratch.url.path : "/nowhere"
        return environment.merging(more) { $1 }
    }
}

struct EngineNamingTests {
    private static let stats = ["stats", "--no-stream", "--format", "{{.Name}} {{.GPUMem}}"]

    /// Settings that name an engine which cannot be asked; what a person is told of it.
    private static let settings: [(variables: [String: String], current: String?, told: [String])] = [
        (
            ["DOCKER_HOST": "ssh://me@gpu-box"], nil,
            [
                "DOCKER_HOST is ignored: ssh://me@gpu-box is an engine on another machine, and Plimsoll reads the GPUs of"
            ]
        ), (["DOCKER_HOST": "tcp://10.0.0.1:2375"], "lab", ["DOCKER_HOST", "tcp://10.0.0.1:2375"]),
        (["DOCKER_HOST": "tcp://127.0.0.1:2375"], nil, ["DOCKER_HOST", "is not a unix socket"]),
        (["DOCKER_HOST": "rubbish"], nil, ["DOCKER_HOST", "'rubbish' is not the address of an engine"]),
        (["DOCKER_CONTEXT": "lab"], nil, ["DOCKER_CONTEXT 'lab'", "ssh://lab"]),
        (["DOCKER_CONTEXT": "gone"], nil, ["DOCKER_CONTEXT 'gone'", "there is no Docker context 'gone' in"]),
        ([:], "lab", ["the current Docker context 'lab' of", "config.json", "ssh://lab"]),
        (
            [:], "desktop-linux",
            ["'desktop-linux'", "(Docker Desktop's virtual machine)", "/.docker/desktop/docker.sock"]
        ),
        ([:], "gone", ["the current Docker context 'gone'", "there is no Docker context 'gone' in"]),
    ]

    @Test(
        "An engine that settings name elsewhere costs a warning, and neither numbers nor the names of this machine's engine"
    )
    func settings() throws {
        for (variables, current, told) in Self.settings {
            let host = try NamedHost(
                contexts: ["lab": "ssh://lab", "desktop-linux": "unix:///home/u/.docker/desktop/docker.sock"],
                current: current)
            let result = try run(Self.stats, environment: host.environment(variables))
            #expect(result.code == 0, "\(variables)")
            #expect(result.output == "trainer 2.93GiB\n", "\(variables)")
            #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
            for words in told { #expect(result.errors.contains(words), "\(result.errors)") }
            #expect(result.errors.contains("The engines of this machine are asked instead."))
        }
    }

    @Test("Without an engine here, ids take the place of names")
    func ids() throws {
        let host = try NamedHost()
        let result = try run(
            ["ledger", "--format", "json"],
            environment: host.environment(["DOCKER_HOST": "ssh://gpu-box"], engineIsHere: false))
        #expect(result.code == 0)
        let document = try result.document()
        #expect(document["containers"][0]["id"].string == id)
        #expect(document["devices"][0]["memory"]["totalBytes"].integer == 23034 << 20)
        #expect(result.errors.components(separatedBy: "ssh://gpu-box").count == 2)
    }

    @Test("The plugin refuses what its options name elsewhere, and warns of what the environment does")
    func plugin() throws {
        let host = try NamedHost(contexts: ["lab": "ssh://lab", "here": ""], current: "lab")
        let socket = "unix://\(host.running.engine.path)"
        let environment = host.environment(["DOCKER_HOST": "ssh://env"])
        for options in [
            ["-H", "ssh://flag"], ["-Hssh://flag"], ["--host=ssh://flag"], ["--host", "tcp://10.0.0.1:2375"],
            ["-c", "lab"], ["--context=lab"], ["--context", "gone"], ["-H", "tcp://localhost:2375"],
        ] {
            let result = try run(program: host.plugin, options + ["gpu"] + Self.stats, environment: environment)
            #expect(result.code == 2, "\(options)")
            #expect(result.output == "")
            #expect(!result.errors.contains("ssh://env"))
            #expect(!result.errors.contains("asked instead"))
        }
        // An empty value is none, and does not take the next word.
        for options in [["--host="], ["--context="]] {
            let result = try run(program: host.plugin, options + ["gpu"] + Self.stats, environment: environment)
            #expect(result.code == 0, "\(options): \(result.errors)")
            #expect(result.output == "trainer 2.93GiB\n", "\(options)")
        }
        for options in [["-H", socket], ["--context", "here"], ["--config", "/nowhere"], []] {
            let result = try run(program: host.plugin, options + ["gpu"] + Self.stats, environment: environment)
            #expect(result.code == 0, "\(options): \(result.errors)")
            #expect(result.output == "trainer 2.93GiB\n", "\(options)")
            let isEnvironments = options.isEmpty || options[0] == "--config"
            #expect(result.errors.contains("DOCKER_HOST is ignored: ssh://env") == isEnvironments, "\(options)")
        }
    }

    @Test("--docker-host is nearer than what the plugin's options and the environment name")
    func nearest() throws {
        let host = try NamedHost(contexts: ["lab": "ssh://lab"], current: "lab")
        let environment = host.environment(["DOCKER_HOST": "ssh://env"])
        let socket = "unix://\(host.running.engine.path)"
        let result = try run(
            program: host.plugin, ["-H", "ssh://flag", "gpu"] + Self.stats + ["--docker-host", socket],
            environment: environment)
        #expect(result.output == "trainer 2.93GiB\n")
        #expect(result.errors == "")
    }

    @Test("A recording, and a command that needs no engine, warn of none")
    func noWarning() throws {
        let host = try NamedHost(current: "gone")
        let environment = host.environment(["DOCKER_HOST": "ssh://env", "DOCKER_CONTEXT": "gone"])
        let sample = Build.package.appending(path: "samples/workstation.json").path
        for arguments in [
            ["ledger", "--replay", sample], ["ps", "--replay", sample], ["check"], ["--version"],
            ["run", "-q", "--", "true"], ["alloc", "1MiB"],
        ] {
            let result = try run(arguments, environment: environment)
            #expect(!result.errors.contains("ssh://env"), "\(arguments)")
            #expect(!result.errors.contains("gone"), "\(arguments)")
        }
    }

    @Test("An image without a name is -- or a short id on screens, and null or the whole id in JSON")
    func images() throws {
        let digits = "0123456789ab" + String(repeating: "c", count: 52)
        for (image, shown) in [("", "--"), ("sha256:\(digits)", "0123456789ab")] {
            let list = #"[{"Id":"\#(id)","Names":["/86b3b5a94724-infra"],"Image":"\#(image)","State":"running"}]"#
            let host = try NamedHost(engine: .answer(list)).running
            let template = ["--format", "{{.Image}}"]
            #expect(try host.plimsoll(["stats", "--no-stream"] + template).output == "\(shown)\n")
            #expect(try host.plimsoll(["whose", "4242"] + template).output == "\(shown)\n")
            let document = try host.plimsoll("ledger", "--format", "json").document()["containers"][0]
            #expect(document["name"].string == "86b3b5a94724-infra")
            #expect(image.isEmpty ? document["image"].isNull : document["image"].string == image)
        }
        let list = #"[{"Id":"\#(id)","Names":["/x"],"Image":"sha256:\#(digits)","State":"running"}]"#
        let whole = try NamedHost(engine: .answer(list)).running.plimsoll(
            "stats", "--no-stream", "--no-trunc", "--format", "{{.Image}}")
        #expect(whole.output == "sha256:\(digits)\n")
    }

    @Test("Names come from an engine that answers in HTTP/1.1 and keeps the connection open")
    func openConnection() throws {
        let list = #"[{"Id":"\#(id)","Names":["/trainer"],"Image":"lab/trainer:1","Labels":{},"State":"running"}]"#
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        let size = String(list.utf8.count, radix: 16)
        for answer in [
            [head, "Content-Length: \(list.utf8.count)\r\n\r\n", String(list.prefix(30)), String(list.dropFirst(30))],
            [head, "Transfer-Encoding: chunked\r\n\r\n\(size)\r", "\n\(list)\r\n0\r\n", "\r\n"],
        ] {
            let host = try NamedHost(engine: .staysOpen(answer))
            let result = try run(Self.stats + ["--timeout", "20"], environment: host.running.environment)
            #expect(result.output == "trainer 2.93GiB\n")
            #expect(result.errors == "")
            #expect(result.seconds < 10 + busyMachine)
        }
    }
}
