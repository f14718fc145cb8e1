/// Which containers a cgroup path names, read component by component from the outside in.
///
/// | who | the path's end | the container is |
/// |---|---|---|
/// | Docker, Podman, CRI-O, containerd, nerdctl under systemd | `docker-ID.scope`, `libpod-ID.scope/container` | ID |
/// | the same where drivers do not match | `x.slice:cri-containerd:ID`, `system.slice:docker:ID` | ID |
/// | the same with cgroupfs | `/docker/ID`, `/myparent/ID`, `/kubepods/…/podUID/ID`, `/actions_job/ID` | ID, 64 hex digits |
/// | containerd's own client | `/default/NAME`, `/k8s.io/ID` | the last |
/// | BuildKit | `/docker/buildkit/ID`, `system.slice:docker:ID` | ID, 25 letters and digits |
/// | Kata | `/kata_overhead/ID`, `kata_ID` | ID |
/// | ECS, Fargate | `/ecs/TASK/ID`, `/ecs/TASK/TASK-NUMBER` | the last |
/// | LXC, Incus, Proxmox | `lxc.payload.NAME`, `lxc.payload/NAME`, `/lxc/NAME` | NAME |
/// | nspawn, libvirt's LXC | `systemd-nspawn@NAME.service/payload`, `machine-NAME.scope` | NAME |
/// | Mesos, Garden | `/mesos/UUID`, `/garden/8-4-4-4-4` | the last |
/// | crun, runc, youki, gVisor, started with a name | `crun-NAME.scope`, `runc-NAME.scope` | NAME |
/// | Buildah | `buildah-NAME-NUMBER.scope`, `/buildah-NAME` | NAME |
/// | Nomad | `/nomad.slice/share.slice/UUID.TASK.scope`, `/nomad/UUID.TASK` | UUID.TASK |
/// | Apptainer, Singularity | `apptainer-PID.scope`, `/apptainer/PID`, `/apptainer-oci/NAME` | apptainer-PID, NAME |
/// | anything else in a pod of Kubernetes or Podman | `podUID/NAME` | UID/NAME |
///
/// No containers: conmon, lxc.monitor and nspawn's supervisor (they watch one), sessions, services, snap apps, Slurm's
/// steps, pods (they hold containers), and virtual machines (`machine-qemu…`, `/qemu.slice/100.scope`).
///
/// Sources of the named forms: crun #1087, singularity #1538, buildah #2310 and #4525; Nomad, client/lib/cgroupslib; Apptainer,
/// manager_linux.go.
enum ContainerPath {
    struct Meaning {
        /// Outermost first, without their hierarchy, which a path does not contain.
        var containers: [CgroupContainer] = []
        /// The first scope or folder that is no container's and no known kind of the host's; nil inside a container.
        var unrecognized: String?
    }

    static func containers(of path: Substring) -> [CgroupContainer] { meaning(of: path).containers }

    static func meaning(of path: Substring) -> Meaning {
        var meaning = Meaning()
        var walked = ""
        var parent: Substring = ""
        var userManager: UInt32?
        let components = path.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }
        // From inside a cgroup namespace, what lies beside it or around it begins with a ".." for each folder upwards
        // (kernel, cgroup-v2.rst, "Namespace"): these name nothing.
        let first = components.first { $0 != ".." } ?? ""
        for (index, name) in components.enumerated() {
            walked += "/" + name
            if name == ".." { continue }
            // Only the outermost: a user who may create folders below it may name one like another user's manager.
            if meaning.containers.isEmpty, userManager == nil { userManager = uid(ofUserManager: name) }
            let next = index + 1 < components.count ? components[index + 1] : ""
            let component = PathComponent(
                component: name, parent: parent, next: next, first: first, isNested: !meaning.containers.isEmpty)
            parent = name
            switch component.kind {
            case .monitor:
                if meaning.containers.isEmpty { meaning.unrecognized = nil }
                return meaning
            case .other:
                if meaning.containers.isEmpty, meaning.unrecognized == nil,
                    !HostUnit.isKnown(name, in: component.parent)
                {
                    meaning.unrecognized = walked
                }
            case .container(let id, let runtime, let name):
                meaning.unrecognized = nil
                meaning.containers.append(
                    CgroupContainer(
                        id: id, name: name, runtime: runtime, hierarchy: "", path: walked, userManager: userManager))
            }
        }
        return meaning
    }
}

private struct PathComponent {
    var component: Substring
    var parent: Substring
    var next: Substring
    var first: Substring
    /// A container was found further out.
    var isNested: Bool

    enum Kind {
        case container(String, Runtime, name: String? = nil)
        /// What watches over a container from outside; nothing below it is one.
        case monitor
        case other
    }

    var kind: Kind {
        if isMonitor { return .monitor }
        return prefixedID ?? colonID ?? machine ?? lxc ?? kata ?? bareID ?? named ?? namedScope ?? apptainer ?? nomad
            ?? inPod ?? .other
    }

    private var unit: Substring {
        component.hasSuffix(".scope") ? component.dropLast(".scope".count) : component
    }

    private var isMonitor: Bool {
        component.hasPrefix("libpod-conmon-") || component.hasPrefix("crio-conmon-") || component == "conmon"
            || component == "lxc.monitor" || component.hasPrefix("lxc.monitor.")
            || (component == "supervisor" && (parent.hasPrefix("systemd-nspawn@") || parent.hasPrefix("machine-")))
    }

    private static let prefixes: [(String, Runtime)] = [
        ("docker-", .docker), ("libpod-payload-", .podman), ("libpod-", .podman), ("cri-containerd-", .containerd),
        ("crio-", .crio), ("nerdctl-", .containerd), ("runc-", .unknown), ("crun-", .unknown),
    ]

    private var prefixedID: Kind? {
        for (prefix, runtime) in Self.prefixes where unit.hasPrefix(prefix) {
            let id = unit.dropFirst(prefix.count)
            return isHex(id, 12...64) ? .container(String(id), runtime) : nil
        }
        return nil
    }

    /// Scopes of runtimes that take any name for an id.
    private static let namingPrefixes: [(String, Runtime)] = [
        ("crun-", .unknown), ("runc-", .unknown), ("youki-", .unknown), ("runsc-", .unknown), ("krun-", .unknown),
        ("nerdctl-", .containerd), ("cri-containerd-", .containerd),
    ]

    private var namedScope: Kind? {
        if component.hasPrefix("buildah-") {
            let rest = unit.dropFirst("buildah-".count)
            let number = rest.reversed().prefix { $0.isASCII && $0.isNumber }.count
            let hasNumber = isScope && number > 0 && rest.dropLast(number).last == "-"
            let name = hasNumber ? rest.dropLast(number + 1) : rest
            return name.isEmpty || isService ? nil : .container(String(name), .unknown)
        }
        guard isScope else { return nil }
        for (prefix, runtime) in Self.namingPrefixes where unit.hasPrefix(prefix) {
            let name = unescaped(unit.dropFirst(prefix.count))
            return name.isEmpty ? nil : .container(name, runtime)
        }
        return nil
    }

    /// They make a cgroup only for a container with resource limits. Others stay in the cgroup of the process that started them.
    private var apptainer: Kind? {
        for name in ["apptainer", "singularity"] {
            if isScope, unit.hasPrefix("\(name)-"), isNumber(unit.dropFirst(name.count + 1)) {
                return .container(String(unit), .unknown)
            }
            if parent == name[...], isNumber(component) { return .container("\(name)-\(component)", .unknown) }
            if parent == "\(name)-oci"[...] { return .container(String(unit), .unknown) }
        }
        return nil
    }

    /// The parent can be chosen (`cgroup_parent`); on cgroup v2 a task is a scope under any of them.
    private var nomad: Kind? {
        guard isScope || first == "nomad.slice" || first == "nomad", !isService, !component.hasSuffix(".slice") else {
            return nil
        }
        let parts = unit.utf8.split(separator: UInt8(ascii: "."), maxSplits: 1).map { Substring($0) }
        guard parts.count == 2, isGroupedHex(parts[0], [8, 4, 4, 4, 12]) else { return nil }
        return .container(String(unit), .unknown)
    }

    /// A pod holds nothing but containers and their monitors. Each pod can have one of the same name.
    private var inPod: Kind? {
        guard let pod = podID(of: parent) else { return nil }
        let name = unescaped(unit)
        return .container("\(pod)/\(name)", .unknown, name: name)
    }

    private var isScope: Bool { component.hasSuffix(".scope") }
    private var isService: Bool { component.hasSuffix(".service") }

    /// A cgroupfs runtime that was given a path meant for systemd makes a directory of it, colons and all.
    private var colonID: Kind? {
        let parts = component.utf8.split(separator: UInt8(ascii: ":")).map { Substring($0) }
        guard parts.count == 3 else { return nil }
        let runtimes: [Substring: Runtime] = [
            "cri-containerd": .containerd, "crio": .crio, "docker": .docker, "libpod": .podman, "nerdctl": .containerd,
        ]
        if parts[1] == "apptainer" || parts[1] == "singularity", isNumber(parts[2]) {
            return .container("\(parts[1])-\(parts[2])", .unknown)
        }
        guard let runtime = runtimes[parts[1]], isHex(parts[2], 12...64) || isBuildKitID(parts[2]) else { return nil }
        return .container(String(parts[2]), runtime)
    }

    private var machine: Kind? {
        if component.hasPrefix("systemd-nspawn@"), component.hasSuffix(".service") {
            guard next != "supervisor" else { return .other }
            let name = component.dropFirst("systemd-nspawn@".count).dropLast(".service".count)
            return name.isEmpty ? nil : .container(unescaped(name), .nspawn)
        }
        guard component.hasPrefix("machine-"), component.hasSuffix(".scope"), next != "supervisor" else { return nil }
        let name = unescaped(unit.dropFirst("machine-".count))
        if name.isEmpty || name.hasPrefix("qemu-") { return .other }
        // libvirt's LXC driver names them lxc-DOMAIN-NAME (libvirt docs, cgroups).
        let parts = name.split(separator: "-", maxSplits: 2)
        if parts.count == 3, parts[0] == "lxc", parts[1].allSatisfy(\.isNumber) {
            return .container(String(parts[2]), .lxc)
        }
        return .container(name, .nspawn)
    }

    private var lxc: Kind? {
        if component.hasPrefix("lxc.payload.") {
            let name = component.dropFirst("lxc.payload.".count)
            return name.isEmpty ? nil : .container(String(name), .lxc)
        }
        let isOld = parent == "lxc" && (first == "lxc" || isNested)
        return parent == "lxc.payload" || isOld ? .container(String(component), .lxc) : nil
    }

    private var kata: Kind? {
        if parent == "kata_overhead", isHex(component, 12...64) { return .container(String(component), .unknown) }
        guard component.hasPrefix("kata_"), isHex(component.dropFirst(5), 12...64) else { return nil }
        return .container(String(component.dropFirst(5)), .unknown)
    }

    /// 64 hex digits by themselves are a container under whatever parent: `--cgroup-parent` can name any.
    private var bareID: Kind? {
        guard isHex(component, 64...64), parent != "libpod_parent" else { return nil }
        if kubernetesPod(parent) != nil { return .container(String(component), .containerd) }
        switch parent {
        case "docker", "moby", "actions_job": return .container(String(component), .docker)
        case "k8s.io", "default": return .container(String(component), .containerd)
        // Podman's pods with cgroupfs: the pod's own id stands between the parent and its containers.
        case _ where next.hasPrefix("libpod-"): return nil
        default: return .container(String(component), first == "ecs" ? .ecs : .unknown)
        }
    }

    /// Forms whose id is no long hexadecimal number and that only their surroundings give away.
    private var named: Kind? {
        switch parent {
        case "buildkit" where isBuildKitID(component): return .container(String(component), .unknown)
        case "default", "k8s.io", "moby":
            // A containerd namespace is a directory at the root.
            let isUnit = component.hasSuffix(".slice") || component.hasSuffix(".service")
            return first == parent && !isUnit ? .container(String(component), .containerd) : nil
        case "mesos" where isGroupedHex(component, [8, 4, 4, 4, 12]): return .container(String(component), .unknown)
        default: break
        }
        if first == "ecs", parent.count == 32, component.hasPrefix(parent + "-") {
            return .container(String(component), .ecs)
        }
        return isGroupedHex(component, [8, 4, 4, 4, 4]) ? .container(String(component), .unknown) : nil
    }
}

extension Substring {
    // Bytes: the generic ones compare characters, and take most of the time that a process costs.
    fileprivate func hasPrefix(_ prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }
    fileprivate func hasSuffix(_ suffix: String) -> Bool { utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }
}

/// systemd's manager of a user, `user@1000.service`.
private func uid(ofUserManager component: Substring) -> UInt32? {
    guard component.hasPrefix("user@"), component.hasSuffix(".service") else { return nil }
    return UInt32(component.dropFirst("user@".count).dropLast(".service".count))
}

func isHex(_ text: Substring, _ length: ClosedRange<Int>) -> Bool {
    length.contains(text.utf8.count) && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
}

private func isGroupedHex(_ text: Substring, _ lengths: [Int]) -> Bool {
    let groups = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false).map { Substring($0) }
    return groups.count == lengths.count && zip(groups, lengths).allSatisfy { isHex($0, $1...$1) }
}

/// BuildKit's identities: 25 digits of base 36 (moby/moby#45796).
private func isBuildKitID(_ text: Substring) -> Bool {
    text.utf8.count == 25 && text.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) }
}

private func podID(of component: Substring) -> String? { kubernetesPod(component) ?? podmanPod(component) }

/// The UID in `podUID` with dashes, `kubepods-burstable-podUID.slice` with underscores, or a static pod's 32 digits.
private func kubernetesPod(_ component: Substring) -> String? {
    guard component.hasSuffix(".slice") else {
        let uid = component.dropFirst(3)
        guard component.hasPrefix("pod"), isHex(uid, 32...32) || isGroupedHex(uid, [8, 4, 4, 4, 12]) else { return nil }
        return String(uid)
    }
    let unit = component.dropLast(".slice".count)
    guard unit.hasPrefix("kubepods") || unit.contains("-kubepods"),
        let pod = unit.split(separator: "-", omittingEmptySubsequences: false).last(where: { $0.hasPrefix("pod") }),
        isHex(Substring(pod.dropFirst(3).filter { $0 != "_" }), 32...32)
    else { return nil }
    return String(pod.dropFirst(3).map { $0 == "_" ? "-" : $0 })
}

/// The ID in the slice of one of Podman's pods, `machine-libpod_pod_ID.slice`.
private func podmanPod(_ component: Substring) -> String? {
    guard component.hasSuffix(".slice") else { return nil }
    let unit = component.dropLast(".slice".count)
    guard unit.utf8.count > 64, isHex(unit.suffix(64), 64...64), unit.dropLast(64).hasSuffix("libpod_pod_") else {
        return nil
    }
    return String(unit.suffix(64))
}

private func isNumber(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
}

/// Scopes and folders of the host that hold no container.
private enum HostUnit {
    /// Scopes: systemd's own and its `systemd-run`, logind's sessions, desktops' apps and terminals, snaps, Slurm, and the process
    /// that keeps rootless Podman's namespaces.
    private static let scopes = [
        "session-", "run-", "app-", "apps-", "snap.", "vte-spawn-", "tmux-spawn-", "ptyxis-spawn-", "gnome-",
        "flatpak-",
        "dbus-", "podman-pause-", "machine-qemu", "slurmstepd",
    ]
    /// Folders that are no units of systemd: of older init systems and session managers, Slurm, and parents of containers.
    private static let folders: Set<Substring> = [
        "slurm", "user", "system", "machine", "elogind", "docker", "moby", "kubepods", "libpod_parent", "default",
        "k8s.io", "lxc", "lxc.payload", "mesos", "garden", "buildkit", "ecs", "nomad", "apptainer", "singularity",
        "actions_job", "init",
    ]

    static func isKnown(_ component: Substring, in parent: Substring) -> Bool {
        if component.hasSuffix(".scope") {
            return component == "init.scope" || parent == "qemu.slice"
                || scopes.contains { component.hasPrefix($0) }
        }
        // What lies in a unit or a folder that is known is a part of it.
        guard parent.isEmpty else { return true }
        return [".slice", ".service", ".mount", ".socket", ".swap"].contains { component.hasSuffix($0) }
            || folders.contains(component)
    }
}

/// systemd writes a character of a unit's name that it cannot use as `\xNN`.
private func unescaped(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "x"),
            let value = UInt8(Substring(rest.dropFirst().prefix(2)), radix: 16), rest.count >= 3,
            // No name of a folder has these.
            value != 0, value != UInt8(ascii: "/"), value != UInt8(ascii: "\n")
        {
            bytes.append(value)
            rest = rest.dropFirst(3)
        } else {
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}
