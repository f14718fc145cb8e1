import Ledger

/// The screen of `plimsoll ledger`: per device a heading, a bar with the load line, a row per holder, and a column that adds up to
/// the device's total memory.
package struct LedgerScreen {
    let snapshot: Snapshot
    /// Devices to show, by index into the snapshot.
    private let devices: [Int]
    /// Share of a device's memory at which its load line is drawn, 0 to 1.
    let warn: Double
    private let truncates: Bool

    /// - Parameters:
    ///   - devices: devices to show, by index into the snapshot; nil for all.
    ///   - warn: share of a device's memory at which the load line is drawn, 0 to 1.
    ///   - truncates: whether ids and image names are shortened.
    package init(_ snapshot: Snapshot, devices: [Int]? = nil, warn: Double, truncates: Bool = true) {
        self.snapshot = snapshot
        self.devices = devices ?? Array(snapshot.devices.indices)
        self.warn = warn
        self.truncates = truncates
    }

    package func lines(on page: Page) -> [String] {
        var lines: [String] = []
        var marks: Set<Mark> = []
        var omitted: [String] = []
        var bars: [LoadBar] = []
        let listed = Dictionary(grouping: snapshot.processes, by: \.device)
        for device in devices {
            if !lines.isEmpty { lines.append("") }
            let memory = snapshot.devices[device].memory
            if memory.sharedWith == nil, memory.used == nil || memory.total == nil { marks.insert(.unknown) }
            lines += heading(snapshot.devices[device], on: page)
            if let bar = LoadBar(snapshot.devices[device], warn: warn), let line = bar.line(on: page) {
                lines.append(line)
                bars.append(bar)
            }
            let rows = LedgerRows(snapshot, device: device, listed: listed[device] ?? [], truncates: truncates)
            let drawn = rows.table.drawn(on: page)
            lines += drawn.lines.map { cut($0, to: page.width ?? .max, on: page) }
            marks.formUnion(drawn.marks)
            for title in drawn.omitted where !omitted.contains(title) { omitted.append(title) }
        }
        return lines + LoadBar.legend(for: bars, and: marks, on: page) + Table.note(omitting: omitted, on: page)
            + notes.flatMap { note($0, on: page) }
    }

    /// Sentences below the legend.
    var notes: [String] {
        shownDevices.compactMap(\.contradiction) + limits + evictions + moved + unreported + incomplete + ownListOnly
    }

    private var shownDevices: [Device] { devices.map { snapshot.devices[$0] } }
    private var shownProcesses: [GPUProcess] { snapshot.processes.filter { devices.contains($0.device) } }

    private var moved: [String] {
        shownProcesses.compactMap { process in
            process.namespaceContainer.map { id in
                let name = snapshot.containers.first { $0.id == id }?.nameOrID ?? shortID(id)
                return
                    "\(process.nameAndPID): its cgroup is the host's, but it is in the PID namespace of container \(name); "
                    + "its cgroup was changed"
            }
        }
    }

    private var limits: [String] {
        snapshot.containers.flatMap { container in
            container.usage.filter { devices.contains($0.device) }.compactMap { usage in
                usage.limit.map { limit in
                    let gpu = snapshot.devices[usage.device].label
                    return "\(container.nameOrID) is limited to \(size(limit)) of GPU \(gpu) (dmem.max)"
                }
            }
        }
    }

    private var evictions: [String] {
        shownProcesses.compactMap { process in
            process.evicted.map { evicted in
                let gpu = snapshot.devices[process.device].label
                return "\(process.nameAndPID): \(size(evicted)) more was evicted from GPU \(gpu) to host memory"
            }
        }
    }

    /// Processes whose memory is not known, by reason.
    private var unreported: [String] {
        let processes = shownProcesses.filter { $0.unavailable != nil }
        return Dictionary(grouping: processes) { $0.unavailable?.text ?? "" }.sorted { $0.key < $1.key }.map {
            reason, all in
            let names = Set(all.map(\.nameAndPID)).sorted()
            let more = names.count > 3 ? " and \(names.count - 3) more" : ""
            return names.prefix(3).joined(separator: ", ") + "\(more): \(reason)"
        }
    }

    private var ownListOnly: [String] {
        guard shownDevices.contains(where: \.ledger.leavesOutOthers) else { return [] }
        return [
            "In a container, the driver lists only this container's processes: (unattributed) includes what all others hold."
        ]
    }

    private var incomplete: [String] {
        shownDevices.filter { $0.ledger.containers != nil && !$0.ledger.complete }.map { device in
            "GPU \(device.label): the memory of some processes is not known, so part of (unattributed) is theirs"
        }
    }

    /// The name on the left and the numbers on the right if both fit on a line; else one after the other.
    private func heading(_ device: Device, on page: Page) -> [String] {
        let left = shown("GPU \(device.label)  \(device.name ?? "(no name reported)")", on: page)
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
            lines += wrapped(["integrated GPU: it uses host RAM"], width: page.width ?? .max, on: page)
        }
        if memory.sharedWith == nil, let why = memory.unavailable {
            let what = memory.isSum ? why.text : "memory unknown: \(why.text)"
            lines += wrapped([shown(what, on: page)], width: page.width ?? .max, on: page)
        }
        return lines
    }

    /// Width of a bar and a heading if lines may be of any length, as in a pipe.
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

extension GPUProcess {
    /// "python3 (PID 4242)".
    var nameAndPID: String { name.map { "\($0) (PID \(pid))" } ?? "PID \(pid)" }
}

/// A device's memory as a bar with the load line marked on it.
struct LoadBar {
    private let containers: Bytes
    private let used: Bytes
    /// What the driver reserves; of unified memory, host RAM in other use.
    private let reserved: Bytes
    private let total: Bytes
    private let warn: Double
    private let isShared: Bool

    init?(_ device: Device, warn: Double) {
        guard let total = device.memory.total, let used = device.memory.used, total > 0 else { return nil }
        self.total = total
        self.used = min(max(0, used), total)
        containers = min(max(0, (device.ledger.containers ?? 0).adding(device.ledger.instances ?? 0)), self.used)
        isShared = device.memory.kind == .shared
        let other = isShared ? device.memory.otherUse : device.memory.reserved
        reserved = min(max(0, other ?? 0), total - self.used)
        self.warn = warn
    }

    private static func marks(_ page: Page) -> [String] {
        page.unicode ? ["█", "▓", "▒", "░", "│"] : ["#", "=", "-", ".", "|"]
    }

    /// - Parameter width: columns of the bar with its ends; nil for the width of the page.
    /// - Returns: nil if the page is too narrow for a bar.
    func line(on page: Page, width: Int? = nil) -> String? {
        let cells = (width ?? page.width ?? LedgerScreen.usualWidth) - 2
        guard cells >= 3 else { return nil }
        let ends = page.unicode ? ["▕", "▏"] : ["[", "]"]
        let marks = Self.marks(page)
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

    /// The legend below a ledger, after an empty line: the characters of these bars, then the marks.
    static func legend(for bars: [LoadBar], and marks: Set<Mark>, on page: Page) -> [String] {
        let legend = Mark.legend(for: marks, on: page)
        return bars.isEmpty ? legend : [""] + characters(of: bars, on: page) + legend.dropFirst()
    }

    /// What the characters of these bars mean.
    private static func characters(of bars: [LoadBar], on page: Page) -> [String] {
        let marks = marks(page)
        let third = Set(bars.map { $0.isShared ? "other host use" : "reserved" }).sorted().reversed()
        let load = (bars.first?.warn ?? 0) * 100
        let parts = [
            "\(marks[0]) containers", "\(marks[1]) other GPU use", "\(marks[2]) \(third.joined(separator: " or "))",
            "\(marks[3]) free", "\(marks[4]) load line (\(load.plain)%)",
        ]
        var lines: [String] = []
        for part in parts {
            if let last = lines.last, columns(last) + 2 + columns(part) <= page.width ?? .max {
                lines[lines.count - 1] = last + "  " + part
            } else {
                lines.append(cut(part, to: page.width ?? .max, on: page))
            }
        }
        return lines
    }
}
