import Foundation
import TestSupport
import Testing

/// Recordings and reports that are safe to send.
struct RedactionTests {
    static let recordings = ["samples", "Tests/Recordings"].flatMap { folder in
        let path = Build.package.appending(path: folder).path
        return ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted().map { "\(path)/\($0)" }
    }

    /// Of everybody, and of nobody.
    private static let kept: Set = [
        "root", "python", "python3", "Xorg", "gnome-shell", "nvidia-cuda-mps", "plimsoll-cuda",
    ]

    @Test("A redacted recording has the same ledger, and none of the names", arguments: recordings)
    func recording(_ path: String) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let redacted = scratch.path("redacted.json")
        #expect(try run(["capture", redacted, "--redact", "--replay", path]).code == 0)
        try expectSame(path, redacted)
        let text = try String(contentsOfFile: redacted, encoding: .utf8)
        for name in try names(in: path)
        where !Self.kept.contains(name) && Int(name) == nil && name.wholeMatch(of: /[a-z]+-\d+/) == nil {
            #expect(!text.contains(": \"\(name)\""), "\(name)")
        }
        // The second time there is nothing to replace.
        let again = scratch.path("again.json")
        #expect(try run(["capture", again, "--redact", "--replay", redacted]).code == 0)
        try expectSame(redacted, again)
    }

    @Test("Hosts of kernel drivers, with what they have in cgroups and /proc", arguments: KernelHostTests.hosts)
    func host(_ name: String) throws {
        let host = try HostTree(file: name).startAsIs()
        let (plain, redacted) = (host.tree.scratch.path("plain.json"), host.tree.scratch.path("redacted.json"))
        #expect(try host.plimsoll("capture", plain).code == 0)
        #expect(try run(["capture", redacted, "--redact", "--replay", plain]).code == 0)
        try expectSame(plain, redacted)
        let text = try String(contentsOfFile: redacted, encoding: .utf8)
        #expect(!text.contains(host.tree.scratch.url.lastPathComponent), "the path of this test's files")
    }

    @Test(
        "Cgroups of every form name the same kind of container after redaction, and no name of the user's",
        arguments: [
            ("/lxc.payload.acme-web", "lxc"), ("/machine.slice/systemd-nspawn@acme.service/payload", "nspawn"),
            ("/system.slice/crun-acme.scope", "unknown"),
            ("/user.slice/user-1000.slice/user@1000.service/acme.slice", nil),
            ("/kubepods/besteffort/pod690705f9-df6e-11e9-8dc5-025000000001/acme", "unknown"),
            ("/system.slice/acme-train.service", nil), ("/docker/\(HostTree.id(1))", "docker"),
            ("/nomad.slice/share.slice/0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0.acme.scope", "unknown"),
            ("/system.slice/buildah-acme-3.scope", "unknown"), ("/default/acme", "containerd"),
            ("/machine.slice/machine-acme\\x2dweb.scope", "nspawn"),
        ] as [(String, String?)])
    func cgroup(_ path: String, _ runtime: String?) throws {
        let host = try HostTree().process(4242, "acme", cgroup: "0::\(path)").card(
            "NVIDIA A2", uuid: "GPU-0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", total: 4096,
            processes: [HostTree.listed(4242, 64)]
        ).start()
        let file = host.tree.scratch.path("redacted.json")
        #expect(try host.plimsoll("capture", "--redact", file).code == 0)
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(!text.contains("acme"), "\(text)")
        let document = try run(["--format", "json", "--replay", file]).document()
        #expect(document["containers"][0]["runtime"].string == runtime)
        #expect(document["processes"][0]["bytes"].integer == 64 << 20)
    }

    @Test(
        "What an engine says of a user, and addresses in cgroups, are left out; a name that decides whose a cgroup is still does"
    )
    func sayings() throws {
        let tree = try HostTree().container(HostTree.id(1), "acme", "acme/llm:1")
            .process(4242, "a", cgroup: "0::/user.slice/user-1000.slice/user@1000.service/user.slice/crun-acme.scope")
            .process(4243, "b", cgroup: "0::/system.slice/192.168.17.4-acme.service").card(
                "NVIDIA A2", uuid: "GPU-0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", total: 4096,
                processes: [HostTree.listed(4242, 64), HostTree.listed(4243, 32)])
        let host = try tree.start(engine: .answer(#"{"message": "user bob at acme may not list"}"#))
        let (plain, redacted) = (tree.scratch.path("plain.json"), tree.scratch.path("redacted.json"))
        #expect(try host.plimsoll("capture", plain).code == 0)
        #expect(try run(["capture", redacted, "--redact", "--replay", plain]).code == 0)
        let text = try String(contentsOfFile: redacted, encoding: .utf8)
        for name in ["acme", "bob", "192.168", "17.4"] { #expect(!text.contains(name), "\(name)") }
        try expectSame(plain, redacted)
    }

    @Test("The report of measure names no host, path, container or user, and of a UUID its beginning")
    func report() throws {
        let tree = try HostTree().container(HostTree.id(1), "acme-trainer", "acme/trainer:1")
        try MeasureHost.addCard(to: tree, [:], driver: "570.86.15")
        let host = try MeasureHost(tree)
        _ = try host.measure(MeasureHost.steps.filter { $0 != "run-cost" })
        let text = try String(contentsOfFile: host.reportPath, encoding: .utf8)
        for name in ["acme", tree.scratch.url.lastPathComponent, "4b5a"] {
            #expect(!text.contains(name), "\(name)")
        }
        #expect(text.contains("\"uuid\": \"GPU-0f1e2d3c\""))
    }

    /// What can be compared when names are not.
    private func expectSame(_ left: String, _ right: String) throws {
        func shape(_ path: String) throws -> [String] {
            let document = try run(["--format", "json", "--replay", path]).document()
            let devices = document["devices"].elements.flatMap { device in
                ["containersBytes", "hostBytes", "goneBytes", "hiddenBytes", "instancesBytes", "unattributedBytes"].map
                {
                    "\($0) \(String(describing: device["ledger"][$0].integer))"
                }
            }
            let containers = document["containers"].elements.map { container in
                let usage = container["usage"].elements.map { "\(String(describing: $0["bytes"].integer))" }
                let parts = [
                    container["runtime"].string ?? "", "\(container["known"].bool ?? false)",
                    "\(container["verified"].bool ?? false)",
                    "\(container["parents"].elements.count)", "\(container["name"].isNull)",
                    "\(container["ramLimitBytes"].integer ?? -1)",
                ]
                return (parts + usage).joined(separator: " ")
            }
            let processes = document["processes"].elements.map {
                "\($0["pid"].integer ?? 0) \($0["holder"].string ?? "") \($0["bytes"].integer ?? -1)"
            }
            let sources = document["sources"].elements.map { $0["name"].string?.prefix { $0 != ":" } ?? "" }
            return devices + containers.sorted() + processes + sources.map(String.init)
        }
        let (first, second) = (try shape(left), try shape(right))
        #expect(first.filter { !second.contains($0) } == second.filter { !first.contains($0) })
    }

    private func names(in path: String) throws -> [String] {
        let observation = try JSONDocument(String(contentsOfFile: path, encoding: .utf8))["observation"]
        let containers = observation["engines"].elements.flatMap { $0["containers"].elements }
        return [observation["host"].string].compactMap { $0 }
            + containers.flatMap { [$0["name"].string, $0["image"].string].compactMap { $0 } }
            + observation["processes"].elements.flatMap { [$0["name"].string, $0["user"].string].compactMap { $0 } }
    }
}
