import Glibc
import Ledger

/// The report of `plimsoll run`: the GPU memory that a command or a container used.
package struct RunReport {
    package enum Subject: Sendable {
        /// - Parameter program: the program's file name. Arguments can hold secrets and are never shown.
        case command(program: String, exitCode: Int32, signal: Int32?)
        /// A watched container.
        ///
        /// - Parameter stillRuns: whether the container still runs after the watch.
        case container(id: String, name: String?, stillRuns: Bool)
    }

    let subject: Subject
    let usage: CommandUsage
    /// What an engine or systemd started for the command; nil if the command is no client of either.
    let client: ClientFinding?
    /// Milliseconds since 1970.
    let began: Int64
    /// Seconds.
    let interval: Double
    /// The command ran in a container.
    let isContainer: Bool
    let isCutShort: Bool

    package init(
        _ subject: Subject, usage: CommandUsage, client: ClientFinding?, began: Int64, interval: Double,
        isContainer: Bool, isCutShort: Bool
    ) {
        self.subject = subject
        self.usage = usage
        self.client = client
        self.began = began
        self.interval = interval
        self.isContainer = isContainer
        self.isCutShort = isCutShort
    }

    /// The devices that the report has a row for.
    var devices: [CommandUsage.OnDevice] {
        usage.devices.filter { device in
            switch device.measure {
            case .process: device.processCount > 0
            case .device: true
            case nil: device.whyUnmeasured != nil
            }
        }
    }

    package func lines(on page: Page) -> [String] {
        var lines = paragraph(shown("plimsoll: \(heading)", on: page), on: page, indent: 2)
        if !devices.isEmpty { lines += table(on: page).lines(on: page) }
        return lines + remarks.flatMap { paragraph(shown($0, on: page), on: page, indent: 2) }
    }

    var heading: String {
        switch subject {
        case .command(let program, _, let signal):
            let ended = signal.map { " and was ended by signal \($0) (\(String(cString: strsignal($0))))" } ?? ""
            return "GPU memory of \(program), which ran for \(duration(usage.seconds))\(ended)"
        case .container(let id, let name, _):
            return "GPU memory of container \(name ?? shortID(id)), watched for \(duration(usage.seconds))"
        }
    }

    private func table(on page: Page) -> Table {
        Table(
            [
                .init("GPU", importance: 9), .init("NAME", shortest: 6, importance: 4),
                .init("PEAK / TOTAL", importance: 8), .init("AT", .right, importance: 7),
                .init("MEAN", .right, importance: 6), .init("PROCESSES", .right, importance: 3),
                // Least important: the lines below the table say the same.
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
}

extension CommandUsage.OnDevice {
    /// Seconds since the beginning; nil if the peak is from the driver's accounts, which have no time, and no reading
    /// reached it.
    var peakAt: Double? { series.peak.flatMap { $0.bytes == peak ? $0.at : nil } }
}
