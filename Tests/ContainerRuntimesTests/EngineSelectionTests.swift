import TestSupport
import Testing

@testable import ContainerRuntimes

struct EngineSelectionTests {
    private static let usual = ["/var/run/docker.sock", "/run/podman/podman.sock"]

    /// A folder of the docker client, with a context at each of these URLs.
    private func settings(_ contexts: [String: String], current: String? = nil) throws -> Scratch {
        let scratch = try Scratch()
        if let current { try scratch.write(#"{"auths": {}, "currentContext": "\#(current)"}"#, to: "config.json") }
        for (name, url) in contexts {
            try scratch.write(
                #"{"Name": "\#(name)", "Metadata": {}, "Endpoints": {"docker": {"Host": "\#(url)"}}}"#,
                to: "contexts/meta/\(name)/meta.json")
        }
        return scratch
    }

    private func select(
        hosts: [String] = [], context: String? = nil, _ environment: [String: String]
    ) throws(EngineError) -> EngineSelection {
        let naming = EngineNaming(hosts: hosts, context: context, environment: environment)
        return try EngineSelection(naming) { name in
            DockerContext.current(environment.merging(name.map { ["DOCKER_CONTEXT": $0] } ?? [:]) { $1 })
        }
    }

    @Test("Options come first, then DOCKER_HOST, DOCKER_CONTEXT, the current context, and the usual sockets")
    func order() throws {
        let scratch = try settings(["lab": "unix:///lab.sock", "other": "unix:///other.sock"], current: "lab")
        defer { scratch.remove() }
        let config = ["DOCKER_CONFIG": scratch.url.path]
        func with(_ more: [String: String]) -> [String: String] { config.merging(more) { $1 } }
        let all = with(["DOCKER_HOST": "unix:///env.sock", "DOCKER_CONTEXT": "other"])
        let cases: [([String], String?, [String: String], [String])] = [
            (["unix:///a.sock", "/b.sock", "/a.sock"], nil, all, ["/a.sock", "/b.sock"]),
            ([], "lab", all, ["/lab.sock"]), ([], nil, all, ["/env.sock"]),
            ([], nil, with(["DOCKER_CONTEXT": "other"]), ["/other.sock"]), ([], nil, config, ["/lab.sock"]),
            ([], nil, with(["DOCKER_HOST": "", "DOCKER_CONTEXT": ""]), ["/lab.sock"]),
            // The context "default" is DOCKER_HOST's, for the docker client too.
            ([], "default", all, ["/env.sock"]), ([], nil, with(["DOCKER_HOST": "unix://"]), ["/var/run/docker.sock"]),
        ]
        for (hosts, context, environment, sockets) in cases {
            let selection = try select(hosts: hosts, context: context, environment)
            #expect(selection.engines.map(\.socket) == sockets, "\(hosts) \(context ?? "-") \(environment)")
            #expect(selection.isNamed)
            #expect(selection.skipped == nil)
        }
        for (context, more) in [("default", [:]), (nil, ["DOCKER_CONTEXT": "default"])] {
            let selection = try select(context: context, with(more))
            #expect(selection.engines.map(\.socket) == Self.usual)
            #expect(!selection.isNamed)
            #expect(selection.skipped == nil)
        }
    }

    static let urls: [(url: String, reason: UnusableEngine.Reason)] =
        [
            "tcp://10.0.0.1:2375", "ssh://me@gpu-box", "https://x", "http://gpu-box:2375",
            "npipe:////./pipe/docker_engine",
            "gpu-box:2375", "10.0.0.1:2375", "TCP://x", "tcp://[fe80::1]:2375", "tcp://localhost.lab:2375",
        ].map { ($0, .elsewhere(url: $0)) }
        + [
            "tcp://localhost:2375", "tcp://127.0.0.1:2375", "http://[::1]:2375/v1", "tcp://:2375", "localhost:2375",
            ":2375", "tcp://",
        ].map { ($0, .noUnixSocket(url: $0)) }
        + ["/home/me/.docker/desktop/docker.sock", "unix:///home/me/.docker/desktop/docker.sock"].map {
            ($0, .desktop($0))
        }
        + ["gpu-box", "a b", "unix:/run/docker.sock", "fd://3", "://", "host:port", "run/docker.sock", "x:1:2"].map {
            ($0, .noAddress($0))
        }

    @Test(
        "An engine that cannot be asked is refused if an option names it, and skipped if something else does",
        arguments: urls)
    func unusable(_ url: String, _ reason: UnusableEngine.Reason) throws {
        #expect(throws: EngineError.unusable(UnusableEngine(origin: .hostOption, reason: reason))) {
            try select(hosts: ["unix:///a.sock", url], [:])
        }
        let scratch = try settings(["lab": url], current: "lab")
        defer { scratch.remove() }
        let config = ["DOCKER_CONFIG": scratch.url.path, "XDG_RUNTIME_DIR": "/run/user/7"]
        #expect(throws: EngineError.unusable(UnusableEngine(origin: .contextOption, reason: reason))) {
            try select(context: "lab", config.merging(["DOCKER_HOST": "unix:///a.sock"]) { $1 })
        }
        let origins: [([String: String], EngineOrigin)] = [
            (["DOCKER_HOST": url, "DOCKER_CONTEXT": "lab"], .hostVariable),
            (["DOCKER_CONTEXT": "lab"], .contextVariable("lab")),
            ([:], .configuration("lab", file: scratch.path("config.json"))),
        ]
        for (more, origin) in origins {
            let selection = try select(config.merging(more) { $1 })
            #expect(selection.skipped == UnusableEngine(origin: origin, reason: reason))
            #expect(!selection.isNamed)
            #expect(
                selection.engines.map(\.socket) == [
                    "/var/run/docker.sock", "/run/user/7/docker.sock", "/run/user/7/podman/podman.sock",
                    "/run/podman/podman.sock",
                ])
        }
    }

    @Test("A socket under the home directory is a rootless engine's, if no context of Docker Desktop names it")
    func rootless() throws {
        let url = "unix:///home/me/.docker/run/docker.sock"
        #expect(try select(["DOCKER_HOST": url]).engines.map(\.socket) == ["/home/me/.docker/run/docker.sock"])
        let scratch = try settings(["desktop-linux": url, "rootless": url])
        defer { scratch.remove() }
        let config = ["DOCKER_CONFIG": scratch.url.path]
        let rootless = try select(config.merging(["DOCKER_CONTEXT": "rootless"]) { $1 })
        #expect(rootless.engines.map(\.socket) == ["/home/me/.docker/run/docker.sock"])
        #expect(try select(config.merging(["DOCKER_CONTEXT": "desktop-linux"]) { $1 }).skipped?.reason == .desktop(url))
    }

    @Test("A context that is missing, empty or unreadable takes no numbers away")
    func brokenContexts() throws {
        let scratch = try settings(["usual": ""], current: "gone")
        defer { scratch.remove() }
        try scratch.write(#"{"Name": "swarm", "Endpoints": {"kubernetes": {}}}"#, to: "contexts/meta/1/meta.json")
        try scratch.write(#"{"Name": "half", "Endpoi"#, to: "contexts/meta/2/meta.json")
        let config = ["DOCKER_CONFIG": scratch.url.path]
        func skipped(_ more: [String: String]) throws -> UnusableEngine.Reason? {
            let selection = try select(config.merging(more) { $1 })
            #expect(selection.engines.map(\.socket) == Self.usual)
            return selection.skipped?.reason
        }
        func missing(_ name: String) -> UnusableEngine.Reason {
            .noContext(name: name, folder: scratch.path("contexts/meta"))
        }
        #expect(try skipped([:]) == missing("gone"))
        #expect(try skipped(["DOCKER_CONTEXT": "half"]) == missing("half"))
        #expect(try skipped(["DOCKER_CONTEXT": "desktop-linux"]) == .desktop("desktop-linux"))
        #expect(
            try skipped(["DOCKER_CONTEXT": "swarm"])
                == .noEndpoint(context: "swarm", file: scratch.path("contexts/meta/1/meta.json")))
        #expect(try skipped(["DOCKER_CONTEXT": "usual"]) == nil)
        #expect(throws: EngineError.unusable(UnusableEngine(origin: .contextOption, reason: missing("no")))) {
            try select(context: "no", config)
        }
        try scratch.write("", to: "config.json")
        #expect(try skipped([:]) == nil)
        try scratch.write("{", to: "config.json")
        #expect(try skipped([:]) == .unreadable(why: "\(scratch.path("config.json")): not understood"))
    }

    @Test("A configuration that does not answer is skipped, and refused for a context that an option names")
    func silent() throws {
        let naming = EngineNaming(environment: ["DOCKER_CONTEXT": "lab"])
        #expect(
            try EngineSelection(naming) { _ in nil }.skipped
                == UnusableEngine(origin: .contextVariable("lab"), reason: .silent))
        #expect(throws: EngineError.self) { try EngineSelection(EngineNaming(context: "lab")) { _ in nil } }
    }
}
