import Ledger

/// The screen of `plimsoll ledger`: per device its load line, then a row per holder, and a column that adds up to the card.
package struct LedgerScreen {
    let snapshot: Snapshot
    /// Share of a device's memory at which its load line is drawn, 0 to 1.
    let warn: Double

    package init(_ snapshot: Snapshot, warn: Double) {
        self.snapshot = snapshot
        self.warn = warn
    }

    package func lines(on page: Page) -> [String] {
        var lines: [String] = []
        var marks: Set<Mark> = []
        let listed = Dictionary(grouping: snapshot.processes, by: \.device)
        for device in snapshot.devices.indices {
            if device > 0 { lines.append("") }
            let memory = snapshot.devices[device].memory
            if memory.sharedWith == nil, memory.used == nil || memory.total == nil { marks.insert(.unknown) }
            lines += heading(snapshot.devices[device], on: page)
            lines += LoadBar(snapshot.devices[device], warn: warn).flatMap { $0.line(on: page) }.map { [$0] } ?? []
            let drawn = LedgerRows(snapshot, device: device, listed: listed[device] ?? []).table.drawn(on: page)
            lines += drawn.lines.map { cut($0, to: page.width ?? .max, on: page) }
            marks.formUnion(drawn.marks)
        }
        let notes =
            snapshot.devices.compactMap(\.contradiction) + limits + evictions + moved + untold + incomplete + leftOut
        return lines + Mark.legend(for: marks, on: page)
            + notes.flatMap { [""] + paragraph(shown($0, on: page), on: page, indent: 2) }
    }

    private var moved: [String] {
        snapshot.processes.compactMap { process in
            process.namespaceContainer.map { id in
                let name = snapshot.containers.first { $0.id == id }?.nameOrID ?? shortID(id)
                return
                    "\(process.name ?? "a process") (\(process.pid)) is in the PID namespace of \(name), and its cgroup was changed: "
                    + "by its cgroup it is the host's"
            }
        }
    }

    private var limits: [String] {
        snapshot.containers.flatMap { container in
            container.usage.compactMap { usage in
                usage.limit.map { limit in
                    let gpu = snapshot.devices[usage.device].label
                    return "\(container.nameOrID) may have no more than \(size(limit)) of GPU \(gpu) (dmem.max)"
                }
            }
        }
    }

    private var evictions: [String] {
        snapshot.processes.compactMap { process in
            process.evicted.map { evicted in
                let name = "\(process.name ?? "a process") (\(process.pid))"
                let gpu = snapshot.devices[process.device].label
                return "\(name) has \(size(evicted)) more, evicted from GPU \(gpu) into the host's memory"
            }
        }
    }

    /// Why the driver does not tell the memory of some processes: each reason once.
    private var untold: [String] { Set(snapshot.processes.compactMap(\.unavailable)).map(\.text).sorted() }

    /// What a container's own view leaves out, and where its memory stands then.
    private var leftOut: [String] {
        guard snapshot.devices.contains(where: \.ledger.leavesOutOthers) else { return [] }
        return [
            "In a container the driver tells of its own processes alone: (unattributed) is what all others hold, too."
        ]
    }

    private var incomplete: [String] {
        snapshot.devices.filter { $0.ledger.containers != nil && !$0.ledger.complete }.map { device in
            "GPU \(device.label): not all of its processes are told, so some of (unattributed) is theirs"
        }
    }

    /// Name on the left and numbers on the right where they fit on a line, else one after the other.
    private func heading(_ device: Device, on page: Page) -> [String] {
        let left = shown("GPU \(device.label)  \(device.name ?? "(the driver tells no name)")", on: page)
        let memory = device.memory
        var right = [String]()
        if let sharedWith = memory.sharedWith {
            right.append(shown("memory shared with \(sharedWith)", on: page))
        } else {
            right = ["\(size(memory.used)) / \(size(memory.total))", percent(memory.used, of: memory.total)]
        }
        if let busy = device.utilizationPercent { right.append("util \(busy)%") }
        let width = page.width ?? Self.usualWidth
        let numbers = right.joined(separator: "  ")
        let space = width - columns(left) - columns(numbers)
        var lines = [left + String(repeating: " ", count: max(2, space)) + numbers]
        if page.width != nil, space < 2 { lines = wrapped([left] + right, width: width, on: page) }
        if memory.kind == .shared {
            lines += wrapped(["it has no memory of its own and uses the host's"], width: page.width ?? .max, on: page)
        }
        if memory.sharedWith == nil, let why = memory.unavailable {
            let what = memory.isSum ? why.text : "memory unknown: \(why.text)"
            lines += wrapped([shown(what, on: page)], width: page.width ?? .max, on: page)
        }
        return lines
    }

    /// What a bar and a heading are laid out for where lines may be of any length.
    static let usualWidth = 80

    private func wrapped(_ pieces: [String], width: Int, on page: Page) -> [String] {
        var lines: [String] = []
        for piece in pieces {
            if let last = lines.last, columns(last) + 2 + columns(piece) <= width {
                lines[lines.count - 1] = last + "  " + piece
            } else {
                lines.append(cut(piece, to: width, on: page))
            }
        }
        return lines
    }
}

extension Device {
    /// The driver's own figures, if they contradict each other.
    var contradiction: String? {
        memory.contradiction.map { "GPU \(label): the driver's figures contradict each other: \($0.text)" }
    }
}

extension Device.Contradiction {
    /// "total 40GiB, used 0B, free 0B, reserved 0B".
    var text: String {
        let parts = [("total", total), ("used", used), ("free", free)] + (reserved.map { [("reserved", $0)] } ?? [])
        return parts.map { "\($0) \(size($1))" }.joined(separator: ", ")
    }
}

/// A device's memory as a bar with the load line marked on it.
struct LoadBar {
    private let containers: Bytes
    private let used: Bytes
    private let reserved: Bytes
    private let total: Bytes
    private let warn: Double

    init?(_ device: Device, warn: Double) {
        guard let total = device.memory.total, let used = device.memory.used, total > 0 else { return nil }
        self.total = total
        self.used = min(max(0, used), total)
        containers = min(max(0, (device.ledger.containers ?? 0).adding(device.ledger.instances ?? 0)), self.used)
        // Of memory that the host shares, what is neither free nor the device's is in other use.
        let other = device.memory.kind == .shared ? device.memory.otherUse : device.memory.reserved
        reserved = min(max(0, other ?? 0), total - self.used)
        self.warn = warn
    }

    /// nil where the page is too narrow for one.
    func line(on page: Page) -> String? {
        let cells = (page.width ?? LedgerScreen.usualWidth) - 2
        guard cells >= 3 else { return nil }
        let (ends, marks) =
            page.unicode ? (["▕", "▏"], ["█", "▓", "▒", "░", "│"]) : (["[", "]"], ["#", "=", "-", ".", "|"])
        let edges = [containers, used, used + reserved].map {
            Int((Double($0) / Double(total) * Double(cells)).rounded())
        }
        let mark = min(cells - 1, Int(Double(cells) * warn))
        var bar = ""
        for cell in 0..<cells {
            let part = edges.firstIndex { cell < $0 } ?? 3
            bar += cell == mark ? marks[4] : marks[part]
        }
        return ends[0] + page.paint(bar, Double(used) > warn * Double(total) ? .red : .green) + ends[1]
    }
}
