import HostFS
import Ledger

private let id = "3f4a1b9c0d2e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd"

extension Target {
    static let cgroup = Target(
        name: "cgroup", inputs: 4_000_000,
        corpus: Corpus(
            seeds: [
                "0::/system.slice/docker-\(id).scope\n", "0::/docker/\(id)\n", "0::/../\(id)\n", "0::/\n",
                "12:memory:/docker/\(id)\n11:devices:/docker/\(id)\n1:name=systemd:/docker/\(id)\n0::/system.slice/containerd.service\n",
                "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-\(id).scope/container\n",
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12345678_1234_1234_1234_123456789abc.slice/cri-containerd-\(id).scope\n",
                "4:memory:/kubepods/burstable/pod690705f9-df6e-11e9-8dc5-025000000001/\(id)\n",
                "0::/lxc/108/ns/system.slice/ollama.service\n", "0::/lxc.payload.web-1/init.scope\n",
                "0::/machine.slice/systemd-nspawn@media-01.service/payload/init.scope\n",
                "0::/docker/\(id)/docker/\(String(id.reversed())) (deleted)\n",
                "0::/kubelet/kubepods/besteffort/pod1/crio-\(id)/system.slice:cri-containerd:\(id)\n",
                "9:cpu,cpuacct:/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-1234567890\n",
                "0::/mesos/\(id)/mesos/0a1b2c3d-0000-0000-0000-000000000000\n", "0::/garden/0a1b2c3d-4e5f\n",
                "0::/system.slice/slurmstepd.scope/job_123/step_0/user/task_0\n",
                "0::/system.slice/crun-test.scope\n", "9:pids:/buildah-buildah2937778511\n",
                "0::/user.slice/user-1000.slice/user@1000.service/user.slice/buildah-x-y-1629075.scope\n",
                "0::/nomad.slice/share.slice/3c1b2f7a-9d0e-4c35-8f1b-0a1b2c3d4e5f.web.scope\n",
                "0::/apptainer/4711\n", "0::/user.slice:apptainer:4711\n", "0::/../../default/ctrbox\n",
                "0::/system.slice/newruntime-web.scope\n",
            ],
            words: [
                "/", ":", "::", "\n", "0::/", "docker-", ".scope", "libpod-", "crio-", "cri-containerd-",
                "lxc.payload.",
                "/..", " (deleted)", "kubepods", ".slice", "pod", "machine.slice", "systemd-nspawn@", ".service",
                "\\x2d", "\\x2f", id, "crun-", "runc-", "buildah-", "apptainer", "singularity", "nomad", "-1", ".",
                "name=systemd", "memory", "buildkit", "conmon",
            ])
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        let membership = CgroupMembership(cgroup: text)
        for container in membership.containers {
            if container.id.isEmpty { return "a container without an id" }
            // A folder's name may hold any other byte; cgroup_mkdir refuses the line's end (kernel/cgroup/cgroup.c).
            let name = container.name ?? container.id
            if name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\n") }) {
                return "a name that is no name of a folder: \(name.debugDescription)"
            }
            if container.name != nil, !container.id.utf8.reversed().starts(with: "/\(name)".utf8.reversed()) {
                return "an id that does not end with its name: \(container.id.debugDescription)"
            }
            if container.path.utf8.first != UInt8(ascii: "/") {
                return "a path that does not begin at the root: \(container.path)"
            }
            // An empty component, which the kernel never writes, is left out of a path.
            for component in container.path.utf8.split(separator: UInt8(ascii: "/"))
            where !text.utf8.contains(component) {
                return "a path that is not in the text: \(container.path)"
            }
        }
        if let unrecognized = membership.unrecognized {
            guard membership.containers.isEmpty else { return "a container in a scope that is not recognized" }
            for component in unrecognized.utf8.split(separator: UInt8(ascii: "/"))
            where !text.utf8.contains(component) {
                return "a scope that is not in the text: \(unrecognized)"
            }
        }
        for folder in CgroupMembership.limitFolders(cgroup: text).keys
        where folder.path.utf8.first != UInt8(ascii: "/") {
            return "a folder that does not begin at the root: \(folder.key)"
        }
        if let innermost = membership.innermost, CgroupMembership.places(of: innermost, cgroup: text).isEmpty {
            return "a container that is nowhere: \(innermost.id)"
        }
        return nil
    }

    static let mounts = Target(
        name: "mounts", inputs: 2_000_000,
        corpus: Corpus(
            seeds: [
                "1 2 254:0 /var/lib/docker/containers/\(id)/hostname /etc/hostname rw - ext4 /dev/vda rw\n",
                "3 2 0:47 /overlay-containers/\(id)/userdata/.containerenv /run/.containerenv rw - tmpfs x rw\n",
                "4 2 0:47 /overlay-containers/\(id)/userdata/run/secrets /run/secrets rw - tmpfs x rw\n",
                "5 2 254:1 /lib/kubelet/pods/6bcf846c/etc-hosts /etc/hosts rw - ext4 /dev/vda1 rw\n",
                "0 0 0:1 /run/containerd/x/\(id)/rootfs / rw - overlay x upperdir=/a\r\n",
            ],
            words: [
                "/", " ", "\n", "containers", "-containers", id, "rootfs", "/etc/hosts", "/run/secrets", "kubelet",
                "pods",
            ])
    ) { input in
        let mounts = ownMounts(mountinfo: String(decoding: input, as: UTF8.self))
        if mounts.count > CountLimit.ownMounts { return "\(mounts.count) mounts" }
        let view = ProcessView(inInitialNamespace: false, inCgroupNamespace: true, ownMounts: mounts)
        if let own = view.own, own.id.utf8.count != 64 { return "an id that no engine gives: \(own.id)" }
        return nil
    }

    static let stat = Target(
        name: "stat", inputs: 3_000_000,
        corpus: Corpus(
            seeds: [
                "4242 (python3) S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 100000 0 0 18446744073709551615 0 0\n",
                "1 (a) (b) Z 0 0) S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 100000 0 0\n",
                "77 (x y\n z) R 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9223372036854775807 0 0\n", "1 () S\n",
            ], words: ["(", ")", " ", ") ", ") Z ", "\n", "\t", "S", "X"], limit: 2048)
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        guard let stat = ProcessStat(text) else { return nil }
        if stat.startTick < 0 { return "it started before the machine did: \(stat.startTick)" }
        // Read once more in the plainest way there is.
        let line = Array(text.utf8)
        let close = line.lastIndex(of: UInt8(ascii: ")"))!
        let fields = line[(close + 1)...].split { $0 == UInt8(ascii: " ") || 9...13 ~= $0 }
        if Int64(String(decoding: fields[19], as: UTF8.self)) != stat.startTick {
            return "field 22 is \(String(decoding: fields[19], as: UTF8.self)), and was read as \(stat.startTick)"
        }
        return String(decoding: fields[0], as: UTF8.self) == String(stat.state)
            ? nil : "field 3 was read as \(stat.state)"
    }

    static let status = Target(
        name: "status", inputs: 2_500_000,
        corpus: Corpus(
            seeds: [
                "Name:\tpython3\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t4242\nPid:\t4242\nPPid:\t1\nUid:\t1000\t1000\t1000\t1000\nGid:\t0\t0\t0\t0\nNStgid:\t4242\t1\nNSpid:\t4242\t1\n",
                "Name:\tUid:\t0\nPid:\t1\nUid:\t0\t0\t0\t0\n", "Pid:\t7\nNSpid:\t7\t70\t700\t7000\n",
            ], words: ["Uid:", "NSpid:", "Pid:", "\t", "\n", " ", "Name:"], limit: 4096)
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        let status = ProcessStatus(text)
        // Whatever was read stands in the text, as a word behind a tab or a blank.
        let words = Set(
            text.utf8.split { $0 == UInt8(ascii: " ") || 9...13 ~= $0 || $0 == UInt8(ascii: ":") }.compactMap {
                UInt32(String(Substring($0)))
            })
        for pid in status.namespacePIDs where !words.contains(pid) { return "PID \(pid) is nowhere in the text" }
        if let user = status.effectiveUser, !words.contains(user) { return "user \(user) is nowhere in the text" }
        return nil
    }
}
