import Testing

@testable import Ledger

private let id = "6525e65814a99d431b6978e8f8c895013176c6c58173b56639d4b020c14e6022"
private let other = "951e643e3c241b225b6284ef2b79a37c13fc64cbf65b5d46bda95fcb98fe63a4"
private let pod = "ce705797_e47e_11e9_bd71_42010a000002"
private let dashed = "ce705797-e47e-11e9-bd71-42010a000002"
private let uuid = "3c1b2f7a-9d0e-4c35-8f1b-0a1b2c3d4e5f"
private let short = "7ojj7xkh0b5d6whlb9c2omxa6"
private let user = "/user.slice/user-1000.slice/user@1000.service"

struct CgroupTests {
    /// A line of /proc/PID/cgroup, and the containers that it names, outermost first.
    struct Form: Sendable, CustomTestStringConvertible {
        var who: String
        var line: String
        var containers: [(String, Runtime)]

        init(_ who: String, _ line: String, _ containers: (String, Runtime)...) {
            self.who = who
            self.line = line
            self.containers = containers
        }

        var testDescription: String { who }
    }

    static let containers: [Form] = [
        Form("Docker, systemd", "0::/system.slice/docker-\(id).scope", (id, .docker)),
        Form("Docker, cgroupfs, v1", "12:memory:/docker/\(id)", (id, .docker)),
        Form("Docker, cgroupfs, v2", "0::/docker/\(id)", (id, .docker)),
        Form("Docker, --cgroup-parent with systemd", "0::/my.slice/docker-\(id).scope", (id, .docker)),
        Form("Docker, --cgroup-parent with cgroupfs", "0::/myparent/\(id)", (id, .unknown)),
        Form("Docker, rootless", "0::\(user)/user.slice/docker-\(id).scope", (id, .docker)),
        Form("Docker, a service inside", "0::/system.slice/docker-\(id).scope/init.scope", (id, .docker)),
        Form("GitHub Actions", "0::/actions_job/\(id)", (id, .docker)),
        Form("Azure pipelines", "0::/azpl_job/\(id)", (id, .unknown)),
        Form("Docker in Docker", "0::/docker/\(other)/docker/\(id)", (other, .docker), (id, .docker)),
        Form(
            "Docker in Docker, systemd", "0::/system.slice/docker-\(other).scope/docker/\(id)", (other, .docker),
            (id, .docker)),
        Form("Podman, crun", "0::/machine.slice/libpod-\(id).scope/container", (id, .podman)),
        Form("Podman, runc", "0::/machine.slice/libpod-\(id).scope", (id, .podman)),
        Form("Podman, rootless", "0::\(user)/user.slice/libpod-\(id).scope/container", (id, .podman)),
        Form("Podman, cgroupfs", "0::/libpod_parent/libpod-\(id)", (id, .podman)),
        Form("Podman, a pod with cgroupfs", "0::/libpod_parent/\(other)/libpod-\(id)", (id, .podman)),
        Form("Podman, --cgroups=split", "0::/system.slice/app.service/libpod-payload-\(id)", (id, .podman)),
        Form(
            "Podman, a pod", "0::/machine.slice/machine-libpod_pod_\(other).slice/libpod-\(id).scope", (id, .podman)),
        Form("Podman, a pod under another parent", "0::/myparent/\(other)/libpod-\(id)", (id, .podman)),
        Form("Docker's containerd namespace", "0::/moby/\(id)", (id, .docker)),
        Form("containerd's ctr", "0::/default/redis", ("redis", .containerd)),
        Form("containerd, bare", "0::/k8s.io/\(id)", (id, .containerd)),
        Form("nerdctl", "0::/system.slice/nerdctl-\(id).scope", (id, .containerd)),
        Form(
            "Kubernetes, containerd, systemd",
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(pod).slice/cri-containerd-\(id).scope",
            (id, .containerd)),
        Form("Kubernetes, containerd, cgroupfs", "4:memory:/kubepods/besteffort/pod\(dashed)/\(id)", (id, .containerd)),
        Form("Kubernetes, guaranteed", "0::/kubepods/pod\(dashed)/\(id)", (id, .containerd)),
        Form(
            "Kubernetes, a static pod", "0::/kubepods/burstable/podabb9d0c7e47e11e9bd7142010a000002/\(id)",
            (id, .containerd)),
        Form(
            "Kubernetes, drivers that do not match",
            "0::/system.slice/containerd.service/kubepods-burstable-pod\(pod).slice:cri-containerd:\(id)",
            (id, .containerd)),
        Form("k3s", "0::/system.slice/k3s.service/kubepods-pod\(pod).slice:cri-containerd:\(id)", (id, .containerd)),
        Form("CRI-O", "9:devices:/kubepods.slice/kubepods-besteffort-pod\(pod).slice/crio-\(id).scope", (id, .crio)),
        Form("CRI-O, crun", "0::/kubepods.slice/kubepods-pod\(pod).slice/crio-\(id).scope/container", (id, .crio)),
        Form("CRI-O, cgroupfs", "0::/kubepods/besteffort/pod\(dashed)/crio-\(id)", (id, .crio)),
        Form(
            "Kubernetes, Docker", "0::/kubepods.slice/kubepods-burstable-pod\(pod).slice/docker-\(id).scope",
            (id, .docker)),
        Form(
            "kind on Docker",
            "0::/system.slice/docker-\(other).scope/kubelet.slice/kubelet-kubepods.slice/"
                + "kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod\(pod).slice/cri-containerd-\(id).scope",
            (other, .docker), (id, .containerd)),
        Form(
            "kind, old", "0::/docker/\(other)/kubepods/besteffort/pod\(dashed)/\(id)", (other, .docker),
            (id, .containerd)),
        Form(
            "Mesos, nested",
            "0::/mesos/3b1cf944-1d2c-4a5e-9a11-0e2f3c1b7a01/mesos/077d75a1-1d2c-4a5e-9a11-0e2f3c1b7a02",
            ("3b1cf944-1d2c-4a5e-9a11-0e2f3c1b7a01", .unknown), ("077d75a1-1d2c-4a5e-9a11-0e2f3c1b7a02", .unknown)),
        Form("ECS, v1", "4:memory:/ecs/5a0d5ceddf6c44c1928d367a815d890f/\(id)", (id, .ecs)),
        Form("ECS, v1 with its cluster", "4:memory:/ecs/cluster/5a0d5ceddf6c44c1928d367a815d890f/\(id)", (id, .ecs)),
        Form(
            "ECS, v2", "0::/ecstasks.slice/ecstasks-5a0d5ceddf6c44c1928d367a815d890f.slice/docker-\(id).scope",
            (id, .docker)),
        Form(
            "Fargate", "4:memory:/ecs/34dc0b5e626f2c5c4c5170e34b10e765/34dc0b5e626f2c5c4c5170e34b10e765-1234567890",
            ("34dc0b5e626f2c5c4c5170e34b10e765-1234567890", .ecs)),
        Form("LXC 4", "0::/lxc.payload.web-1/init.scope", ("web-1", .lxc)),
        Form("LXC 3", "0::/lxc.payload/example/init.scope", ("example", .lxc)),
        Form("LXC, old", "4:memory:/lxc/privileged-container", ("privileged-container", .lxc)),
        Form("Incus, a project", "0::/lxc.payload.team_web/system.slice/x.service", ("team_web", .lxc)),
        Form("Proxmox", "0::/lxc/108/ns/system.slice/ollama.service", ("108", .lxc)),
        Form(
            "a folder in Docker's that is called like Podman's", "0::/docker/\(id)/libpod-\(other)", (id, .docker),
            (other, .podman)),
        Form("Docker in LXC", "0::/lxc/108/ns/docker/\(id)", ("108", .lxc), (id, .docker)),
        Form("LXC of a user", "0::\(user)/app.slice/run-1.scope/lxc.payload.trixie", ("trixie", .lxc)),
        Form(
            "nspawn", "0::/machine.slice/systemd-nspawn@media-01.service/payload/init.scope", ("media-01", .nspawn)),
        Form("nspawn, escaped", #"0::/machine.slice/systemd-nspawn@a\x2db.service/payload"#, ("a-b", .nspawn)),
        Form("a machine", #"0::/machine.slice/machine-web\x2d1.scope/payload"#, ("web-1", .nspawn)),
        Form(
            "libvirt's LXC", #"0::/machine.slice/machine-lxc\x2d11111\x2dcontainer1.scope/libvirt"#,
            ("container1", .lxc)),
        Form("BuildKit in Docker", "0::/docker/buildkit/\(short)", (short, .unknown)),
        Form("BuildKit in Docker, systemd", "0::/system.slice/system.slice:docker:\(short)", (short, .docker)),
        Form("BuildKit by itself", "0::/buildkit/\(short)", (short, .unknown)),
        Form("Kata, overhead", "4:memory:/kata_overhead/\(id)", (id, .unknown)),
        Form("Kata, sandbox", "0::/kubepods/pod\(dashed)/kata_\(id)", (id, .unknown)),
        Form("Garden", "0::/garden/6f265890-5165-7fab-6b52-18d1", ("6f265890-5165-7fab-6b52-18d1", .unknown)),
        Form(
            "Garden, throttled", "0::/system.slice/garden.service/garden/good/6f265890-5165-7fab-6b52-18d1",
            ("6f265890-5165-7fab-6b52-18d1", .unknown)),
        Form("runc by itself", "0::/system.slice/runc-\(id).scope", (id, .unknown)),
        Form("removed under a dying process", "0::/system.slice/docker-\(id).scope (deleted)", (id, .docker)),
        Form("a sibling, from inside a cgroup namespace", "0::/../crio-\(id).scope", (id, .crio)),
        Form(
            "another pod's, from inside a cgroup namespace", "0::/../../../burstable/pod\(dashed)/\(id)",
            (id, .containerd)),
        Form(
            "hybrid, where the unified hierarchy stands aside",
            "12:memory:/docker/\(id)\n1:name=systemd:/docker/\(id)\n0::/system.slice/containerd.service", (id, .docker)),
        Form("hybrid, where only the unified one knows", "4:memory:/\n0::/docker/\(id)", (id, .docker)),
        Form(
            "Docker from a snap", "5:blkio:/system.slice/snap.docker.dockerd.service\n4:memory:/docker/\(id)",
            (id, .docker)),
        Form("v1 with controllers joined", "2:cpu,cpuacct:/docker/\(id)", (id, .docker)),
        Form("crun with a name", "0::/system.slice/crun-test.scope", ("test", .unknown)),
        Form(
            "crun with a UUID", "0::\(user)/app.slice/crun-5a9d3f10-7c2e-4b66-9d1f-2e6b8a4c0d17.scope",
            ("5a9d3f10-7c2e-4b66-9d1f-2e6b8a4c0d17", .unknown)),
        Form("crun with a name, and its folder inside", "0::/system.slice/crun-web.scope/container", ("web", .unknown)),
        Form("runc with a name", "0::/system.slice/runc-web.scope", ("web", .unknown)),
        Form("gVisor with a name", "0::/system.slice/runsc-web.scope", ("web", .unknown)),
        Form(
            "Buildah", "0::\(user)/user.slice/buildah-buildah106535269-1629075.scope", ("buildah106535269", .unknown)),
        Form(
            "Buildah with a name that has dashes", "0::/system.slice/buildah-my-build-12.scope", ("my-build", .unknown)),
        Form("Buildah, cgroupfs", "9:pids:/buildah-buildah2937778511", ("buildah2937778511", .unknown)),
        Form(
            "Nomad", "0::/nomad.slice/share.slice/\(uuid).trainer.scope", ("\(uuid).trainer", .unknown)),
        Form("Nomad, before 1.7", "0::/nomad.slice/\(uuid).web.app.scope", ("\(uuid).web.app", .unknown)),
        Form("Nomad, another parent", "0::/jobs.slice/share.slice/\(uuid).web.scope", ("\(uuid).web", .unknown)),
        Form("Nomad, v1", "4:memory:/nomad/\(uuid).web", ("\(uuid).web", .unknown)),
        Form("Apptainer", "0::\(user)/user.slice/apptainer-4711.scope", ("apptainer-4711", .unknown)),
        Form("Apptainer, cgroupfs", "0::/apptainer/4711", ("apptainer-4711", .unknown)),
        Form("Apptainer, drivers that do not match", "0::/user.slice:apptainer:4711", ("apptainer-4711", .unknown)),
        Form("Apptainer's OCI mode", "0::/apptainer-oci/sif", ("sif", .unknown)),
        Form("Singularity", "0::/system.slice/singularity-12.scope", ("singularity-12", .unknown)),
        Form("something in a pod", "0::/kubepods/besteffort/pod\(dashed)/wasm-app", ("\(dashed)/wasm-app", .unknown)),
        Form(
            "something in a pod, systemd",
            "0::/kubepods.slice/kubepods-pod\(pod).slice/containerd-wasm-app.scope/inner",
            ("\(dashed)/containerd-wasm-app", .unknown)),
        Form(
            "something in a pod of Podman's", "0::/machine.slice/machine-libpod_pod_\(other).slice/web.scope",
            ("\(other)/web", .unknown)),
        Form("containerd, from inside a cgroup namespace", "0::/../../default/ctrbox", ("ctrbox", .containerd)),
        Form("LXC, old, from inside a cgroup namespace", "0::/../../lxc/web", ("web", .lxc)),
        Form(
            "ECS, from inside a cgroup namespace",
            "4:memory:/../../../ecs/34dc0b5e626f2c5c4c5170e34b10e765/34dc0b5e626f2c5c4c5170e34b10e765-1234567890",
            ("34dc0b5e626f2c5c4c5170e34b10e765-1234567890", .ecs)),
    ]

    @Test("A container is known by its cgroup path", arguments: containers)
    func namesContainer(_ form: Form) {
        let found = CgroupMembership(cgroup: form.line + "\n").containers
        #expect(found.map(\.id) == form.containers.map(\.0))
        #expect(found.map(\.runtime) == form.containers.map(\.1))
    }

    static let hosts: [Form] = [
        Form("the root", "0::/"),
        Form("a session", "0::/user.slice/user-1000.slice/session-3.scope"),
        Form("a service", "0::/system.slice/ollama.service"),
        Form("the Docker daemon", "0::/system.slice/docker.service"),
        Form("a service that is called like a container", "0::/system.slice/docker-compose-app.service"),
        Form("Docker's snap", "0::/system.slice/snap.docker.dockerd.service"),
        Form(
            "a snap app",
            "0::\(user)/app.slice/snap.firefox.firefox-3dcfaa86-bf58-4d3e-a7c6-4e34dfdb050f.scope"),
        Form("Podman's monitor", "0::/machine.slice/libpod-conmon-\(id).scope"),
        Form("CRI-O's monitor", "0::/system.slice/crio-conmon-\(id).scope"),
        Form("a monitor beside its containers", "0::/libpod_parent/conmon"),
        Form("LXC's monitor", "0::/lxc.monitor.web-1"),
        Form("LXC's monitor, old", "0::/lxc.monitor/example"),
        Form("nspawn's supervisor", "0::/machine.slice/systemd-nspawn@web.service/supervisor"),
        Form("a machine's supervisor", "0::/machine.slice/machine-web.scope/supervisor"),
        Form("a virtual machine", #"0::/machine.slice/machine-qemu\x2d1\x2dvm1.scope/libvirt/emulator"#),
        Form("Proxmox's virtual machine", "0::/qemu.slice/100.scope"),
        Form("Slurm", "0::/system.slice/slurmstepd.scope/job_123/step_0/user/task_0"),
        Form("Slurm, v1", "4:memory:/slurm/uid_1000/job_397/step_0"),
        Form("a pod by itself", "0::/kubepods/besteffort/pod\(dashed)"),
        Form("a Podman pod by itself", "0::/machine.slice/machine-libpod_pod_\(other).slice"),
        Form("Mesos's executors", "1:name=systemd:/mesos_executors.slice"),
        Form("a service below a folder that is called lxc", "0::/system.slice/lxc/foo"),
        Form("a slice below a folder that is called default", "0::/default/system.slice/x.service"),
        Form("no cgroup line at all", "nonsense"),
        Form("an empty file", ""),
    ]

    @Test("What is no container is not taken for one", arguments: hosts)
    func isHost(_ form: Form) {
        #expect(CgroupMembership(cgroup: form.line + "\n").containers == [])
    }

    @Test("A place of a known kind is the host's as a fact", arguments: hosts.filter { $0.line.contains("::/") })
    func isRecognized(_ form: Form) {
        #expect(CgroupMembership(cgroup: form.line + "\n").unrecognized == nil)
    }

    @Test(
        "A scope that is not known is said to be none",
        arguments: [
            ("0::/system.slice/newruntime-web.scope", "/system.slice/newruntime-web.scope"),
            ("0::/system.slice/docker-web.scope/inner", "/system.slice/docker-web.scope"),
            ("0::\(user)/app.slice/wasm-1.scope", "\(user)/app.slice/wasm-1.scope"),
            ("0::/newruntime/web", "/newruntime"),
            ("12:memory:/newruntime/web\n0::/", "/newruntime"),
        ])
    func isUnrecognized(_ line: String, _ scope: String) {
        let membership = CgroupMembership(cgroup: line + "\n")
        #expect(membership.containers == [])
        #expect(membership.unrecognized == scope)
    }

    @Test("A container's cgroup ends at its own component, so that its limit is not its process's")
    func endsAtContainer() {
        let path = CgroupMembership(cgroup: "0::/machine.slice/libpod-\(id).scope/container/sub").innermost?.path
        #expect(path == "/machine.slice/libpod-\(id).scope")
    }
}
