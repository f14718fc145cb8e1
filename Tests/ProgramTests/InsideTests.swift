import Foundation
import TestSupport
import Testing

private let own = HostTree.id(1)
private let sandbox = HostTree.id(2)
private let mebibyte: Int64 = 1 << 20

/// Made-up hosts as they look from inside a container that has PID and cgroup namespaces of its own.
struct InsideTests {
    /// - Parameter mounts: root and place of each.
    private func host(
        _ mounts: [(String, String)] = [], listed: [[String: Any]]? = nil
    ) throws -> HostTree {
        let host = try HostTree()
        try host.scratch.link("proc/self/ns/pid", to: "pid:[4026532801]")
        try host.scratch.link("proc/self/ns/cgroup", to: "cgroup:[4026532803]")
        try host.scratch.write("0::/\n", to: "proc/self/cgroup")
        let table = mounts.enumerated().map { "\($0 + 100) 1 254:1 \($1.0) \($1.1) rw - ext4 /dev/vda1 rw\n" }
        try host.scratch.write(table.joined(), to: "proc/self/mountinfo")
        try host.process(1, "python3", cgroup: "0::/").process(8, "plimsoll", cgroup: "0::/init.scope")
        return host.card(
            "NVIDIA L4", uuid: "GPU-1", total: 23034, processes: listed ?? [HostTree.listed(1, 3000)])
    }

    private func ledger(_ host: RunningHost) throws -> JSONDocument {
        try host.plimsoll("--format", "json").document()
    }

    @Test("In a pod the sandbox, whose files all its containers share, is never taken for this container")
    func pods() throws {
        let onDocker = try host([
            ("/lib/kubelet/pods/6bcf846c-5fe3-45cb-995f-5d34aa16e4c3/etc-hosts", "/etc/hosts"),
            ("/docker/containers/\(sandbox)/hostname", "/etc/hostname"),
        ]).start()
        let unknown = try ledger(onDocker)
        #expect(unknown["containers"].elements.count == 1)
        #expect(unknown["containers"][0]["id"].isNull)
        #expect(unknown["containers"][0]["usage"][0]["bytes"].integer == 3000 * mebibyte)
        #expect(unknown["processes"][0]["holder"].string == "container")
        #expect(unknown["processes"][0]["container"].isNull)
        for command in [
            ["ledger"], ["stats", "--no-stream"], ["ps"], ["whose", "1"], ["check"], ["--format", "json"],
        ] {
            #expect(!(try onDocker.plimsoll(command).output.contains(sandbox.prefix(12))), "\(command)")
        }
        #expect(try onDocker.plimsoll("ledger").output.contains("(this container)"))
        let podman = try ledger(
            host([
                ("/overlay-containers/\(sandbox)/userdata/hosts", "/etc/hosts"),
                ("/overlay-containers/\(own)/userdata/.containerenv", "/run/.containerenv"),
            ]).start())
        #expect(podman["containers"][0]["id"].string == own)
        #expect(podman["containers"][0]["verified"].bool == true)
    }

    @Test("Docker's files can be those of a container that shares its network: the id has a mark")
    func docker() throws {
        let host = try host([("/docker/containers/\(own)/hostname", "/etc/hostname")]).start()
        let document = try ledger(host)
        #expect(document["containers"][0]["id"].isNull)
        #expect(document["containers"][0]["likelyId"].string == own)
        #expect(document["containers"][0]["idUnavailable"].string?.contains("whose network it shares") == true)
        #expect(document["processes"][0]["container"].isNull)
        #expect(
            document["processes"][0]["containerUnavailable"].string == document["containers"][0]["idUnavailable"].string
        )
        #expect(document["containers"][0]["usage"][0]["bytes"].integer == 3000 * mebibyte)
        let shown = try host.plimsoll("ledger").output
        #expect(shown.contains("(this container)"))
        #expect(shown.contains("\(own.prefix(12)) (?)"))
        let checked = try host.plimsoll("check")
        #expect(checked.output.contains("\(own.prefix(12)), or a container that shares its network"))
        for (command, field) in [(["stats", "--no-stream"], "ID"), (["ps"], "ContainerID")] {
            #expect(try host.plimsoll(command).output.contains("\(own.prefix(12)) (?)"))
            let row = try host.plimsoll(command + ["--format", "json"]).document()
            #expect(row[field].string == "--")
            #expect(row["LikelyID"].string == String(own.prefix(12)))
            let told = try host.plimsoll(command + ["--format", "{{.\(field)}} {{.LikelyID}} {{.Verified}}"])
            #expect(told.output == "-- \(own.prefix(12)) true\n")
        }
        #expect(try host.plimsoll("stats", "--no-stream", String(own.prefix(12))).output.contains("(this container)"))
    }

    @Test("Processes of a container that nothing names are its own, and no command says otherwise")
    func unnamed() throws {
        let tree = try host()
        try tree.ramLimit("8589934592", cgroup: "/memory.max")
        try tree.scratch.write("memory\n", to: "sys/fs/cgroup/cgroup.controllers")
        let host = try tree.start()
        let document = try ledger(host)
        #expect(document["devices"][0]["ledger"]["containersBytes"].integer == 3000 * mebibyte)
        #expect(document["devices"][0]["ledger"]["hiddenBytes"].integer == 0)
        #expect(document["containers"][0]["ramLimitBytes"].integer == 8 << 30)
        #expect(try host.plimsoll("check", "--format", "json").document()["ramLimitBytes"].integer == 8 << 30)
        #expect(!(try host.plimsoll("ledger").output.contains("(hidden)")))
    }

    @Test("From inside, a PID is the one inside; the host's is unknown")
    func insidePIDs() throws {
        let row = try host().start().plimsoll("whose", "8", "--format", "{{.Asked}} {{.PID}} {{.InsidePID}} {{.Name}}")
        #expect(row.output == "8 -- 8 plimsoll\n")
    }

    @Test("What lies beside this container is named by its path, however many folders are hidden")
    func outside() throws {
        let tree = try host()
        try tree.process(30, "ctr", cgroup: "0::/../../default/ctrbox").process(31, "lxc", cgroup: "0::/../../lxc/web")
        tree.list([HostTree.listed(30, 10), HostTree.listed(31, 20)])
        let ids = try ledger(tree.start())["containers"].elements.map { $0["id"].string }
        #expect(ids == ["web", "ctrbox"])
    }

    @Test(
        "A process that ends after the driver listed it does not make the others strangers", arguments: [1, 10, 12, 14])
    func ended(_ lastCall: Int) throws {
        let host = try host(
            [("/overlay-containers/\(own)/userdata/.containerenv", "/run/.containerenv")],
            listed: [
                HostTree.listed(8, 3000), HostTree.listed(48213, 500).merging(["endsAtCall": lastCall]) { $1 },
            ]
        ).start()
        let document = try ledger(host)
        #expect(document["processes"].elements.map { $0["pid"].integer } == [8])
        #expect(document["containers"][0]["id"].string == own)
        #expect(document["devices"][0]["ledger"]["hiddenBytes"].integer == 0)
    }

    @Test("Host PIDs of a driver that should translate them are told by their contradiction, and are nobody's here")
    func untranslated() throws {
        let host = try host(
            [("/overlay-containers/\(own)/userdata/.containerenv", "/run/.containerenv")],
            listed: [HostTree.listed(1, 3000), HostTree.listed(48213, 500)]
        ).start()
        let document = try ledger(host)
        #expect(document["devices"][0]["ledger"]["hiddenBytes"].integer == 3500 * mebibyte)
        #expect(document["containers"].elements.isEmpty)
        #expect(document["processes"].elements.allSatisfy { $0["holder"].string == "hidden" })
        #expect(try host.plimsoll("check", "--format", "json").document()["processesSeen"].string == "none")
    }
}
