import Ledger

/// A command's GPU memory over time as an SVG picture: a line per device, the peak of each marked.
package struct RunChart {
    private let report: RunReport
    private let devices: [CommandUsage.OnDevice]
    private let seconds: Double
    private let least: Double
    private let most: Double
    private let byteStep: Double

    /// In pixels: the picture, and the part of it that lies between the axes.
    private static let width = 960.0
    private static let (left, right, top, bottom) = (90.0, 930.0, 70.0, 380.0)

    /// Colors that color-blind readers can distinguish (Okabe and Ito, Color Universal Design).
    private static let colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]

    package init(_ report: RunReport) {
        self.report = report
        devices = report.devices
        seconds = max(report.usage.seconds, 0.001)
        let amounts = devices.flatMap { device in
            [device.peak].compactMap { $0 } + device.series.stretches.map(\.peak)
        }
        let highest = Double(amounts.max() ?? 0)
        let lowest = Double(min(0, amounts.min() ?? 0))
        byteStep = Self.binaryStep(for: max(highest - lowest, 1024))
        most = max(byteStep, (highest / byteStep).rounded(.up) * byteStep)
        least = (lowest / byteStep).rounded(.down) * byteStep
    }

    package var svg: String {
        let height = Self.bottom + 60 + 22 * Double(max(1, devices.count))
        var parts = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(number(Self.width)) \(number(height))" \
            width="\(number(Self.width))" height="\(number(height))" font-family="system-ui, sans-serif" font-size="13">
            """,
            "<title>\(escaped(report.heading))</title>",
            "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
            text(report.heading, x: Self.left, y: 32, size: 16, anchor: "start"),
        ]
        parts += amountAxis + timeAxis
        for (index, device) in devices.enumerated() { parts += curve(device, index) }
        if let emptiness = report.emptiness {
            parts.append(text(emptiness.words, x: (Self.left + Self.right) / 2, y: 220))
        }
        for (index, device) in devices.enumerated() {
            parts += key(device, index, y: Self.bottom + 64 + 22 * Double(index))
        }
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    // MARK: Axes

    private var amountAxis: [String] {
        var parts: [String] = []
        for step in Int((least / byteStep).rounded())...Int((most / byteStep).rounded()) {
            let amount = Double(step) * byteStep
            parts.append(line(Self.left, y(amount), Self.right, y(amount), step == 0 ? "#555555" : "#dddddd"))
            parts.append(text(size(Bytes(amount)), x: Self.left - 8, y: y(amount) + 4, anchor: "end"))
        }
        parts.append(text("memory", x: Self.left - 8, y: Self.top - 14, anchor: "end"))
        return parts
    }

    private var timeAxis: [String] {
        let (unit, name) = seconds < 180 ? (1.0, "s") : seconds < 10_800 ? (60.0, "min") : (3600.0, "h")
        let step = Self.decimalStep(for: seconds / unit)
        var parts: [String] = []
        for tick in 0...Int(seconds / unit / step + 1e-9) {
            let time = Double(tick) * step
            parts.append(line(x(time * unit), Self.bottom, x(time * unit), Self.bottom + 5, "#555555"))
            parts.append(text(formatted("%.4g", time), x: x(time * unit), y: Self.bottom + 20))
        }
        parts.append(line(Self.left, Self.top, Self.left, Self.bottom, "#555555"))
        parts.append(text("time in \(name)", x: (Self.left + Self.right) / 2, y: Self.bottom + 38))
        return parts
    }

    /// A step of 1, 2 or 5 times a power of ten that divides the range into about eight parts.
    private static func decimalStep(for range: Double) -> Double {
        var power = 1e-6
        while power * 10 <= range / 8 { power *= 10 }
        return [1, 2, 5, 10].map { $0 * power }.first { range / $0 <= 10 } ?? range
    }

    /// The same within a binary unit.
    private static func binaryStep(for range: Double) -> Double {
        var unit = 1.0
        while unit * 1024 <= range { unit *= 1024 }
        return (0...10).map { unit / 8 * Double(1 << $0) }.first { range / $0 <= 8 } ?? range
    }

    // MARK: A device

    private func curve(_ device: CommandUsage.OnDevice, _ index: Int) -> [String] {
        var path = ""
        var end = -1.0
        for stretch in device.series.stretches {
            let (from, to) = (x(stretch.start), x(stretch.start + stretch.seconds))
            let level = number(y(Double(stretch.peak)))
            // What is unknown leaves a gap.
            path += from - end < 0.5 ? "L\(number(from)) \(level)" : "M\(number(from)) \(level)"
            path += "H\(number(to))"
            end = to
        }
        let colour = Self.colours[index % Self.colours.count]
        var parts = ["<path d=\"\(path)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"\(dashes(index))/>"]
        if let peak = device.peak, let at = device.peakAt {
            parts.append(
                "<circle cx=\"\(number(x(at)))\" cy=\"\(number(y(Double(peak))))\" r=\"5\" fill=\"\(colour)\"/>")
            let anchor = x(at) > (Self.left + Self.right) / 2 ? "end" : "start"
            parts.append(
                text(size(peak), x: x(at) + (anchor == "end" ? -8 : 8), y: y(Double(peak)) - 8, anchor: anchor))
        } else if let peak = device.peak {
            // The driver's accounts record the peak, but not its time.
            let level = y(Double(peak))
            parts.append(
                """
                <line x1="\(number(Self.left))" y1="\(number(level))" x2="\(number(Self.right))" y2="\(number(level))" \
                stroke="\(colour)" stroke-dasharray="2 4"/>
                """)
            parts.append(text(size(peak), x: Self.right, y: level - 6, anchor: "end"))
        }
        return parts
    }

    private func key(_ device: CommandUsage.OnDevice, _ index: Int, y: Double) -> [String] {
        let colour = Self.colours[index % Self.colours.count]
        let source = device.measure == .device ? "the device's used memory" : device.peakSource?.rawValue ?? "unknown"
        let at = device.peakAt.map { " at \(duration($0))" } ?? ""
        let words =
            "GPU \(device.label)  \(device.name ?? unknown): peak \(size(device.peak)) of \(size(device.total))\(at) "
            + "(\(source)), mean \(size(device.series.mean))"
        return [
            """
            <line x1="\(number(Self.left))" y1="\(number(y - 4))" x2="\(number(Self.left + 28))" y2="\(number(y - 4))" \
            stroke="\(colour)" stroke-width="2"\(dashes(index))/>
            """,
            text(words, x: Self.left + 36, y: y, anchor: "start"),
        ]
    }

    /// More lines than colours.
    private func dashes(_ index: Int) -> String {
        let round = index / Self.colours.count
        return round == 0 ? "" : " stroke-dasharray=\"\(4 + 4 * round) 4\""
    }

    // MARK: Drawing

    private func x(_ time: Double) -> Double { Self.left + (Self.right - Self.left) * min(1, time / seconds) }

    private func y(_ amount: Double) -> Double {
        Self.bottom - (Self.bottom - Self.top) * (amount - least) / (most - least)
    }

    private func number(_ value: Double) -> String { formatted("%.5g", value) }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String) -> String {
        "<line x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\" stroke=\"\(colour)\"/>"
    }

    private func text(_ words: String, x: Double, y: Double, size: Int = 13, anchor: String = "middle") -> String {
        """
        <text x="\(number(x))" y="\(number(y))" font-size="\(size)" text-anchor="\(anchor)" fill="#222222" \
        xml:space="preserve">\(escaped(words))</text>
        """
    }

    /// By scalars, because to Swift `<` and a combining mark after it are another character than `<`.
    private func escaped(_ text: String) -> String {
        var result = ""
        for scalar in shown(text, on: Page()).unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            // XML 1.0 allows neither control characters nor these two, not as a reference either.
            case "\u{FFFE}", "\u{FFFF}": continue
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
