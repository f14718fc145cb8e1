import Ledger

/// The report of `plimsoll alloc`: what the driver charged for an allocation, step by step.
package struct AllocationReport {
    package struct Asked {
        package var bytes: Bytes
        package var count: Int
        package var words: String

        package init(bytes: Bytes, count: Int = 1, words: String) {
            self.bytes = bytes
            self.count = count
            self.words = words
        }

        package var total: Bytes {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: Bytes(count))
            return overflow ? .max : product
        }

        /// What the driver charges: CUDA maps device memory in pieces of 2 MiB, as `alloc` measures.
        package var rounded: Bytes {
            let piece: Bytes = 2 << 20
            let (product, overflow) = bytes.adding(piece - 1).quotientAndRemainder(dividingBy: piece).quotient
                .multipliedReportingOverflow(by: piece * Bytes(count))
            return overflow ? .max : product
        }
    }

    /// Memory after a step.
    package struct Step: Equatable {
        package var used: Bytes?
        package var free: Bytes?
        /// Memory of the allocating process, from the driver's list.
        package var process: Bytes?
    }

    package let device: Device
    /// The device that owns the memory: another one if compute instances share a GPU instance.
    private let memoryOwner: Device
    private let before: Step
    private let risk: AllocationRisk
    package var asked: Asked
    package var context: Step?
    package var data: Step?

    package init(_ candidate: PlacementCandidate, _ snapshot: Snapshot, asked: Asked) {
        self.asked = asked
        device = snapshot.devices[candidate.device]
        memoryOwner = snapshot.devices[candidate.memoryOwner]
        before = Step(used: memoryOwner.memory.used, free: candidate.free)
        risk = AllocationRisk(candidate, snapshot)
    }

    package var uuid: String { device.uuid ?? device.index }
    private var total: Bytes? { memoryOwner.memory.total }

    /// - Parameter largest: whether the largest available block is asked for.
    package func refusal(largest: Bool) -> AllocationRefusal? {
        risk.refusal(of: largest ? nil : asked.rounded, in: asked.count, free: context?.free ?? before.free)
    }

    package func text(_ refusal: AllocationRefusal) -> String {
        let gpu = "GPU \(device.label)"
        return switch refusal {
        case .leavesNothing:
            "other processes use \(gpu), and --max would leave no memory for them; to allocate anyway, use --force"
        case .leavesLittle(let left):
            "other processes use \(gpu), and only \(left < 0 ? "0B" : size(left)), less than 5%, would be left for them; "
                + "to allocate anyway, use --force"
        }
    }

    /// - Parameter pid: of the allocating process.
    package func reading(_ snapshot: Snapshot, of pid: UInt32) -> Step {
        let deviceIndex = snapshot.devices.firstIndex { $0.reference == device.reference }
        let memory = snapshot.devices.first { $0.reference == memoryOwner.reference }?.memory
        // A PID that cannot be looked up from here belongs to another process, even if the number is the same.
        let own = snapshot.processes.first {
            $0.device == deviceIndex && $0.pid == pid && ![.hidden, .gone].contains($0.holder)
        }
        return Step(used: memory?.used, free: memory?.free, process: own?.bytes)
    }

    /// Whether the driver lists the process. Its entry is exact; the device's used memory also changes with other processes.
    private var isExact: Bool { context?.process != nil && data?.process != nil }
    private var contextBytes: Bytes? { isExact ? context?.process : difference(context?.used, before.used) }
    private var dataBytes: Bytes? {
        isExact ? difference(data?.process, context?.process) : difference(data?.used, context?.used)
    }

    private func difference(_ later: Bytes?, _ earlier: Bytes?) -> Bytes? {
        guard let later, let earlier else { return nil }
        return later.subtracting(earlier)
    }

    package func lines(on page: Page) -> [String] {
        let rounding = difference(dataBytes, asked.total).map { bytes in
            bytes == 0 ? ", not rounded" : bytes > 0 ? ", rounded up by \(size(bytes))" : ""
        }
        let facts = [
            ("device", "GPU \(device.label)  \(device.name ?? unknown)"),
            ("requested", asked.words == size(asked.total) ? asked.words : "\(size(asked.total)), \(asked.words)"),
            ("allocated", size(dataBytes) + (rounding ?? "")),
            ("context", "\(size(contextBytes)), once per process and GPU"),
            (
                "total",
                size(isExact ? data?.process : difference(data?.used, before.used))
                    + (isExact
                        ? ", as the driver lists for the process"
                        : ", the rise of the GPU's used memory; other processes change it too")
            ),
            ("free", "\(size(before.free)) before, \(size(data?.free)) after, of \(size(total))"),
        ]
        return facts.flatMap { name, text in
            let label = name + String(repeating: " ", count: 11 - name.count)
            let rest = paragraph(shown(text, on: page), on: page.narrowed(by: label.count))
            return rest.enumerated().map { ($0 == 0 ? label : String(repeating: " ", count: label.count)) + $1 }
        }
    }

    package var json: JSON {
        .object([
            ("schemaVersion", .integer(1)),
            (
                "device",
                .object([
                    ("index", .string(device.index)), ("uuid", .string(device.uuid)), ("name", .string(device.name)),
                ])
            ),
            ("askedBytes", .integer(asked.total)), ("count", .integer(Int64(asked.count))),
            ("allocatedBytes", .integer(dataBytes)), ("contextBytes", .integer(contextBytes)),
            ("processBytes", .integer(data?.process)), ("measuredBy", .string(isExact ? "process" : "device")),
            ("freeBeforeBytes", .integer(before.free)), ("freeWithBytes", .integer(data?.free)),
            ("totalBytes", .integer(total)),
        ])
    }

    /// The message for out of memory: what was free, and who holds the rest.
    ///
    /// - Parameter pid: of the allocating process, which holds a context.
    package func outOfMemory(_ now: Snapshot, holding pid: UInt32) -> String {
        let deviceIndex = now.devices.firstIndex { $0.reference == device.reference }
        let others = now.processes.filter { $0.device == deviceIndex && $0.pid != pid }
        let names = Dictionary(now.containers.map { ($0.id, $0.nameOrID) }, uniquingKeysWith: { first, _ in first })
        let holders = Dictionary(grouping: others) { $0.container ?? "PID \($0.pid)" }.map { key, processes in
            (bytes: processes.bytes, name: name(of: processes[0], names) ?? key)
        }
        var lines = holders.sorted { ($0.bytes ?? -1, $1.name) > ($1.bytes ?? -1, $0.name) }
            .map { "  \($0.name.cleaned) holds \(size($0.bytes))" }
        let seesAll = deviceIndex.map { now.devices[$0].ledger.listsRead } ?? false
        if !seesAll {
            lines.append("  other holders are not visible from here")
        } else if lines.isEmpty {
            lines.append("  no other process holds memory there")
        }
        let beside = context.map { ", \(size($0.free)) after the CUDA context" } ?? "; not even the CUDA context fits"
        return
            "out of memory on GPU \(device.label.cleaned): requested \(asked.bytes > 0 ? size(asked.total) : asked.words); of "
            + "\(size(total)) \(size(before.free)) was free\(beside)\n" + lines.joined(separator: "\n")
    }

    /// Whether a container that holds memory there has no name, which an engine might know.
    package func lacksNames(_ now: Snapshot) -> Bool {
        now.containers.contains { container in
            container.name == nil && container.usage.contains { now.devices[$0.device].reference == device.reference }
        }
    }

    private func name(of process: GPUProcess, _ names: [String: String]) -> String? {
        guard let id = process.container else { return process.name }
        return names[id] ?? shortID(id)
    }
}
