import Foundation
import TestSupport
import Testing

/// A docker client that tells the stand-in for NVIDIA's hook where the simulated driver is, first in PATH.
private func client(for host: ContainerHost) throws -> String {
    try host.scratch.write(
        """
        #!/bin/sh
        PATH=/usr/local/bin:/usr/bin:/bin
        # docker --host URL run …
        [ "$3" = run ] || exec docker "$@"
        host=$2
        shift 3
        exec docker --host "$host" run --env GPUSIM_DRIVER=\(host.scratch.url.path) --label \(host.label) "$@"
        """, to: "bin/docker")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: host.scratch.path("bin/docker"))
    return host.scratch.path("bin")
}

extension ContainerHost {
    fileprivate func measuring() throws -> [String: String] {
        environment.merging([
            "PATH": "\(try client(for: self)):/usr/local/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": driver.libraries,
        ]) { $1 }
    }

    fileprivate func images() throws -> Set<String> {
        let names = try RealDocker.docker("images", "--format", "{{.Repository}}:{{.Tag}}", "plimsoll-measure").output
        return Set(names.split(separator: "\n").map(String.init))
    }

    fileprivate func containers() throws -> String {
        try RealDocker.docker("ps", "-aq", "--filter", "label=\(label)").output
    }
}

/// One test at a time: each compares the engine's images before and after, and the engine is shared.
@Suite(
    .serialized, .enabled(if: RealDocker.absenceOfGPUs == nil || RealDocker.isCI, "\(RealDocker.absenceOfGPUs ?? "")"))
struct MeasureContainerTests {
    @Test("In containers: the driver's PIDs without and with --pid=host, and which GPU is given; nothing is left")
    func containers() throws {
        let host = try ContainerHost()
        let before = try host.images()
        let report = host.scratch.path("measured.json")
        let steps = ["container", "container-host-pids", "container-devices"]
        let result = try run(
            ["measure", "--output", report] + steps.flatMap { ["--step", $0] }, environment: host.measuring())
        let document = try JSONDocument(String(contentsOfFile: report, encoding: .utf8))
        #expect(document["steps"].elements.map { $0["verdict"].string } == ["agrees", "agrees", "agrees"])
        #expect(result.code == 0, "\(result.output)\(result.errors)")
        #expect(try host.containers() == "")
        #expect(try host.images() == before)
    }

    @Test("A driver before 535.113 tells a container the host's PIDs")
    func oldDriver() throws {
        let host = try ContainerHost(simulating: "t4-r470")
        let report = host.scratch.path("measured.json")
        _ = try run(["measure", "--output", report, "--step", "container"], environment: host.measuring())
        let step = try JSONDocument(String(contentsOfFile: report, encoding: .utf8))["steps"][0]
        #expect(step["verdict"].string == "agrees")
        #expect(step["seen"].elements.map { $0["flag"].bool } == [false, true])
    }

    @Test("Ctrl-C while a container runs: neither it nor its image is left")
    func interrupted() throws {
        let host = try ContainerHost()
        let before = try host.images()
        let process = try launch(
            [
                "measure", "--output", host.scratch.path("measured.json"), "--step", "container", "--step",
                "hanging-driver",
            ], environment: try host.measuring(), output: FileHandle.nullDevice, errors: FileHandle.nullDevice)
        try host.wait("the container runs") { try host.containers() != "" }
        kill(process.processIdentifier, SIGINT)
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        try host.wait("the container is gone") { try host.containers() == "" }
        try host.wait("the image is gone") { try host.images() == before }
    }
}
