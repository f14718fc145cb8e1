/// The containers that a cgroup path names, after its claims were judged.
struct BelievedContainers: Sendable, Equatable {
    /// Outermost first; empty if the host holds what is there.
    var containers: [CgroupContainer] = []
    /// None of the claims is undecided.
    var isVerified = true

    var innermost: CgroupContainer? { containers.last }
    /// Ids of the containers around the innermost one, outermost first.
    var parents: [String] { containers.dropLast().map(\.id) }
}

/// Judges which containers a cgroup path really names.
///
/// A cgroup's name is only a claim. A user can create cgroups below `user@N.service` and in every folder that the user
/// owns, and a container's root can create them inside the container; each can name one like another user's container.
/// Everywhere else, only the host's root can create cgroups. In a system container, the same holds for its own root and
/// users.
///
/// | a claim in such a folder | is |
/// |---|---|
/// | an engine knows its id and that of a container around it | false |
/// | its id also has a cgroup that cannot be claimed | false |
/// | only engines that other users run know its id, in a user's folder | false |
/// | only engines that the user runs know its id, and no container is around it | true |
/// | engines know its id, and no rule above applies | undecided |
/// | no engine knows its id, and one did not answer, or other users claim it elsewhere | undecided |
/// | no engine knows its id | true: Docker in Docker, engines that are not asked |
///
/// uids are compared within one user namespace. If we are in one and a path contains the host's N, the owners of engines
/// count as unknown: /proc/self/uid_map translates them to the namespace around ours, which need not be the host's.
struct ClaimedContainers {
    private let view: ProcessView
    private let owners: FolderOwners
    private var engines: [Engine] = []
    /// Whether an engine that should have answered did not: it may know an id that the others do not. An engine that we
    /// may not ask does not count, because it gives us no names that could be claimed.
    private let isEngineMissing: Bool
    /// Ids with cgroups that only the host's root can create.
    private var fixed: Set<Substring> = []
    /// Ids in our own container, with cgroups that only its root can create.
    private var fixedInOwn: Set<Substring> = []
    /// Ids with cgroups in folders that are known to be root's: only root runs these containers.
    private var roots: Set<Substring> = []
    /// Ids below the user manager of the one user whose engine knows them.
    private var confirmed: Set<Substring> = []
    /// Ids that root's engines list, if a path looks like that of a pod.
    private(set) var rootsContainers: Set<String> = []
    /// Where else each id is claimed.
    private var origins: [Substring: Set<Origin>] = [:]
    /// Names that several containers have, of different runtimes, users or outer containers.
    private var sharedNames: Set<String> = []
    /// By the id of a container: its name, if it is not the id.
    private(set) var names: [String: String] = [:]

    private struct Engine {
        var ids: Set<Substring>
        var names: Set<String>
        /// A uid of our user namespace; nil if it is not known.
        var owner: UInt32?

        init(_ engine: ObservedEngine) {
            ids = Set(engine.containers.map { ClaimedContainers.key($0.id) })
            names = Set(engine.containers.compactMap(\.name))
            owner = engine.owner
        }
    }

    private struct Origin: Hashable {
        /// The user who can create the cgroup besides root; nil if only root can.
        var claimant: UInt32?
        /// The claimant is a uid of the machine's user namespace, and not of ours.
        var isMachines: Bool
        var around: [Substring]
        /// In the container that we run in ourselves.
        var isInOwn: Bool

        /// Only the root of the machine, or of our own container, makes cgroups here.
        var isFixed: Bool { claimant == nil && around.isEmpty }
    }

    private enum Verdict { case believed, isFalse, undecided }

    /// - Parameter memberships: of all processes that were observed.
    init(_ observation: Observation, of memberships: some Sequence<CgroupMembership>) {
        view = observation.view
        owners = FolderOwners(observation)
        isEngineMissing = observation.sources.contains {
            $0.isEngine && !$0.ok && $0.isAbsent != true && $0.isForbidden != true
        }
        var all = Array(memberships) + observation.chargedMemberships.map(\.membership)
        if all.contains(where: { $0.containers.contains { $0.possiblePod != nil } }) {
            let rootsEngines = observation.engines.filter { [owners] in owners.isRoot($0.owner) }
            rootsContainers = Set(rootsEngines.flatMap { $0.containers.map(\.id) })
            all = all.map(withContainersLikePods)
        }
        let areRoots = observation.engines.allSatisfy { [owners] in owners.isRoot($0.owner) }
        if !areRoots || all.contains(where: Self.isClaim(in: view)) {
            engines = observation.engines.map(Engine.init)
            noteClaims(of: all)
        }
        noteNames(of: all)
    }

    private mutating func noteClaims(of memberships: [CgroupMembership]) {
        for membership in memberships {
            for (level, container) in membership.containers.enumerated() {
                let key = Self.key(level, of: membership)
                let origin = origin(level, of: membership)
                if origin.isFixed, owners.isRoots(above: container) { roots.insert(key) }
                if !origin.isFixed {
                    origins[key, default: []].insert(origin)
                } else if origin.isInOwn {
                    fixedInOwn.insert(key)
                } else {
                    fixed.insert(key)
                }
            }
        }
        for (key, origins) in origins where origins.contains(where: { isConfirmed(key, $0) }) { confirmed.insert(key) }
    }

    /// Notes names that several containers have: a name is unique only within one runtime, user and outer container. The
    /// path is unique on the host.
    private mutating func noteNames(of memberships: [CgroupMembership]) {
        let named = memberships.filter { $0.containers.contains { !Self.isUnique($0.id) } }
        guard !named.isEmpty else { return }
        var paths: [String: String] = [:]
        for container in named.flatMap({ judged($0).containers }) where !Self.isUnique(container.id) {
            if let path = paths[container.id], path != container.path { sharedNames.insert(container.id) }
            paths[container.id] = container.path
        }
        for container in named.flatMap({ believed($0).containers }) { names[container.id] = container.name }
    }

    /// Whether a container has the name that an engine gives it. An engine that does not run as root can list any id, and
    /// runs no container in a folder that only root can create: there it names no container.
    ///
    /// A proxy in front of root's socket that runs as another user is such an engine too, because it cannot be
    /// distinguished from an engine that invents its list. Run the proxy as root (in a container it does), or name root's
    /// own socket.
    func isNamed(_ container: String, by engine: ObservedEngine) -> Bool {
        owners.isRoot(engine.owner) || !roots.contains(Self.key(container))
    }

    /// A container whose name another one has goes by its path instead.
    func believed(_ membership: CgroupMembership) -> BelievedContainers {
        var result = judged(membership)
        for (level, container) in result.containers.enumerated() where sharedNames.contains(container.id) {
            result.containers[level].name = container.name ?? container.id
            result.containers[level].id = container.path
            // Its user may have chosen the name because it is another's.
            if container.isUsers { result.isVerified = false }
        }
        return result
    }

    private func judged(_ membership: CgroupMembership) -> BelievedContainers {
        let membership = withContainersLikePods(membership)
        guard Self.isClaim(in: view)(membership) else { return BelievedContainers(containers: membership.containers) }
        var result = BelievedContainers()
        for (level, container) in membership.containers.enumerated() {
            let verdict = verdict(on: level, of: membership)
            if verdict == .isFalse { continue }
            result.containers.append(container)
            if verdict == .undecided { result.isVerified = false }
        }
        return result
    }

    /// A folder that is named by an id alone, with one of Podman's containers in it, is read as a pod's. If an engine of root's
    /// runs a container of that id, it is the container's, whose root can make such a folder in it.
    private func withContainersLikePods(_ membership: CgroupMembership) -> CgroupMembership {
        guard !rootsContainers.isEmpty else { return membership }
        var result = membership
        result.containers = membership.containers.flatMap { inner in
            guard let pod = inner.possiblePod, rootsContainers.contains(pod.id),
                !membership.containers.contains(where: { $0.path == pod.path })
            else { return [inner] }
            return [pod, inner]
        }
        return result
    }

    private func verdict(on level: Int, of membership: CgroupMembership) -> Verdict {
        let container = membership.containers[level]
        let key = Self.key(level, of: membership)
        let origin = origin(level, of: membership)
        guard !origin.isFixed || origin.isInOwn else { return .believed }
        let knowing = engines.filter { $0.ids.contains(key) }
        let around = origin.around + (origin.isInOwn ? view.own.map { [Self.key($0.id)] } ?? [] : [])
        if knowing.contains(where: { engine in around.contains(where: engine.ids.contains) }) { return .isFalse }
        if isElsewhere(key, than: origin) { return .isFalse }
        // What our own container shows as its root is the machine to those who are in it.
        if origin.isFixed { return .believed }
        if isConfirmed(key, origin) { return .believed }
        if confirmed.contains(key) { return .isFalse }
        if !knowing.isEmpty {
            let owners = knowing.map { owner(of: $0, for: origin) }
            let isOthers = owners.allSatisfy { $0 != nil && $0 != origin.claimant }
            return origin.claimant != nil && isOthers ? .isFalse : .undecided
        }
        let isAmbiguous = origins[key, default: []].count > 1 || engines.contains { $0.names.contains(container.id) }
        return isEngineMissing || isAmbiguous ? .undecided : .believed
    }

    /// The same id also has a folder that the user who claims it here cannot create.
    private func isElsewhere(_ key: Substring, than origin: Origin) -> Bool {
        fixed.contains(key) || origin.isInOwn && !origin.isFixed && fixedInOwn.contains(key)
    }

    private func isConfirmed(_ key: Substring, _ origin: Origin) -> Bool {
        guard let claimant = origin.claimant, origin.around.isEmpty, !isElsewhere(key, than: origin) else {
            return false
        }
        let knowing = engines.filter { $0.ids.contains(key) }
        return !knowing.isEmpty && knowing.allSatisfy { owner(of: $0, for: origin) == claimant }
    }

    /// The owner of an engine is a uid of our user namespace: nil if it cannot be compared with the claimant's.
    private func owner(of engine: Engine, for origin: Origin) -> UInt32? {
        view.inUserNamespace == true && origin.isMachines ? nil : engine.owner
    }

    private func origin(_ level: Int, of membership: CgroupMembership) -> Origin {
        let container = membership.containers[level]
        let isInOwn = Self.isInOwnContainer(membership, view)
        // A path in our own container has uids of the namespace that we are in.
        return Origin(
            claimant: container.userManager ?? container.folderOwner,
            isMachines: container.userManager != nil && !isInOwn,
            around: (0..<level).map { Self.key($0, of: membership) }, isInOwn: isInOwn)
    }

    /// Seen from inside a cgroup namespace, what is below its root is in the container that we are in.
    private static func isInOwnContainer(_ membership: CgroupMembership, _ view: ProcessView) -> Bool {
        view.inCgroupNamespace && membership.isBelowRoot
    }

    /// Whether some container of a path is in a folder in which users other than the host's root can create cgroups.
    private static func isClaim(in view: ProcessView) -> (CgroupMembership) -> Bool {
        { membership in
            guard let outermost = membership.containers.first else { return false }
            return membership.containers.count > 1 || outermost.isUsers
                || isInOwnContainer(membership, view)
        }
    }

    /// Ids are compared as they are shown: 12 hexadecimal digits identify a container, so an id with the same 12 digits
    /// is a claim to be that container.
    private static func key(_ id: String) -> Substring { isUnique(id) ? id.prefix(12) : id[...] }

    /// A name is compared together with its form: `crun-web.scope` does not claim to be `lxc.payload.web`. Inside a
    /// container, a name is no claim, because it is shown together with that container's name.
    private static func key(_ level: Int, of membership: CgroupMembership) -> Substring {
        let container = membership.containers[level]
        if isUnique(container.id) { return key(container.id) }
        if level > 0 { return container.path[...] }
        let slash = container.path.utf8.lastIndex(of: UInt8(ascii: "/")) ?? container.path.startIndex
        return container.path[slash...]
    }

    /// An id that its engine made up at random.
    private static func isUnique(_ id: String) -> Bool { isHex(id[...], 12...64) }
}
