import Foundation
import TestSupport
import Testing

/// What examples/ shows is what comes of it: each image is built on a local base, since the one that it names is on a registry,
/// and run as its README says, with a simulated GPU.
@Suite(.serialized, .enabled(if: RealDocker.absenceOfGPUs == nil, "\(RealDocker.absenceOfGPUs ?? "")"))
struct ExampleTests {
    private let host: ContainerHost

    init() throws {
        host = try ContainerHost()
    }

    @Test("Each is built, run, and shows what its README shows", arguments: ["check", "allocate", "monitor"])
    func shows(_ name: String) throws {
        let image = try host.build(name)
        defer { host.remove(image) }
        let folder = host.scratch.path("reports")
        let mounts = name == "monitor" ? ["-v", "\(folder):/reports"] : []
        let result = try host.run(gpus: "all", mounts, image: image)
        #expect(result.code == 0)
        let readme = try Readme(name)
        #expect(
            Readme.comparable(result.output + result.errors) == Readme.comparable(readme.output(of: "docker run", name))
        )
        if name == "monitor" {
            #expect(FileManager.default.fileExists(atPath: "\(folder)/memory.svg"))
            let report = try JSONDocument(String(contentsOfFile: "\(folder)/memory.json", encoding: .utf8))
            #expect(report["devices"][0]["peakBytes"].integer == Int64(4096 + 380) << 20)
        }
    }

    @Test("The health check of an image is healthy with a GPU, and unhealthy without")
    func health() throws {
        let image = try host.build("check")
        defer { host.remove(image) }
        for (gpus, status) in [("all", "healthy"), (nil, "unhealthy")] as [(String?, String)] {
            let name = host.name(status)
            let options = ["--health-interval", "200ms", "--health-retries", "2"]
            let started = try RealDocker.docker(
                ["run", "-d", "--name", name] + options + host.options(gpus: gpus) + [image, "sleep", "60"])
            #expect(started.code == 0)
            try host.wait(status) {
                try RealDocker.docker("inspect", "-f", "{{.State.Health.Status}}", name).output == "\(status)\n"
            }
        }
    }

    @Test(
        "Each compose file reserves GPUs, and its service sees them",
        .enabled(if: Compose.found != nil || RealDocker.isCI),
        arguments: ["check", "allocate", "monitor"])
    func compose(_ name: String) throws {
        let compose = try #require(Compose.found)
        let reports = host.scratch.path("reports")
        let built = try host.tool()
        let image = host.image.replacing(":", with: "-compose:")
        defer { host.remove(image) }
        // What the tests need on top: a local base, no network, and which simulated driver is meant.
        try host.scratch.write(
            """
            services:
              \(name):
                image: \(image)
                build:
                  network: none
                  args:
                    BASE: \(host.image)
                    PLIMSOLL: \(built)
                network_mode: none
                environment:
                  GPUSIM_DRIVER: \(host.scratch.url.path)
                volumes:
                  - \(reports):/reports
            """, to: "override.yaml")
        let file = Build.package.appending(path: "examples/\(name)/compose.yaml").path
        let project = host.name("compose").lowercased()
        let files = ["-f", file, "-f", host.scratch.path("override.yaml"), "-p", project]
        let made = try compose.run(files + ["build", name])
        #expect(made.code == 0, "\(made.errors)")
        let result = try compose.run(files + ["run", "--rm", "-T", name])
        #expect(result.code == 0, "\(result.errors)")
        let readme = try Readme(name).output(of: "docker run", name)
        let told = result.output + (name == "monitor" ? result.errors.suffix(from: "plimsoll: GPU") : "")
        #expect(Readme.comparable(told) == Readme.comparable(readme))
        #expect(FileManager.default.fileExists(atPath: "\(reports)/memory.svg") == (name == "monitor"))
    }
}

extension String {
    /// Compose tells on standard error what it makes; nothing of that is the program's.
    fileprivate func suffix(from word: String) -> String {
        range(of: word).map { String(self[$0.lowerBound...]) } ?? ""
    }
}

/// `docker compose`, or the older program of its own.
private struct Compose {
    let words: [String]

    static let found: Compose? = [["docker", "compose"], ["docker-compose"]].map { Compose(words: $0) }.first {
        (try? $0.run(["version"]))?.code == 0
    }

    func run(_ arguments: [String]) throws -> ProgramResult {
        var environment = ["HOME": ProcessInfo.processInfo.environment["HOME"] ?? "/root"]
        environment["DOCKER_HOST"] = RealDocker.endpoint
        environment["COMPOSE_DOCKER_CLI_BUILD"] = "0"
        environment["DOCKER_BUILDKIT"] = "0"
        return try TestSupport.run(program: "/usr/bin/env", words + arguments, environment: environment)
    }
}

/// The README of an example.
private struct Readme {
    private let text: String

    init(_ example: String) throws {
        let file = Build.package.appending(path: "examples/\(example)/README.md")
        text = try String(contentsOf: file, encoding: .utf8)
    }

    /// What stands below the command that begins with these words and names the image last.
    func output(of words: String, _ image: String) -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let place = lines.firstIndex(where: { $0.hasPrefix("$ \(words)") && $0.contains(" \(image) ") }) else {
            return "there is no '\(words)' of \(image)"
        }
        return lines[(place + 1)...].prefix { $0 != "```" && !$0.hasPrefix("$ ") }.joined(separator: "\n")
    }

    /// Without what differs from run to run: ids, times, and what was read at them.
    static func comparable(_ output: String) -> String {
        output.replacing(/\b[0-9a-f]{12}\b/, with: "ID")
            .replacing(/[0-9.]+[GM]iB(?= +[0-9]+ +sampled)/, with: "MEAN")
            .replacing(/\b[0-9.]+ m?s\b/, with: "TIME")
            .replacing(/[0-9]+ readings/, with: "READINGS")
            .replacing(/[▁▂▃▄▅▆▇█]+/, with: "CURVE")
            // On cgroup v2 its files alone tell which container it is.
            .replacing(", or a container that shares its network", with: "")
            .replacing(/[ ]+/, with: " ").trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

extension ContainerHost {
    /// - Returns: an image that holds the program where the one of `make image` has it.
    fileprivate func tool() throws -> String {
        let folder = scratch.path("tool")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        if !FileManager.default.fileExists(atPath: "\(folder)/plimsoll") {
            try FileManager.default.copyItem(atPath: Build.plimsoll, toPath: "\(folder)/plimsoll")
        }
        try scratch.write("FROM \(image)\nCOPY plimsoll /usr/local/bin/plimsoll\n", to: "tool/Dockerfile")
        let name = image.replacing(":", with: "-tool:")
        try build(["-t", name, folder])
        return name
    }

    /// - Returns: the image of an example.
    fileprivate func build(_ example: String) throws -> String {
        let name = image.replacing(":", with: "-\(example):")
        let folder = Build.package.appending(path: "examples/\(example)").path
        try build(["-t", name, "--build-arg", "BASE=\(image)", "--build-arg", "PLIMSOLL=\(try tool())", folder])
        return name
    }

    private func build(_ arguments: [String]) throws {
        // The engine may have no BuildKit, and needs none.
        let result = try RealDocker.docker(
            ["build", "--network", "none"] + arguments, environment: ["DOCKER_BUILDKIT": "0"])
        guard result.code == 0 else { throw Unexpected("docker build: \(result.errors)") }
    }

    fileprivate func remove(_ example: String) {
        _ = try? RealDocker.docker("rmi", "-f", example, image.replacing(":", with: "-tool:"))
    }
}
