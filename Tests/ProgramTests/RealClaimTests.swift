import Foundation
import Glibc
import TestSupport
import Testing

/// A real attack: an ordinary user with a delegated cgroup of this machine makes one that is named like another's container.
struct RealClaimTests {
    /// The memory hierarchy of cgroup v1, where the machine has it; else the one that v2 has.
    private static let hierarchy = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].first {
        FileManager.default.fileExists(atPath: $0 + "/cgroup.procs")
    }

    private static let canMake = getuid() == 0 && hierarchy.map { access($0, W_OK) == 0 } ?? false

    @Test(
        "Memory of a process in a user's real cgroup that is named like a container is the host's",
        .enabled(if: canMake, "only root can delegate a cgroup"),
        arguments: ["user@65534.service", "runner.service"])
    func delegated(_ unit: String) throws {
        let host = try HostTree()
        let id = HostTree.id(1)
        host.container(id, "ollama", "ollama/ollama:0.12.6")
        host.card("NVIDIA T4", uuid: "GPU-1", total: 4096, processes: [], ["contextMiB": 100])
        let running = try host.start()
        chmod(host.scratch.url.path, 0o755)
        chmod(running.driver.socket, 0o777)
        let top = "\(try #require(Self.hierarchy))/\(host.scratch.url.lastPathComponent)"
        let delegated = "\(top)/\(unit)"
        let claim = "\(delegated)/docker-\(id).scope"
        defer { for folder in [claim, delegated, top] { rmdir(folder) } }
        try host.scratch.write(
            """
            set -eu
            mkdir -p "$DELEGATED"
            chown 65534 "$DELEGATED" "$DELEGATED/cgroup.procs"
            echo $$ >"$DELEGATED/cgroup.procs"
            exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -euc \\
                'mkdir "$CLAIM"; echo $$ >"$CLAIM/cgroup.procs"; exec "$HOLD" 0:500MiB'
            """, to: "attack.sh")
        let told = Pipe()
        let attacker = try launch(
            program: "/bin/sh", [host.scratch.path("attack.sh")],
            environment: [
                "PATH": "/usr/bin:/bin", "DELEGATED": delegated, "CLAIM": claim, "HOLD": hold,
                "LD_LIBRARY_PATH": running.driver.libraries, "GPUSIM_SOCKET": running.driver.socket,
            ], output: told)
        defer {
            if attacker.isRunning { attacker.terminate() }
            attacker.waitUntilExit()
        }
        try #require(told.fileHandleForReading.availableData.starts(with: "holding".utf8))

        let pid = attacker.processIdentifier
        let cgroup = try String(contentsOfFile: "/proc/\(pid)/cgroup", encoding: .utf8)
        #expect(cgroup.contains("/\(unit)/docker-\(id).scope\n"))
        let document = try run(["--format", "json"], environment: running.real).document()
        #expect(document["containers"].elements.isEmpty)
        #expect(document["devices"][0]["ledger"]["hostBytes"].integer == 600 << 20)
        let whose = try run(["whose", String(pid), "--format", "{{.Container}}"], environment: running.real)
        #expect(whose.output == "(host)\n")
        // Of a process that holds nothing, the folder is read when it is asked for.
        let noDriver = ["PLIMSOLL_NVML_LIBRARY": host.scratch.path("none.so")]
        let idle = try run(
            ["whose", String(pid), "--format", "{{.Container}}"], environment: running.real.merging(noDriver) { $1 })
        #expect(idle.output == "(host)\n")
        let recording = host.scratch.path("recording.json")
        #expect(try run(["capture", recording], environment: running.real).code == 0)
        let replayed = try run(["ps", "--replay", recording, "--format", "{{.Container}}"])
        #expect(replayed.output == "(host)\n")
    }
}
