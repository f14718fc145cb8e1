import Testing

@testable import Ledger

private let own = "ad2e9e060cd7efe403e710c18c697213e19faa9b0d3cf63e465423528ef67a25"
private let sandbox = "240ca5ec0f89fe50bac53fa78f43427f18fdb0617016c66afeaa4a38f1a84a91"
private let layer = "951e643e3c241b225b6284ef2b79a37c13fc64cbf65b5d46bda95fcb98fe63a4"

/// Which container we run in is told by what only that container has mounted.
struct OwnContainerTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var who: String
        var mounts: [OwnMount]
        var answer: OwnContainer

        init(_ who: String, _ answer: OwnContainer, _ mounts: (String, String)...) {
            self.who = who
            self.answer = answer
            self.mounts = mounts.map { OwnMount(root: $0.0, point: $0.1) }
        }

        var testDescription: String { who }
    }

    private static func docker(_ id: String, _ file: String) -> (String, String) {
        ("/var/lib/docker/containers/\(id)/\(file)", "/etc/\(file)")
    }

    private static func podman(_ id: String, _ file: String, at point: String) -> (String, String) {
        ("/containers/storage/overlay-containers/\(id)/userdata/\(file)", point)
    }

    static let cases: [Case] = [
        Case(
            "Podman", .named(own), ("/", "/"), podman(own, "hosts", at: "/etc/hosts"),
            podman(own, ".containerenv", at: "/run/.containerenv")),
        Case(
            "a pod of Podman: hosts and resolv.conf are the infra container's", .named(own),
            podman(sandbox, "hosts", at: "/etc/hosts"), podman(sandbox, "resolv.conf", at: "/etc/resolv.conf"),
            podman(own, ".containerenv", at: "/run/.containerenv"), podman(own, "hostname", at: "/etc/hostname")),
        Case(
            "Podman with another storage driver", .named(own),
            ("/vfs-containers/\(own)/userdata/.containerenv", "/run/.containerenv")),
        Case(
            "CRI-O: hostname is the sandbox's, the secrets are its own", .named(own),
            podman(sandbox, "hostname", at: "/etc/hostname"), podman(own, "run/secrets", at: "/run/secrets"),
            ("/var/lib/kubelet/pods/6bcf846c/etc-hosts", "/etc/hosts")),
        Case(
            "CRI-O without a file of its own", .unknown, podman(sandbox, "hostname", at: "/etc/hostname"),
            podman(sandbox, "resolv.conf", at: "/etc/resolv.conf")),
        Case(
            "a pod on Docker", .unknown, docker(sandbox, "hostname"),
            ("/lib/kubelet/pods/6bcf846c-5fe3-45cb-995f-5d34aa16e4c3/etc-hosts", "/etc/hosts")),
        Case(
            "a pod on Docker, told by its termination log", .unknown, docker(sandbox, "hostname"),
            ("/x/y/z", "/dev/termination-log")),
        Case(
            "a pod on Docker, told by its service account", .unknown, docker(sandbox, "hostname"),
            ("/", "/run/secrets/kubernetes.io/serviceaccount")),
        Case("Docker", .likely(own), docker(own, "hostname"), docker(own, "hosts"), docker(own, "resolv.conf")),
        Case(
            "Docker with a hosts file of the user's", .likely(own), docker(own, "hostname"), ("/home/u/h", "/etc/hosts")
        ),
        Case("files of two containers", .unknown, docker(own, "hostname"), docker(sandbox, "hosts")),
        Case("a hosts file alone", .unknown, docker(sandbox, "hosts")),
        Case(
            "two ids compete", .unknown, podman(own, ".containerenv", at: "/run/.containerenv"),
            podman(sandbox, "run/secrets", at: "/run/secrets")),
        Case(
            "containerd's bundle as the root", .named(own),
            ("/run/containerd/io.containerd.runtime.v2.task/default/\(own)/rootfs", "/")),
        Case("a layer of an image as the root", .unknown, ("/var/lib/docker/vfs/dir/\(layer)", "/")),
        Case("LXC", .unknown, ("/", "/"), ("/proc/uptime", "/etc/hostname")),
        Case("nothing", .unknown),
    ]

    @Test("Only mounts that are the container's own name it", arguments: cases)
    func judged(_ made: Case) {
        #expect(OwnContainer(ProcessView(inCgroupNamespace: true, ownMounts: made.mounts)) == made.answer)
    }

    @Test("The name in a recording of version 0.1.0 can be that of another")
    func oldRecordings() {
        var view = ProcessView(inCgroupNamespace: true)
        view.ownContainer = own
        #expect(OwnContainer(view) == .likely(own))
    }
}
