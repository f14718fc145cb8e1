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
        var lines = paragraph(shown("plimsoll: \(heading)", on: page), on: page)
        if !devices.isEmpty { lines += table(on: page).lines(on: page) }
        return lines + remarks.flatMap { paragraph(shown($0, on: page), on: page) }
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
                .init("MEASURED", importance: 5), .init("OVER TIME", importance: 2),
            ],
            rows: devices.map { device in
                [
                    device.index, device.name ?? unknown, "\(size(device.peak)) / \(size(device.total))",
                    device.peakAt.map { duration($0) } ?? unknown, size(device.series.mean),
                    device.measure == .process ? String(device.processCount) : unknown,
                    device.measure == .device ? "device" : device.peakSource?.rawValue ?? unknown,
                    sparkline(device.series, on: page),
                ]
            })
    }

    private func sparkline(_ series: MemorySeries, on page: Page) -> String {
        let levels = Array(page.unicode ? "▁▂▃▄▅▆▇█" : "_.-=+*#@")
        let top = max(1, series.peak?.bytes ?? 1)
        return String(
            series.peaks(in: 24, until: usage.seconds).map { bytes in
                guard let bytes, bytes >= 0 else { return " " }
                return levels[min(levels.count - 1, Int(Double(bytes) / Double(top) * Double(levels.count - 1) + 0.5))]
            })
    }

    // MARK: Sentences

    private var remarks: [String] {
        var remarks: [String] = []
        if usage.devices.isEmpty {
            remarks.append("It was not measured: \(usage.trouble ?? "the driver has no device").")
        } else if usage.devices.allSatisfy({ $0.measure == nil && $0.unseen == nil }) {
            remarks.append("It ended before a reading could be made.")
        } else if devices.isEmpty {
            remarks.append("None of its processes held any in \(readings).")
        }
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
                    + "may have been apart; the largest reading of them together on GPU \(device.index) was "
                    + "\(size(device.series.peak?.bytes)).")
        }
        for device in devices where device.measure == .device {
            remarks.append(
                "device: by how much the used memory of GPU \(device.index) differs from before, whoever changed it, "
                    + "because \(device.unseen ?? "its processes cannot be seen from here").")
        }
        for device in devices where device.measure == nil {
            remarks.append("GPU \(device.index): \(device.unseen ?? unknown).")
        }
        if let remaining = usage.remaining {
            let some =
                remaining.processes == 1
                ? "One of its processes still runs and holds"
                : "\(remaining.processes) of its processes still run and hold"
            remarks.append("\(some) \(size(remaining.bytes)).")
        }
        if isCutShort {
            remarks.append("The driver did not answer any more when it ended.")
        } else if usage.failedReadings > 0, let trouble = usage.trouble, !usage.devices.isEmpty {
            remarks.append("Not every reading could be made: \(trouble).")
        }
        return remarks
    }

    private var readings: String {
        let most = usage.devices.map(\.held.readings).max() ?? 0
        return most == 1 ? "one reading" : "\(most) readings, \(duration(interval)) apart"
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
            ("complete", .bool(!isCutShort && usage.failedReadings == 0)), ("unavailable", .string(usage.trouble)),
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
            ("unavailable", .string(device.unseen)), ("peakBytes", .integer(device.peak)),
            ("peakSource", .string(device.peakSource?.rawValue)),
            ("peakSeconds", device.peakAt.map { .number(rounded($0)) } ?? .null),
            ("sampledPeakBytes", .integer(device.series.peak?.bytes)), ("meanBytes", .integer(device.series.mean)),
            ("processes", device.measure == .process ? .integer(Int64(device.processCount)) : .null),
            ("readings", .integer(Int64(device.series.readings))),
            (
                "series",
                .array(
                    device.series.stretches.map { stretch in
                        .object([
                            ("seconds", .number(rounded(stretch.start))), ("peakBytes", .integer(stretch.peak)),
                            ("meanBytes", .integer(Bytes(stretch.mean.rounded()))),
                        ])
                    })
            ),
        ])
    }

    /// To milliseconds, which is more than a reading is exact to.
    private func rounded(_ seconds: Double) -> Double { (seconds * 1000).rounded() / 1000 }
}
