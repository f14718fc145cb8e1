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

    @Test("An empty name or image is none: Podman's infrastructure container has no image")
    func empty() throws {
        let answer =
            #"[{"Id": "aa", "Names": ["/"], "Image": ""}, {"Id": "bb", "Names": [""]}, {"Id": "cc", "Names": []}]"#
        let engine = try ask(.answer(answer))
        #expect(engine.containers.map(\.name) == [nil, nil, nil])
        #expect(engine.containers.map(\.image) == [nil, nil, nil])
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

    @Test("An entry without an id is no container's", arguments: [#"{"Id":""}"#, #"{"Names":["/a"]}"#])
    func noID(_ entry: String) {
        #expect(throws: EngineError.self) {
            try DockerEngine.containers(answer: Array("HTTP/1.0 200 OK\r\n\r\n[\(entry)]".utf8), socket: "s")
        }
    }

    @Test("A message of an engine, of a variable or of a path stays on one line")
    func messages() {
        let attack = "a\nplimsoll: forged\u{9b}1m\u{202e}"
        let errors: [EngineError] = [
            .noSocket(path: attack), .notRunning(path: attack), .forbidden(path: attack, group: attack),
            .forbidden(path: attack, group: nil), .timedOut(path: attack, seconds: 1), .broken(path: attack, code: 5),
            .refused(path: attack, status: 500, message: attack), .notUnderstood(path: attack, why: attack),
            .none(lookedFor: [attack, attack]),
        ]
        let reasons: [UnusableEngine.Reason] = [
            .elsewhere(url: attack), .desktop(attack), .noUnixSocket(url: attack), .noAddress(attack),
            .noContext(name: attack, folder: attack), .noEndpoint(context: attack, file: attack),
            .unreadable(why: attack),
        ]
        let named = reasons.map { UnusableEngine(origin: .configuration(attack, file: attack), reason: $0) }
        let all =
            errors.map(\.description) + named.map(\.description)
            + named.map { EngineError.unusable($0).description }
        for message in all {
            #expect(message.unicodeScalars.allSatisfy { !$0.isUnsafe }, "\(message)")
            #expect(message.contains("a?plimsoll: forged?1m?"))
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
