import Glibc
import Ledger
import Sampling

// Steps that hold GPU memory for a moment, to see what the driver charges for it.

extension Measurement {
    func check() throws(NotTried) -> Finding {
        let watcher = try watcher()
        let before = try quietCard(watcher)
        let initializer = try Prober(plan)
        defer { initializer.end() }
        let start = monotonicSeconds()
        // It initializes CUDA, as `check` does.
        try initializer.ask("devices")
        let seconds = monotonicSeconds() - start
        let with = try quietCard(watcher)
        initializer.end()
        let after = try quietCard(watcher)
        return .check(
            seconds: seconds, cardRose: with.used - before.used, left: after.used - before.used,
            isListed: with.card.processes[initializer.pid] != nil)
    }

    func context() throws(NotTried) -> Finding {
        let watcher = try watcher()
        let before = try? quietCard(watcher)
        let holder = try holder()
        defer { holder.end() }
        let bytes = try card(watcher).bytes(of: holder.pid)
        let after = try? quietCard(watcher)
        return .context(bytes, cardRose: before.flatMap { before in after.map { $0.used - before.used } })
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
            if free == nil, let used = now.used, used <= before.used { free = seconds }
            usleep(1000)
        }
        return .killedHolder(unlisted: unlisted, free: free, held: held)
    }

    func ipc() throws(NotTried) -> Finding {
        let size: Bytes = 256 << 20
        let watcher = try watcher()
        let exporter = try holder(toAllocate: size, contexts: 2)
        defer { exporter.end() }
        let importer = try Prober(plan)
        defer { importer.end() }
        try importer.ask("context \(try target().digits)")
        try exporter.ask("allocate \(size)")
        let handle = try exporter.ask("export")["handle"] ?? ""
        let before = try quietCard(watcher)
        try importer.ask("import \(handle)")
        let after = try quietCard(watcher)
        func rise(of prober: Prober) throws(NotTried) -> Bytes {
            try after.card.bytes(of: prober.pid) - (try before.card.bytes(of: prober.pid))
        }
        return .ipc(
            size: size, importer: try rise(of: importer), exporter: try rise(of: exporter),
            cardRose: after.used - before.used)
    }

    func managed() throws(NotTried) -> Finding {
        let size: Bytes = 256 << 20
        let watcher = try watcher()
        // `holder` refuses what is not free, so nothing of it is moved to the host's memory.
        let holder = try holder(toAllocate: size)
        defer { holder.end() }
        let before = try quietCard(watcher)
        try holder.ask("managed \(size)")
        let after = try quietCard(watcher)
        return .managed(
            size: size,
            process: try after.card.bytes(of: holder.pid) - (try before.card.bytes(of: holder.pid)),
            cardRose: after.used - before.used)
    }
}
