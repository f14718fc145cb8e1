/// Whose a PID is: a process that it may mean, and the container that this process is in.
package struct Ownership: Sendable {
    /// nil where only a driver knows it.
    package var process: ObservedProcess?
    package var pid: UInt32
    package var holder: Holder
    package var container: Container?
    /// What it holds, by device; empty for a process that no driver lists.
    package var held: [GPUProcess]
}

extension Observation {
    /// The processes that `pid` may mean: the host's with this PID, and those that have it inside their container.
    ///
    /// - Parameter snapshot: the ledger of this observation.
    package func owners(of pid: UInt32, in snapshot: Snapshot) -> [Ownership] {
        let lookup = ProcessLookup(self)
        func ownership(_ pid: UInt32, _ process: ObservedProcess?) -> Ownership {
            let held = snapshot.processes.filter { $0.pid == pid }
            let place = lookup.place(of: pid)
            // What a driver lists may be another process than the one that has this PID here.
            let isSame = held.first.map { $0.holder == .container || $0.holder == .host } ?? true
            let id = held.isEmpty ? place.container?.id : held[0].container
            var container = id.flatMap { id in
                (snapshot.containers + snapshot.idleContainers).first { $0.id == id }
                    ?? Container(
                        id: id, runtime: place.container?.runtime ?? .unknown, known: false, parents: place.parents,
                        labels: [:], usage: [])
            }
            if !place.isVerified { container?.verified = false }
            return Ownership(
                process: isSame ? process : nil, pid: pid, holder: held.first?.holder ?? place.holder,
                container: container, held: held
            )
        }
        var owners: [Ownership] = []
        let own = processes.first { $0.pid == pid }
        if own != nil || snapshot.processes.contains(where: { $0.pid == pid }) { owners.append(ownership(pid, own)) }
        for process in processes where process.pid != pid && process.namespacePIDs.dropFirst().contains(pid) {
            owners.append(ownership(process.pid, process))
        }
        return owners
    }
}
