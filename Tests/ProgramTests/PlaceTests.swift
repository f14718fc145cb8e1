import Foundation
import TestSupport
import Testing

private let outer = HostTree.id(1)
private let inner = HostTree.id(2)
private let mebibyte: Int64 = 1 << 20

/// Whose memory it is when the cgroup alone does not say.
struct PlaceTests {
    private func card(_ host: HostTree, _ listed: [[String: Any]]) throws -> RunningHost {
        try host.card("NVIDIA L4", uuid: "GPU-1", total: 23034, processes: listed).start()
    }

    // MARK: Scopes that are not known

    @Test(
        "A scope of no known kind stays the host's on the screen, and whose and the JSON say that it was not recognized"
    )
    func unrecognized() throws {
        let host = try HostTree()
        let scope = "/system.slice/newruntime-web.scope"
        try host.process(4242, "python3", cgroup: "0::\(scope)").process(
            1212, "Xorg", cgroup: "0::/user.slice/user-1000.slice/session-2.scope")
        let running = try card(host, [HostTree.listed(4242, 500), HostTree.listed(1212, 100, ["graphics"])])
        #expect(try running.plimsoll("ledger").output.contains(/500MiB +2.17%  python3 +\(host\)/))
        let processes = try running.plimsoll("--format", "json").document()["processes"].elements
        #expect(processes.map { $0["holder"].string } == ["host", "host"])
        #expect(processes.map { $0["unrecognizedCgroup"].string } == [scope, nil])
        let told = try running.plimsoll("whose", "4242", "1212")
        #expect(told.code == 0)
        #expect(
            told.errors.contains(
                "PID 4242: Plimsoll does not know its cgroup \(scope); it may be in a container although it is shown as (host)\n"
            ))
        #expect(!told.errors.contains("1212"))
        let row = try running.plimsoll("whose", "4242", "--format", "json").document()
        #expect(row["UnrecognizedCgroup"].string == scope)
    }

    @Test("A recording of a path that no rule knows has its limits, for a later rule that does")
    func recorded() throws {
        let host = try HostTree()
        try host.process(4242, "python3", cgroup: "0::/newruntime/web/inner")
        try host.ramLimit("1073741824", cgroup: "/newruntime/web/memory.max")
        let running = try card(host, [HostTree.listed(4242, 500)])
        let captured = try running.plimsoll("capture", "-").document()["observation"]
        #expect(captured["cgroupLimits"][":/newruntime/web"]["value"].integer == 1 << 30)
        #expect(captured["processes"][0]["cgroup"]["value"].string == "0::/newruntime/web/inner\n")
        // As if a rule had been added: the same recording with a path that is known.
        let text = try running.plimsoll("capture", "-").output.replacing("/newruntime/web", with: "/lxc.payload.web")
        try host.scratch.write(text, to: "recording.json")
        let replayed = try run(["--replay", host.scratch.path("recording.json"), "--format", "json"]).document()
        #expect(replayed["containers"][0]["id"].string == "web")
        #expect(replayed["containers"][0]["ramLimitBytes"].integer == 1 << 30)
    }

    // MARK: Moved

    @Test("A process that was moved to another cgroup and is still in a container's PID namespace is told as such")
    func moved() throws {
        let host = try HostTree()
        host.container(outer, "trainer", "lab/trainer")
        try host.process(4000, "sh", cgroup: "0::/system.slice/docker-\(outer).scope", inside: [1])
            .process(4242, "python3", cgroup: "0::/user.slice/user-1000.slice/session-2.scope", inside: [7])
            .process(5000, "chrome", cgroup: "0::/user.slice/user-1000.slice/session-2.scope", inside: [4])
            .process(5001, "chrome", cgroup: "0::/user.slice/user-1000.slice/session-2.scope", inside: [1])
        for (pid, namespace) in [(4000, 100), (4242, 100), (5000, 200), (5001, 200)] {
            try host.scratch.link("proc/\(pid)/ns/pid", to: "pid:[4026532\(namespace)]")
        }
        let running = try card(
            host, [HostTree.listed(4242, 500), HostTree.listed(4000, 50), HostTree.listed(5000, 20, ["graphics"])])
        let processes = try running.plimsoll("--format", "json").document()["processes"].elements
        #expect(processes.map { $0["holder"].string } == ["host", "container", "host"])
        #expect(processes.map { $0["namespaceContainer"].string } == [outer, nil, nil])
        let words = "python3 (PID 4242): its cgroup is the host's, but it is in the PID namespace of container trainer"
        #expect(try running.plimsoll("ledger").output.contains(words))
        let told = try running.plimsoll("whose", "4242")
        #expect(told.errors.contains("PID 4242 is in the PID namespace of container \(outer.prefix(12))"))
    }

    // MARK: Containers in containers

    @Test("A container in a container is called by both names, and a filter for the outer one includes it")
    func nested() throws {
        let host = try HostTree()
        host.container(outer, "dind", "docker:dind")
        try host.process(4242, "python3", cgroup: "0::/system.slice/docker-\(outer).scope/docker/\(inner)")
        let running = try card(host, [HostTree.listed(4242, 402)])
        let name = "dind/\(inner.prefix(12))"
        #expect(try running.plimsoll("ledger").output.contains("402MiB    1.75%  \(name) "))
        for filter in ["dind", name, String(outer.prefix(12)), String(inner.prefix(12))] {
            let rows = try running.plimsoll("stats", "--no-stream", filter, "--format", "{{.Name}} {{.GPUMem}}")
            #expect(rows.code == 0)
            #expect(rows.output.contains("\(name) 402MiB\n"), "\(filter)")
        }
        #expect(try running.plimsoll("ps", "--format", "{{.Container}}").output == "\(name)\n")
        #expect(try running.plimsoll("whose", "4242", "--format", "{{.Container}}").output == "\(name)\n")
        let document = try running.plimsoll("--format", "json").document()
        #expect(document["containers"][0]["name"].isNull)
        #expect(document["containers"][0]["parents"].elements.map(\.string) == [outer])
    }

    // MARK: Footers

    @Test("stats says what no process accounts for, also of a container that was asked for: some of it may be its own")
    func unattributed() throws {
        let host = try HostTree()
        host.container(outer, "trainer", "lab/trainer")
        try host.process(4242, "python3", cgroup: "0::/system.slice/docker-\(outer).scope").process(
            1212, "Xorg", cgroup: "0::/")
        let listed = [HostTree.listed(4242, 500), HostTree.listed(1212, 100, ["graphics"])]
        let running = try host.card(
            "NVIDIA L4", uuid: "GPU-1", total: 23034, processes: listed, ["unattributedMiB": 300]
        ).start()
        #expect(
            try running.plimsoll("stats", "--no-stream").output.hasSuffix(
                "\nGPU 0, not in this table: 100MiB (host), 300MiB (unattributed)\n"))
        #expect(
            try running.plimsoll("stats", "--no-stream", "trainer").output.hasSuffix(
                "\nGPU 0, not in this table: 300MiB (unattributed)\n"))
    }

    @Test("stats says what its table leaves out, per device: a hidden holder is not nobody")
    func hidden() throws {
        let host = try HostTree()
        try host.scratch.write("proc /proc proc rw,relatime,hidepid=2 0 0\n", to: "proc/mounts")
        try host.process(1212, "Xorg", cgroup: "0::/user.slice/user-1000.slice/session-2.scope")
        let running = try card(host, [HostTree.listed(4242, 9626), HostTree.listed(1212, 100, ["graphics"])])
        let table = try running.plimsoll("stats", "--no-stream")
        #expect(table.code == 0)
        #expect(table.output.hasSuffix("\nGPU 0, not in this table: 100MiB (host), 9.4GiB (hidden)\n"))
        // Rows for programs have no place for it.
        #expect(try running.plimsoll("stats", "--no-stream", "--format", "json").output == "")
        #expect(try running.plimsoll("stats", "--no-stream", "--format", "{{.Name}}").output == "")
    }
}
