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
///
/// No containers: conmon, lxc.monitor and nspawn's supervisor (they watch one), sessions, services, snap apps, Slurm's
/// steps, pods (they hold containers), and virtual machines (`machine-qemu…`, `/qemu.slice/100.scope`).
enum ContainerPath {
    /// - Returns: outermost first, without their hierarchy, which a path does not tell.
    static func containers(of path: Substring) -> [CgroupContainer] {
        var found: [CgroupContainer] = []
        var walked = ""
        var parent: Substring = ""
        var userManager: UInt32?
        let components = path.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }
        for (index, component) in components.enumerated() {
            walked += "/" + component
            // The outermost: whoever may make folders below it may name one like another user's manager.
            if found.isEmpty, userManager == nil { userManager = uid(ofUserManager: component) }
            let next = index + 1 < components.count ? components[index + 1] : ""
            let place = Place(
                component: component, parent: parent, next: next, first: components[0], isNested: !found.isEmpty)
            parent = component
            switch place.kind {
            case .monitor: return found
            case .other: continue
            case .container(let id, let runtime):
                found.append(
                    CgroupContainer(id: id, runtime: runtime, hierarchy: "", path: walked, userManager: userManager))
            }
        }
        return found
    }
}

private struct Place {
    var component: Substring
    var parent: Substring
    var next: Substring
    var first: Substring
    /// A container was found further out.
    var isNested: Bool

    enum Kind {
        case container(String, Runtime)
        /// What watches over a container from outside; nothing below it is one.
        case monitor
        case other
    }

    var kind: Kind {
        if isMonitor { return .monitor }
        return prefixedID ?? colonID ?? machine ?? lxc ?? kata ?? bareID ?? named ?? .other
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

    /// A cgroupfs runtime that was given a path meant for systemd makes a directory of it, colons and all.
    private var colonID: Kind? {
        let parts = component.utf8.split(separator: UInt8(ascii: ":")).map { Substring($0) }
        guard parts.count == 3 else { return nil }
        let runtimes: [Substring: Runtime] = [
            "cri-containerd": .containerd, "crio": .crio, "docker": .docker, "libpod": .podman, "nerdctl": .containerd,
        ]
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
        if isPod(parent) { return .container(String(component), .containerd) }
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

/// `podUID` with dashes, `kubepods-burstable-podUID.slice` with underscores, or a static pod's 32 digits.
private func isPod(_ component: Substring) -> Bool {
    let unit = component.hasSuffix(".slice") ? component.dropLast(".slice".count) : component
    guard unit == component ? unit.hasPrefix("pod") : unit.hasPrefix("kubepods") || unit.contains("-kubepods") else {
        return false
    }
    let uid = unit.split(separator: "-", omittingEmptySubsequences: false).last { $0.hasPrefix("pod") }
    guard let uid else { return false }
    if unit == component {
        let id = unit.dropFirst(3)
        return isHex(id, 32...32) || isGroupedHex(id, [8, 4, 4, 4, 12])
    }
    return isHex(Substring(uid.dropFirst(3).filter { $0 != "_" }), 32...32)
}

/// systemd writes a character of a unit's name that it cannot use as `\xNN`.
private func unescaped(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "x"),
            let value = UInt8(Substring(rest.dropFirst().prefix(2)), radix: 16), rest.count >= 3
        {
            bytes.append(value)
            rest = rest.dropFirst(3)
        } else {
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}
