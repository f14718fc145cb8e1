import Glibc
import Ledger

/// What a command held of the GPUs, told when it has ended.
package struct RunReport {
    /// Its file's name. Arguments can hold secrets and are told nowhere.
    let program: String
    let exitCode: Int32
    let signal: Int32?
    let usage: CommandUsage
    /// Milliseconds since 1970.
    let began: Int64
    /// Seconds.
    let interval: Double
    let isContainer: Bool
    let isCutShort: Bool

    package init(
        program: String, exitCode: Int32, signal: Int32?, usage: CommandUsage, began: Int64, interval: Double,
        isContainer: Bool, isCutShort: Bool
    ) {
        self.program = program
        self.exitCode = exitCode
        self.signal = signal
        self.usage = usage
        self.began = began
        self.interval = interval
        self.isContainer = isContainer
        self.isCutShort = isCutShort
    }

    /// Those that there is something to tell of.
    var devices: [CommandUsage.OnDevice] {
        usage.devices.filter { device in
            switch device.measure {
            case .process: device.processCount > 0
            case .device: true
            case nil: device.unseen != nil
            }
        }
    }

    package func lines(on page: Page) -> [String] {
        var lines = paragraph(shown("plimsoll: \(heading)", on: page), on: page, indent: 2)
        if !devices.isEmpty { lines += table(on: page).lines(on: page) }
        return lines + remarks.flatMap { paragraph(shown($0, on: page), on: page, indent: 2) }
    }

    var heading: String {
        let ended = signal.map { " and was ended by signal \($0) (\(String(cString: strsignal($0))))" } ?? ""
        return "GPU memory of \(program), which ran for \(duration(usage.seconds))\(ended)"
    }

    private func table(on page: Page) -> Table {
        Table(
            [
                .init("GPU", importance: 9), .init("NAME", shortest: 6, importance: 4),
                .init("PEAK / TOTAL", importance: 8), .init("AT", .right, importance: 7),
                .init("MEAN", .right, importance: 6), .init("PROCESSES", .right, importance: 3),
                // What is told below the table all the same goes first.
                .init("MEASURED", importance: 2), .init("OVER TIME", importance: 5),
            ],
            rows: devices.map { device in
                [
                    Cell(device.label), Cell(device.name), .size(device.peak) + " / " + .size(device.total),
                    Cell(device.peakAt.map { duration($0) }), .size(device.series.mean),
                    device.measure == .process ? Cell(String(device.processCount)) : .unknown,
                    device.measure == .device ? "device" : Cell(device.peakSource?.rawValue),
                    Cell(sparkline(device.series, on: page)),
                ]
            })
    }

    private func sparkline(_ series: MemorySeries, on page: Page) -> String {
        let levels = Array(page.unicode ? "▁▂▃▄▅▆▇█" : "_.-=+*#@")
        let top = max(1, series.peak?.bytes ?? 1)
        return String(
            series.peaks(in: (page.width ?? .max) < 110 ? 12 : 24, until: usage.seconds).map { bytes in
                guard let bytes, bytes >= 0 else { return " " }
                return levels[min(levels.count - 1, Int(Double(bytes) / Double(top) * Double(levels.count - 1) + 0.5))]
            })
    }

    // MARK: Sentences

    private var remarks: [String] {
        var remarks = whyNothing.map { [$0] } ?? []
        if isContainer, !devices.isEmpty { remarks.append(counted) }
        let sources = Set(devices.compactMap { $0.measure == .process ? $0.peakSource : nil })
        if sources.contains(.sampled) {
            remarks.append("sampled: the largest of \(readings); what comes and goes between two is not seen.")
        }
        if sources.contains(.accounting) {
            remarks.append("accounting: the driver's own record of that process, exact.")
        }
        for device in devices where device.peakSource == .accountingAtMost {
            remarks.append(
                "accounting, at most: the driver's records of \(device.processCount) processes added up, whose peaks "
                    + "may have been apart; the largest reading of them together on GPU \(device.label) was "
                    + "\(size(device.series.peak?.bytes)).")
        }
        for device in usage.devices where device.measure == .process && device.unmetProcesses > 0 {
            remarks.append(unmet(device))
        }
        for device in devices where device.measure == .device {
            remarks.append(
                "device: by how much the used memory of GPU \(device.label) differs from before, whoever changed it, "
                    + "because \(device.unseen?.text ?? "its processes could not be read").")
        }
        for device in devices where device.measure == nil {
            remarks.append("GPU \(device.label): \(device.unseen?.text ?? unknown).")
        }
        if let remaining = usage.remaining { remarks.append(stillRuns(remaining)) }
        if isCutShort {
            remarks.append("The driver did not answer any more when it ended.")
        } else if usage.failedReadings > 0, !usage.devices.isEmpty {
            remarks.append("Not every reading could be made\(trouble.map { ": \($0)" } ?? "").")
        }
        return remarks
    }

    private var whyNothing: String? {
        if usage.devices.isEmpty {
            return "It was not measured: "
                + (trouble ?? (isCutShort ? "the driver gave no answer" : "the driver has no device")) + "."
        }
        if usage.devices.allSatisfy({ $0.measure == nil && $0.unseen == nil }) {
            return "It ended before a reading could be made."
        }
        guard devices.isEmpty else { return nil }
        return "None of \(isContainer ? "this container's" : "its") processes held any in \(readings); "
            + "what comes and goes between two is not seen."
    }

    private var counted: String {
        let before = usage.devices.compactMap(\.heldBefore)
        let held = before.isEmpty ? "" : "; those that were there before it held \(size(Bytes.sum(before))) then"
        return "Every process of this container counts\(held)."
    }

    private func unmet(_ device: CommandUsage.OnDevice) -> String {
        let count = device.unmetProcesses
        let some = count == 1 ? "a process that came and went" : "\(count) processes that came and went"
        let isAdded = device.peakSource == .accountingAtMost
        return
            "On GPU \(device.label) the driver has records of \(some) between readings, of \(size(device.unmetBytes)) "
            + "at most, which may be somebody else's\(isAdded ? "; they are in the sum" : " and are not counted")."
    }

    private func stillRuns(_ remaining: CommandUsage.Remaining) -> String {
        let whose = isContainer ? "the processes that began meanwhile" : "its processes"
        return remaining.processes == 1
            ? "One of \(whose) still runs and holds \(size(remaining.bytes))."
            : "\(remaining.processes) of \(whose) still run and hold \(size(remaining.bytes))."
    }

    private var trouble: String? { usage.trouble?.brief }

    private var readings: String {
        let shown = devices.isEmpty ? usage.devices : devices
        let count = shown.map(\.series.readings).filter { $0 > 0 }.min() ?? 0
        guard count > 1 else { return count == 1 ? "one reading" : "no reading" }
        // A driver that is slow, or a busy machine, makes them rarer than they were meant to be.
        let apart = max(interval, usage.seconds / Double(count))
        return "\(count) readings, \(duration(apart < interval * 1.2 ? interval : apart)) apart"
    }
}

extension CommandUsage.OnDevice {
    /// Seconds since the beginning; nil where the peak is told by accounts, which have no time, and no reading met it.
    var peakAt: Double? { series.peak.flatMap { $0.bytes == peak ? $0.at : nil } }
}

extension RunReport {
    package var json: JSON {
        .object([
            ("schemaVersion", .integer(1)), ("program", .string(program)), ("startTime", .string(timestamp(began))),
            ("seconds", .number(rounded(usage.seconds))), ("exitCode", .integer(Int64(exitCode))),
            ("signal", .integer(signal.map { Int64($0) })), ("intervalSeconds", .number(interval)),
            ("scope", .string(isContainer ? "container" : "descendants")),
            ("complete", .bool(!isCutShort && usage.isComplete)), ("unavailable", .string(usage.trouble?.text)),
            (
                "remaining",
                usage.remaining.map {
                    .object([("processes", .integer(Int64($0.processes))), ("bytes", .integer($0.bytes))])
                } ?? .null
            ),
            ("devices", .array(usage.devices.map { json($0) })),
        ])
    }

    private func json(_ device: CommandUsage.OnDevice) -> JSON {
        .object([
            ("index", .string(device.index)), ("uuid", .string(device.uuid)), ("name", .string(device.name)),
            ("totalBytes", .integer(device.total)), ("measuredBy", .string(device.measure?.rawValue)),
            ("unavailable", .string(device.unseen?.text)), ("peakBytes", .integer(device.peak)),
            ("peakSource", .string(device.peakSource?.rawValue)),
            ("peakSeconds", device.peakAt.map { .number(rounded($0)) } ?? .null),
            ("sampledPeakBytes", .integer(device.series.peak?.bytes)), ("meanBytes", .integer(device.series.mean)),
            ("beforeBytes", .integer(device.heldBefore)), ("unmetProcesses", .integer(Int64(device.unmetProcesses))),
            ("processes", device.measure == .process ? .integer(Int64(device.processCount)) : .null),
            ("readings", .integer(Int64(device.series.readings))),
            (
                "series",
                .array(
                    device.series.stretches.map { stretch in
                        .object([
                            ("seconds", .number(rounded(stretch.start))), ("peakBytes", .integer(stretch.peak)),
                            ("meanBytes", .integer(Bytes(clamping: stretch.mean))),
                        ])
                    })
            ),
        ])
    }

    /// To milliseconds, which is more than a reading is exact to.
    private func rounded(_ seconds: Double) -> Double { (seconds * 1000).rounded() / 1000 }
}

extension CommandUsage.Unseen {
    fileprivate var text: String {
        switch self {
        case .foreignProc: "the /proc that is read is another PID namespace's"
        case .foreignNumbers, .foreignNumbersOnce: "the driver's process numbers mean nothing here"
        case .notTold: "the driver does not tell what a process holds"
        }
    }
}
