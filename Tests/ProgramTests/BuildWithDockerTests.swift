import Foundation
import TestSupport
import Testing

/// How `make` builds on a host that has Docker and no Swift. The image cannot be pulled in tests, so `docker` is a script that records
/// its arguments.
struct BuildWithDockerTests {
    private let scratch: Scratch
    private let scripts = Build.package.appending(path: "scripts").path

    init() throws {
        scratch = try Scratch()
        // A PATH with these tools only, and no swift.
        for tool in ["sh", "sed", "dirname", "timeout", "id", "uname", "grep", "cat"] {
            let path = try #require(["/usr/bin/", "/bin/"].map { $0 + tool }.first { access($0, X_OK) == 0 })
            try FileManager.default.createDirectory(
                atPath: scratch.path("bin"), withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(
                atPath: scratch.path("bin/\(tool)"), withDestinationPath: path)
        }
    }

    private func tool(_ name: String, _ script: String) throws {
        try scratch.write("#!/bin/sh\n" + script, to: "bin/\(name)")
        chmod(scratch.path("bin/\(name)"), 0o755)
    }

    private func script(_ words: String...) throws -> ProgramResult {
        let environment = ["PATH": scratch.path("bin"), "LOG": scratch.path("log")]
        return try run(program: "/bin/sh", ["\(scripts)/\(words[0])"] + words.dropFirst(), environment: environment)
    }

    @Test("Without Swift, the image is used, and one line says so")
    func image() throws {
        defer { scratch.remove() }
        try tool("docker", "exit 0\n")
        let chosen = try script("choose-swift.sh")
        #expect(chosen.output == "\(scripts)/swift-in-docker\n")
        #expect(chosen.errors == "No swift on this host: building in the Docker image swift:6.2.1-jammy.\n")
    }

    @Test("Swift on the host comes first")
    func swift() throws {
        defer { scratch.remove() }
        try tool("docker", "exit 0\n")
        try tool("swift", "exit 0\n")
        let chosen = try script("choose-swift.sh")
        #expect(chosen.output == "swift\n")
        #expect(chosen.errors == "")
    }

    @Test("If Docker does not answer this user, that is said, and what to install")
    func noAccess() throws {
        defer { scratch.remove() }
        try tool("docker", "exit 1\n")
        let chosen = try script("choose-swift.sh")
        #expect(chosen.output == "swift\n")
        #expect(chosen.errors.contains("Docker does not answer this user"))
        let required = try script("require-swift.sh", "swift")
        #expect(required.code == 1)
        #expect(required.errors.contains("Install Swift 6.2 or later"))
        #expect(required.errors.contains("Or install Docker"))
    }

    @Test("Without either, nothing is run")
    func neither() throws {
        defer { scratch.remove() }
        let chosen = try script("choose-swift.sh")
        #expect(chosen.output == "swift\n")
        #expect(chosen.errors == "")
    }

    @Test("In the image, the checkout is at its own path, and what is built belongs to the user")
    func arguments() throws {
        defer { scratch.remove() }
        try tool("docker", "for word; do echo \"$word\"; done >\"$LOG\"\n")
        #expect(try script("swift-in-docker", "build", "-c", "release").code == 0)
        let words = try String(contentsOfFile: scratch.path("log"), encoding: .utf8).split(separator: "\n").map(
            String.init)
        let top = Build.package.path.hasSuffix("/") ? String(Build.package.path.dropLast()) : Build.package.path
        #expect(words.prefix(2) == ["run", "--rm"])
        #expect(words.contains("\(getuid()):\(getgid())"))
        #expect(words.contains("\(top):\(top)"))
        #expect(words.suffix(5) == ["swift:6.2.1-jammy", "swift", "build", "-c", "release"])
    }

    @Test("SWIFT=… overrides the choice", .enabled(if: access("/usr/bin/make", X_OK) == 0))
    func makefile() throws {
        defer { scratch.remove() }
        let words = ["-C", Build.package.path, "-n", "-B", "build", "SWIFT=other"]
        let lines = try run(program: "/usr/bin/make", words).output
        #expect(lines.contains("other build --disable-local-rpath -c release"))
    }
}
