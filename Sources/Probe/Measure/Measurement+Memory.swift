import Glibc
import Ledger
import Sampling

// Steps that hold GPU memory for a moment, to see what the driver charges for it.

extension Measurement {
    /// Nothing that we do gives memory back: somebody else did.
    private func rise(from before: Bytes, to after: Bytes) throws(NotTried) -> Bytes {
        guard after >= before else { throw .notQuiet }
        return after - before
    }

    func check() throws(NotTried) -> Finding {
        let watcher = try watcher()
        let before = try quietCard(watcher)
        let initializer = try WorkerProcess(plan, leftovers)
        defer { initializer.end() }
        let start = monotonicSeconds()
        // It initializes CUDA, as `check` does.
        try initializer.ask("devices")
        let seconds = monotonicSeconds() - start
        let with = try quietCard(watcher, of: [initializer.pid])
        try expect(before.rest, after: [initializer], watcher)
        return .check(
            seconds: seconds, rise: try rise(from: before.rest, to: with.rest),
            isListed: with.card.processes[initializer.pid] != nil)
    }

    func context() throws(NotTried) -> Finding {
        let watcher = try watcher()
        let totals = try card(watcher).used != nil
        let before = totals ? try quietCard(watcher) : nil
        let holder = try holder()
        defer { holder.end() }
        let bytes = try card(watcher).bytes(of: holder.pid)
        let rise = try before.map { (before) throws(NotTried) in
            try self.rise(from: before.rest, to: try quietCard(watcher, of: [holder.pid]).rest)
        }
        return .context(bytes, rise: rise)
    }

    func rounding() throws(NotTried) -> Finding {
        let watcher = try watcher()
        let holder = try holder(toAllocate: (1 << 30) + (2 << 20))
        defer { holder.end() }
        let context = try card(watcher).bytes(of: holder.pid)
        let mebibyte: Bytes = 1 << 20
        let sizes: [Bytes] = [
            1, mebibyte, 2 * mebibyte, 2 * mebibyte + 1, 3 * mebibyte, 20 * mebibyte, 64 * mebibyte + 1,
            256 * mebibyte, 512 * mebibyte, 1 << 30,
        ]
        var charges: [Seen.Charge] = []
        for asked in sizes {
            try holder.ask("allocate \(asked)")
            charges.append(Seen.Charge(asked: asked, charged: try card(watcher).bytes(of: holder.pid) - context))
            try holder.ask("free")
        }
        return .rounding(charges)
    }

    func killedHolder() throws(NotTried) -> Finding {
        let watcher = try watcher()
        let before = try quietCard(watcher)
        let holder = try holder(toAllocate: 512 << 20)
        try holder.ask("allocate \(512 << 20)")
        let held = try card(watcher).bytes(of: holder.pid)
        let start = monotonicSeconds()
        holder.kill()
        var unlisted: Double?
        var free: Double?
        while monotonicSeconds() - start < plan.timeout, unlisted == nil || free == nil {
            let now = try card(watcher)
            let seconds = monotonicSeconds() - start
            if unlisted == nil, now.processes[holder.pid] == nil { unlisted = seconds }
            if free == nil, let rest = now.rest(of: [holder.pid]), rest <= before.rest { free = seconds }
            usleep(1000)
        }
        return .killedHolder(unlisted: unlisted, free: free, held: held)
    }

    func ipc() throws(NotTried) -> Finding {
        let size: Bytes = 256 << 20
        let watcher = try watcher()
        let rest = try quietCard(watcher).rest
        let exporter = try holder(toAllocate: size, contexts: 2)
        defer { exporter.end() }
        let importer = try WorkerProcess(plan, leftovers, .holds(Self.contextAtMost))
        defer { importer.end() }
        let own: Set = [exporter.pid, importer.pid]
        try importer.ask("context \(try target().digits)")
        try exporter.ask("allocate \(size)")
        let handle = try exporter.ask("export")["handle"] ?? ""
        let before = try quietCard(watcher, of: own)
        try importer.ask("import \(handle)")
        let after = try quietCard(watcher, of: own)
        func riseInList(of prober: WorkerProcess) throws(NotTried) -> Bytes {
            try after.card.bytes(of: prober.pid) - (try before.card.bytes(of: prober.pid))
        }
        let finding = Finding.ipc(
            size: size, importer: try riseInList(of: importer), exporter: try riseInList(of: exporter),
            rise: try rise(from: before.rest, to: after.rest))
        try expect(rest, after: [importer, exporter], watcher)
        return finding
    }

    func managed() throws(NotTried) -> Finding {
        let size: Bytes = 256 << 20
        let watcher = try watcher()
        let rest = try quietCard(watcher).rest
        // `holder` refuses what is not free, so nothing of it is moved to the host's memory.
        let holder = try holder(toAllocate: size)
        defer { holder.end() }
        let before = try quietCard(watcher, of: [holder.pid])
        try holder.ask("managed \(size)")
        let after = try quietCard(watcher, of: [holder.pid])
        let finding = Finding.managed(
            size: size, process: try after.card.bytes(of: holder.pid) - (try before.card.bytes(of: holder.pid)),
            rise: try rise(from: before.rest, to: after.rest))
        try expect(rest, after: [holder], watcher)
        return finding
    }
}
