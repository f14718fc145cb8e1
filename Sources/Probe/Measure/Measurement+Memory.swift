import Glibc
import Ledger
import Sampling

// Steps that hold GPU memory for a moment, to see how much the driver charges for it.

extension Measurement {
    /// How much used memory rose. No step frees memory in between, so a fall is due to other processes.
    private func rise(from before: Bytes, to after: Bytes) throws(NotTried) -> Bytes {
        guard after >= before else { throw .memoryChanged }
        return after - before
    }

    func check() throws(NotTried) -> Finding {
        let watcher = try watcher()
        let before = try quietMemory(watcher)
        let initializer = try WorkerProcess(plan, leftovers)
        defer { initializer.end() }
        let start = monotonicSeconds()
        // This initializes CUDA, as `check` does.
        try initializer.ask("devices")
        let seconds = monotonicSeconds() - start
        let during = try quietMemory(watcher, own: [initializer.pid])
        try expectNetUsed(before.netUsed, afterEnding: [initializer], watcher)
        return .check(
            seconds: seconds, rise: try rise(from: before.netUsed, to: during.netUsed),
            isListed: during.memory.processes[initializer.pid] != nil)
    }

    func context() throws(NotTried) -> Finding {
        let watcher = try watcher()
        let totals = try targetMemory(watcher).used != nil
        let before = totals ? try quietMemory(watcher) : nil
        let holder = try holder()
        defer { holder.end() }
        let bytes = try targetMemory(watcher).bytes(of: holder.pid)
        let rise = try before.map { (before) throws(NotTried) in
            try self.rise(from: before.netUsed, to: try quietMemory(watcher, own: [holder.pid]).netUsed)
        }
        return .context(bytes, rise: rise)
    }

    func rounding() throws(NotTried) -> Finding {
        let watcher = try watcher()
        let holder = try holder(toAllocate: (1 << 30) + (2 << 20))
        defer { holder.end() }
        let context = try targetMemory(watcher).bytes(of: holder.pid)
        let mebibyte: Bytes = 1 << 20
        let sizes: [Bytes] = [
            1, mebibyte, 2 * mebibyte, 2 * mebibyte + 1, 3 * mebibyte, 20 * mebibyte, 64 * mebibyte + 1,
            256 * mebibyte, 512 * mebibyte, 1 << 30,
        ]
        var charges: [MeasuredValue.Charge] = []
        for asked in sizes {
            try holder.ask("allocate \(asked)")
            charges.append(
                MeasuredValue.Charge(asked: asked, charged: try targetMemory(watcher).bytes(of: holder.pid) - context))
            try holder.ask("free")
        }
        return .rounding(charges)
    }

    func killedHolder() throws(NotTried) -> Finding {
        let watcher = try watcher()
        let before = try quietMemory(watcher)
        let holder = try holder(toAllocate: 512 << 20)
        try holder.ask("allocate \(512 << 20)")
        let held = try targetMemory(watcher).bytes(of: holder.pid)
        let start = monotonicSeconds()
        holder.kill()
        var unlisted: Double?
        var free: Double?
        while monotonicSeconds() - start < plan.timeout, unlisted == nil || free == nil {
            let now = try targetMemory(watcher)
            let seconds = monotonicSeconds() - start
            if unlisted == nil, now.processes[holder.pid] == nil { unlisted = seconds }
            if free == nil, let netUsed = now.netUsed(own: [holder.pid]), netUsed <= before.netUsed { free = seconds }
            usleep(1000)
        }
        return .killedHolder(unlisted: unlisted, free: free, held: held)
    }

    func ipc() throws(NotTried) -> Finding {
        let size: Bytes = 256 << 20
        let watcher = try watcher()
        let netUsed = try quietMemory(watcher).netUsed
        let exporter = try holder(toAllocate: size, contexts: 2)
        defer { exporter.end() }
        let importer = try WorkerProcess(plan, leftovers, .holds(Self.contextAtMost))
        defer { importer.end() }
        let own: Set = [exporter.pid, importer.pid]
        try importer.ask("context \(try target().digits)")
        try exporter.ask("allocate \(size)")
        let handle = try exporter.ask("export")["handle"] ?? ""
        let before = try quietMemory(watcher, own: own)
        try importer.ask("import \(handle)")
        let after = try quietMemory(watcher, own: own)
        func riseInList(of worker: WorkerProcess) throws(NotTried) -> Bytes {
            try after.memory.bytes(of: worker.pid) - (try before.memory.bytes(of: worker.pid))
        }
        let finding = Finding.ipc(
            size: size, importer: try riseInList(of: importer), exporter: try riseInList(of: exporter),
            rise: try rise(from: before.netUsed, to: after.netUsed))
        try expectNetUsed(netUsed, afterEnding: [importer, exporter], watcher)
        return finding
    }

    func managed() throws(NotTried) -> Finding {
        let size: Bytes = 256 << 20
        let watcher = try watcher()
        let netUsed = try quietMemory(watcher).netUsed
        // `holder` throws if the memory is not free, so the driver moves none of it to host RAM.
        let holder = try holder(toAllocate: size)
        defer { holder.end() }
        let before = try quietMemory(watcher, own: [holder.pid])
        try holder.ask("managed \(size)")
        let after = try quietMemory(watcher, own: [holder.pid])
        let finding = Finding.managed(
            size: size, process: try after.memory.bytes(of: holder.pid) - (try before.memory.bytes(of: holder.pid)),
            rise: try rise(from: before.netUsed, to: after.netUsed))
        try expectNetUsed(netUsed, afterEnding: [holder], watcher)
        return finding
    }
}
