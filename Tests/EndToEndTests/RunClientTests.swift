import Foundation
import TestSupport
import Testing

private let mebibyte: Int64 = 1 << 20
/// What a process's context costs on the first card of the simulated host.
private let context = 380 * mebibyte

/// `run` of the real docker client, whose containers a real engine starts.
@Suite(.serialized, .enabled(if: RealDocker.absence == nil, "\(RealDocker.absence ?? "")"))
struct RunDockerTests {
    private let host: ContainerHost
    /// The real engine, but for the containers of tests that run beside this one.
    private let engine: StubEngine

    init() throws {
        host = try ContainerHost()
        let filter = "%7B%22label%22%3A%5B%22\(host.label)%22%5D%7D"
        engine = try StubEngine(
            host.scratch.path("own.sock"),
            .passesOn(
                socket: String((RealDocker.endpoint ?? "").dropFirst("unix://".count)),
                request: "GET /containers/json?filters=\(filter) HTTP/1.0\r\nHost: docker\r\n\r\n"))
    }

    private func words(_ docker: [String], report: String) -> [String] {
        let options = ["--interval", "20ms", "--report", report, "--docker-host", "unix://\(engine.path)"]
        return ["run"] + options + ["--", "docker"] + docker
    }

    /// `plimsoll run` of a docker command, and its report.
    private func run(_ docker: [String]) throws -> (result: ProgramResult, report: JSONDocument) {
        let file = host.scratch.path("report.json")
        let result = try TestSupport.run(words(docker, report: file), environment: host.environment)
        return (result, try JSONDocument(String(contentsOfFile: file, encoding: .utf8)))
    }

    /// The same, begun and not waited for; its messages go to NAME.errors.
    private func begin(_ docker: [String], report name: String) throws -> Process {
        let errors = host.scratch.path("\(name).errors")
        _ = FileManager.default.createFile(atPath: errors, contents: nil)
        return try launch(
            words(docker, report: host.scratch.path("\(name).json")),
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"].merging(host.environment) {
                $1
            }, output: FileHandle.nullDevice, errors: FileHandle(forWritingAtPath: errors))
    }

    private func hold(_ options: [String], _ arguments: [String]) -> [String] {
        ["run"] + host.holding + options + [host.image, "/bin/gpusim-hold"] + arguments
    }

    @Test("docker run: its container, to the byte, with the name that the engine gave it, whatever others hold")
    func unnamed() throws {
        try host.start("other", ["0:300MiB"])
        let (result, report) = try run(hold(["--rm"], ["--for", "1.5", "0:1000MiB"]))
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.output.contains("holding"))
        #expect(report["devices"][0]["peakBytes"].integer == 1000 * mebibyte + context)
        #expect(report["devices"][0]["processes"].integer == 1)
        #expect(report["scope"].string == "client-container")
        #expect(report["container"]["id"].string?.utf8.count == 64)
        let name = try #require(report["container"]["name"].string)
        #expect(result.errors.contains("Counted: container \(name), which the engine started for the command"))
        #expect(!result.errors.contains("still runs"))
    }

    @Test("A container that ends at once is measured all the same, and its exit code is the command's")
    func short() throws {
        let script = "/bin/gpusim-hold --for 1.5 0:200MiB; exit 3"
        let (result, report) = try run(["run", "--rm"] + host.holding + [host.image, "/bin/sh", "-c", script])
        #expect(result.code == 3)
        #expect(report["devices"][0]["peakBytes"].integer == 200 * mebibyte + context)
    }

    @Test("Two at once: neither is guessed to be the command's, and with --name each is right")
    func twoAtOnce() throws {
        func both(_ options: (String) -> [String]) throws -> [(errors: String, report: JSONDocument)] {
            let started = try [("left", "100MiB"), ("right", "200MiB")].map { name, size in
                (name, try begin(hold(["--rm"] + options(name), ["--for", "3", "0:\(size)"]), report: name))
            }
            return try started.map { name, process in
                process.waitUntilExit()
                func text(_ kind: String) throws -> String {
                    try String(contentsOfFile: host.scratch.path("\(name).\(kind)"), encoding: .utf8)
                }
                return (try text("errors"), try JSONDocument(text("json")))
            }
        }
        for (errors, report) in try both({ _ in [] }) {
            #expect(report["devices"][0]["peakBytes"].integer == 0)
            #expect(report["complete"].bool == false)
            #expect(
                report["containers"].elements.map { $0["peakBytes"].integer } == [
                    200 * mebibyte + context, 100 * mebibyte + context,
                ])
            #expect(errors.contains("2 containers began while the command ran"), "\(errors)")
            #expect(errors.contains("plimsoll run --container "))
        }
        let named = try both { ["--name", host.name($0)] }
        #expect(
            named.map { $0.report["devices"][0]["peakBytes"].integer } == [
                100 * mebibyte + context, 200 * mebibyte + context,
            ])
        #expect(named.map { $0.report["container"]["name"].string } == [host.name("left"), host.name("right")])
    }

    @Test("docker run -d: the container goes on, and the report says how to watch it")
    func detached() throws {
        let name = host.name("detached")
        let (result, report) = try run(hold(["-d", "--name", name], ["0:100MiB"]))
        #expect(result.code == 0)
        #expect(report["containers"][0]["running"].bool == true)
        #expect(report["container"]["name"].string == name)
        #expect(result.errors.contains("Container \(name) still runs"), "\(result.errors)")
        #expect(result.errors.contains("plimsoll run --container \(name)"))
    }

    @Test("docker exec: what it starts, and not what the container holds already")
    func exec() throws {
        try host.start("there", ["0:500MiB"])
        let name = host.name("there")
        let (result, report) = try run(["exec", name, "/bin/gpusim-hold", "--for", "1", "0:100MiB"])
        #expect(result.code == 0)
        #expect(report["devices"][0]["peakBytes"].integer == 100 * mebibyte + context)
        #expect(report["devices"][0]["processes"].integer == 1)
        #expect(result.errors.contains("Counted: processes of container \(name) that began after the command"))
    }

    @Test("docker start -a: the whole container")
    func start() throws {
        let name = host.name("again")
        let created = try RealDocker.docker(
            ["create", "--name", name] + host.holding + [host.image, "/bin/gpusim-hold", "--for", "1", "0:100MiB"])
        #expect(created.code == 0)
        let (_, report) = try run(["start", "-a", name])
        #expect(report["devices"][0]["peakBytes"].integer == 100 * mebibyte + context)
        #expect(report["container"]["name"].string == name)
    }

    @Test("run --container: until the container ends, by name and by id")
    func watched() throws {
        for isByName in [true, false] {
            let short = isByName ? "byname" : "byid"
            let id = try host.start(short, ["--for", "3", "0:100MiB"])
            let file = host.scratch.path("report.json")
            let result = try host.plimsoll(
                "run", "--container", isByName ? host.name(short) : String(id.prefix(12)), "--report", file)
            #expect(result.code == 0)
            #expect(result.errors.hasPrefix("plimsoll: GPU memory of container \(host.name(short)), watched for "))
            let report = try JSONDocument(String(contentsOfFile: file, encoding: .utf8))
            #expect(report["devices"][0]["peakBytes"].integer == 100 * mebibyte + context)
            #expect(report["container"]["id"].string == id)
            #expect(report["remaining"].isNull)
        }
        let none = try host.plimsoll("run", "--container", host.name("nobody"))
        #expect(none.code == 125)
    }
}

/// `run` of the real podman, with a service and without.
@Suite(.serialized, .enabled(if: PodmanHost.absence == nil, "\(PodmanHost.absence ?? "")"))
struct RunPodmanTests {
    @Test("podman run: its container, by the service and by itself", arguments: [true, false])
    func podmanRun(_ remote: Bool) throws {
        let host = try PodmanHost()
        let file = host.scratch.path("report.json")
        let words = host.command(remote: remote, options: ["--rm"], ["--for", "1.5", "0:300MiB"])
        let result = try run(
            ["run", "--interval", "20ms", "--report", file, "--docker-host", host.endpoint, "--"] + words,
            environment: host.environment)
        #expect(result.code == 0, "\(result.errors)")
        let report = try JSONDocument(String(contentsOfFile: file, encoding: .utf8))
        #expect(report["devices"][0]["peakBytes"].integer == 300 * mebibyte + context, "\(result.errors)")
        #expect(report["scope"].string == "client-container")
        #expect(result.errors.contains("Counted: container "), "\(result.errors)")
    }

    @Test("run --container: a container of Podman, until it ends")
    func watched() throws {
        let host = try PodmanHost()
        try host.start("trainer", ["--for", "3", "0:100MiB"])
        let result = try host.plimsoll("run", "--container", "trainer")
        #expect(result.code == 0)
        #expect(result.errors.hasPrefix("plimsoll: GPU memory of container trainer, watched for "), "\(result.errors)")
        #expect(result.errors.contains("480MiB / "))
    }
}
