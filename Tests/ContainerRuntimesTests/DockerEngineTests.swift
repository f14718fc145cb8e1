import Foundation
import Ledger
import TestSupport
import Testing

@testable import ContainerRuntimes

struct DockerEngineTests {
    private func ask(_ behaviour: StubEngine.Behaviour, headers: String = "Api-Version: 1.41") throws -> ObservedEngine
    {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let stub = try StubEngine(scratch.path("s"), behaviour, headers: headers)
        // Without this the stub may end as soon as its path was read.
        return try withExtendedLifetime(stub) { try DockerEngine(socket: stub.path).containers(within: 1) }
    }

    @Test("A container's own name is the one without a second slash; links have theirs beside it")
    func names() throws {
        let answer = """
            [{"Id": "aa", "Names": ["/web/db", "/db"], "Image": "postgres:16", "Labels": {"a": "b"}},
             {"Id": "bb", "Names": null, "Image": "x", "Labels": null}, {"Id": "cc"}]
            """
        let engine = try ask(.answer(answer))
        #expect(engine.containers.map(\.name) == ["db", nil, nil])
        #expect(engine.containers[0].labels == ["a": "b"])
        #expect(engine.runtime == .docker)
    }

    @Test("A slash is one whatever follows")
    func slashes() throws {
        let engine = try ask(.answer(#"[{"Id": "aa", "Names": ["/web/\u0301db", "/\u0301db"]}]"#))
        #expect(engine.containers[0].name.map { Array($0.unicodeScalars) } == ["\u{301}", "d", "b"])
    }

    @Test("Every character that Docker allows in a name comes through")
    func everyCharacter() throws {
        let name = "aZ09_.-" + String(repeating: "x", count: 200)
        let engine = try ask(.answer(#"[{"Id": "aa", "Names": ["/\#(name)"]}]"#))
        #expect(engine.containers[0].name == name)
    }

    @Test("A list of more containers than a host can run is refused, because a part of it would take names away")
    func tooMany() throws {
        func containers(_ count: Int) throws -> Int {
            let list = "[" + String(repeating: #"{"Id":"a"},"#, count: count - 1) + #"{"Id":"a"}]"#
            return try DockerEngine.containers(answer: Array("HTTP/1.0 200 OK\r\n\r\n\(list)".utf8), socket: "s").count
        }
        #expect(try containers(65_536) == 65_536)
        #expect(throws: EngineError.notUnderstood(path: "s", why: "a list of 65537 containers")) {
            try containers(65_537)
        }
    }

    @Test("A message of an engine, of a variable or of a path stays on one line")
    func messages() {
        let attack = "a\nplimsoll: forged\u{9b}1m\u{202e}"
        let errors: [EngineError] = [
            .noSocket(path: attack), .notRunning(path: attack), .forbidden(path: attack, group: attack),
            .forbidden(path: attack, group: nil), .timedOut(path: attack, seconds: 1), .broken(path: attack, code: 5),
            .refused(path: attack, status: 500, message: attack), .notUnderstood(path: attack, why: attack),
            .elsewhere(url: attack), .noContext(name: attack, folder: attack), .none(lookedFor: [attack, attack]),
        ]
        for error in errors {
            #expect(error.description.unicodeScalars.allSatisfy { !$0.isUnsafe }, "\(error)")
            #expect(error.description.contains("a?plimsoll: forged?1m?"))
        }
    }

    @Test("Who runs an engine is known by the user that listens at its socket, Docker's and Podman's")
    func owner() throws {
        #expect(try ask(.answer("[]")).owner == getuid())
        #expect(try ask(.answer("[]"), headers: "Libpod-Api-Version: 4.3.1").owner == getuid())
    }

    @Test("Podman is known by its header")
    func podman() throws {
        let engine = try ask(.answer("[]"), headers: "Libpod-Api-Version: 4.3.1")
        #expect(engine.runtime == .podman)
    }

    @Test("What Podman leaves out of its short list, paused or being stopped, has its name; what has ended has no row")
    func podmanStates() throws {
        let states = ["running", "paused", "stopping", "exited", "created"]
        let all = states.map { #"{"Id": "\#($0)", "Names": ["/\#($0)"], "State": "\#($0)"}"# }
        let bodies = [
            "/containers/json": "[\(all[0])]", "/containers/json?all=true": "[\(all.joined(separator: ","))]",
        ]
        let engine = try ask(.answers(bodies), headers: "Libpod-Api-Version: 4.3.1")
        #expect(engine.containers.map(\.name) == ["running", "paused", "stopping"])
        let docker = try ask(.answers(bodies))
        #expect(docker.containers.map(\.name) == ["running"])
    }

    @Test("An engine that hangs is left after its time")
    func hangs() throws {
        let start = Date()
        #expect(throws: EngineError.self) { try ask(.hangs) }
        #expect(-start.timeIntervalSinceNow < 8)
    }

    @Test("One that drips byte by byte is left after its time too")
    func drips() throws {
        let start = Date()
        #expect(throws: EngineError.self) { try ask(.drips) }
        #expect(-start.timeIntervalSinceNow < 8)
    }

    @Test(
        "Rubbish is told as rubbish",
        arguments: [
            StubEngine.Behaviour.closes, .bytes("SSH-2.0-OpenSSH_9.2\r\n"), .bytes("HTTP/1.0 200 OK\r\n\r\n{}"),
            .bytes("HTTP/1.0 200 OK\r\n\r\n[{\"Id\":"), .bytes("HTTP/1.0 abc\r\n\r\n[]"), .answer("[1,2]"),
            .bytes("HTTP/1.0 200 OK\r\n"),
        ])
    func rubbish(_ behaviour: StubEngine.Behaviour) {
        #expect {
            try ask(behaviour)
        } throws: { error in
            if case EngineError.notUnderstood = error {
                true
            } else if case EngineError.broken = error {
                true
            } else {
                false
            }
        }
    }

    @Test("An engine's own words about an error are told")
    func refusal() {
        #expect {
            try ask(.bytes("HTTP/1.0 500 Internal Server Error\r\n\r\n{\"message\":\"disk is full\"}"))
        } throws: { String(describing: $0).contains("500: disk is full") }
    }

    @Test("No socket, nobody behind it, and no permission are told apart")
    func absence() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        #expect(throws: EngineError.noSocket(path: "/nowhere/docker.sock")) {
            try DockerEngine(socket: "/nowhere/docker.sock").containers(within: 1)
        }
        var stub: StubEngine? = try StubEngine(scratch.path("s"), .closes)
        let path = stub!.path
        stub = nil
        #expect(throws: EngineError.notRunning(path: path)) { try DockerEngine(socket: path).containers(within: 1) }
        let forbidden = EngineError.forbidden(path: "/var/run/docker.sock", group: "docker").description
        #expect(forbidden.contains("usermod -aG docker"))
    }
}

struct EngineSelectionTests {
    private func selection(_ hosts: [String] = [], _ environment: [String: String]) throws -> EngineSelection {
        try EngineSelection(hosts: hosts, environment: environment) { DockerContext.current(environment) }
    }

    @Test("Named engines come first, then DOCKER_HOST, then the current context, then the usual sockets")
    func order() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        try scratch.write(#"{"currentContext": "lab"}"#, to: "config.json")
        try scratch.write(
            #"{"Name": "lab", "Endpoints": {"docker": {"Host": "unix:///lab.sock"}}}"#,
            to: "contexts/meta/abc/meta.json")
        let config = ["DOCKER_CONFIG": scratch.url.path]
        let all = config.merging(["DOCKER_HOST": "unix:///env.sock"]) { $1 }
        #expect(try selection(["unix:///a.sock", "/b.sock"], all).engines.map(\.socket) == ["/a.sock", "/b.sock"])
        #expect(try selection([], all).engines.map(\.socket) == ["/env.sock"])
        #expect(try selection([], config).engines.map(\.socket) == ["/lab.sock"])
        let usual = try selection([], config.merging(["DOCKER_CONTEXT": "default"]) { $1 })
        #expect(usual.engines.map(\.socket) == ["/var/run/docker.sock", "/run/podman/podman.sock"])
        #expect(!usual.isNamed)
        #expect(throws: EngineError.self) { try selection([], config.merging(["DOCKER_CONTEXT": "no"]) { $1 }) }
    }

    @Test(
        "An engine on another machine is refused",
        arguments: [
            "tcp://10.0.0.1:2375", "ssh://me@gpu-box", "https://x", "npipe:////./pipe/docker",
            "unix:///home/me/.docker/desktop/docker.sock",
        ])
    func elsewhere(_ url: String) {
        #expect(throws: EngineError.elsewhere(url: url)) { try selection([url], [:]) }
    }
}
