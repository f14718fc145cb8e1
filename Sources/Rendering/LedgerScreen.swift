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
        let listed = Dictionary(grouping: snapshot.processes, by: \.device)
        for device in snapshot.devices.indices {
            if device > 0 { lines.append("") }
            lines += heading(snapshot.devices[device], on: page)
            lines += LoadBar(snapshot.devices[device], warn: warn).flatMap { $0.line(on: page) }.map { [$0] } ?? []
            lines += LedgerRows(snapshot, device: device, listed: listed[device] ?? []).table.lines(on: page).map {
                cut($0, to: page.width ?? .max, on: page)
            }
        }
        let notes = limits + evictions + untold + incomplete + leftOut
        return lines + legend(for: lines.joined(separator: "\n"), on: page)
            + notes.flatMap { [""] + paragraph(shown($0, on: page), on: page, indent: 2) }
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
    private var untold: [String] { Set(snapshot.processes.compactMap(\.unavailable)).sorted() }

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
            let what = memory.isSum ? why : "memory unknown: \(why)"
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

/// Explains what is rare in a table, where it occurs in `text`.
package func legend(for text: String, on page: Page) -> [String] {
    // By scalars: a name can end in one that Swift joins to the space before a mark.
    let words = Set(text.unicodeScalars.split(whereSeparator: \.properties.isWhitespace).map { Substring($0) })
    var lines: [String] = []
    if words.contains(Substring(unknown)) { lines.append("--  unknown") }
    if words.contains(where: { $0.hasSuffix("B+") }) { lines.append("+  at least: the driver does not tell all of it") }
    for mark in [UnverifiedMark.long, UnverifiedMark.short] where words.contains(Substring(mark)) {
        lines.append("\(mark)  a cgroup claims to be this container, and nothing confirms it")
    }
    if words.contains("(gone)") { lines.append("(gone)  the driver lists it, and there is no such process any more") }
    if words.contains("(hidden)") {
        lines.append("(hidden)  the driver lists it, and from here it cannot be looked up")
    }
    if words.contains("aside)") {
        lines.append("(set aside)  of that the rows above have in memory that the firmware keeps from the host's RAM")
    }
    if text.contains(GPUProcess.mpsServer) {
        lines.append(
            "\(GPUProcess.mpsServer)  on the host, runs CUDA programs of others; their memory stands with them")
    }
    if text.contains(LedgerRows.overlap) {
        lines.append("\(LedgerRows.overlap)  processes share memory, or it moved while it was read")
    }
    return lines.isEmpty ? [] : [""] + lines.map { cut($0, to: page.width ?? .max, on: page) }
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
