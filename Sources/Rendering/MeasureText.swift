import Ledger

extension MeasuredResult {
    /// The step's part of the report.
    package func lines(on page: Page) -> [String] {
        switch outcome {
        case .notTried(let why):
            paragraph("\(step.rawValue): not tried: \(why.text)", on: page, indent: 2)
        case .tried(let finding):
            [page.paint("\(step.rawValue): \(finding.agrees ? "agrees" : "DIFFERS")", finding.agrees ? .green : .red)]
                + [
                    ("assumed", step.assumed), ("seen", finding.seen.map(\.text).joined(separator: "; ")),
                    ("command", step.command),
                ].flatMap { name, text in
                    let label = "  " + name + String(repeating: " ", count: 9 - name.count)
                    return paragraph(shown(text, on: page), on: page.narrowed(by: label.count)).enumerated()
                        .map { ($0 == 0 ? label : String(repeating: " ", count: label.count)) + $1 }
                }
        }
    }
}

extension MeasureReport {
    /// What the machine is, and how many steps agreed.
    package func summary(on page: Page) -> [String] {
        var lines = gpus.map { gpu in
            let uuid = gpu.shortUUID.map { " (\($0))" } ?? ""
            return "GPU \(gpu.label)  \(gpu.name ?? unknown)\(uuid), \(size(gpu.total))"
        }
        let driver = nvidiaDriver.map { "NVIDIA \($0), " } ?? ""
        lines.append("\(driver)Linux \(kernel ?? unknown), plimsoll \(plimsoll)")
        var counts: [String] = []
        for (verdict, words) in [("agrees", "agreed"), ("differs", "differed"), ("not-tried", "not tried")] {
            let count = results.count { $0.verdict == verdict }
            if count > 0 { counts.append("\(count) \(words)") }
        }
        lines.append("Steps: " + (counts.isEmpty ? "none" : counts.joined(separator: ", ")))
        let restored = changed.filter { !unrestored.contains($0) }.map(\.rawValue).joined(separator: ", ")
        if !restored.isEmpty { lines.append("Settings changed and restored: \(restored)") }
        let left = unrestored.map(\.rawValue).joined(separator: ", ")
        if !left.isEmpty { lines.append("Settings changed and NOT restored: \(left); see nvidia-smi -q") }
        return lines.flatMap { paragraph(shown($0, on: page), on: page, indent: 2) }
    }

    package var json: JSON {
        .object([
            ("schemaVersion", .integer(1)), ("plimsoll", .string(plimsoll)), ("time", .string(timestamp(time))),
            ("complete", .bool(isComplete)), ("kernel", .string(kernel)), ("nvidiaDriver", .string(nvidiaDriver)),
            ("cuda", .string(cudaVersion.map { "\($0 / 1000).\($0 % 1000 / 10)" })),
            (
                "gpus",
                .array(
                    gpus.map { gpu in
                        .object([
                            ("vendor", .string(gpu.vendor.rawValue)), ("name", .string(gpu.name)),
                            ("uuid", .string(gpu.shortUUID)), ("totalBytes", .integer(gpu.total)),
                        ])
                    })
            ),
            ("changedSettings", .array(changed.map { .string($0.rawValue) })),
            ("unrestoredSettings", .array(unrestored.map { .string($0.rawValue) })),
            ("steps", .array(results.map(\.json))),
        ])
    }
}

extension MeasuredResult {
    fileprivate var verdict: String {
        switch outcome {
        case .tried(let finding): finding.agrees ? "agrees" : "differs"
        case .notTried: "not-tried"
        }
    }

    fileprivate var json: JSON {
        var seen: [MeasuredValue] = []
        var why: String?
        switch outcome {
        case .tried(let finding): seen = finding.seen
        case .notTried(let reason): why = reason.text
        }
        return .object([
            ("name", .string(step.rawValue)), ("command", .string(step.command)), ("assumed", .string(step.assumed)),
            ("verdict", .string(verdict)), ("reason", .string(why)), ("seen", .array(seen.map(\.json))),
            ("seconds", .number(rounded(seconds))),
        ])
    }
}

extension MeasuredValue {
    fileprivate var text: String {
        switch value {
        case .bytes(let bytes): "\(name.text) \(size(bytes))"
        case .seconds(let seconds):
            seconds < 0.001
                ? "\(name.text) \(formatted("%.0f µs", seconds * 1e6))" : "\(name.text) \(duration(seconds))"
        case .count(let count): "\(name.text) \(count)"
        case .ratio(let ratio): "\(name.text) \(formatted("%.3f", ratio))"
        case .flag(let flag): "\(name.text): \(flag ? "yes" : "no")"
        case .charges(let charges):
            charges.map { "\(size($0.charged)) for \(exact($0.asked))" }.joined(separator: ", ")
        case .records(let records): records.map { "\($0.bytes) bytes in \($0.function)" }.joined(separator: ", ")
        }
    }

    fileprivate var json: JSON {
        let member: (String, JSON) =
            switch value {
            case .bytes(let bytes): ("bytes", .integer(bytes))
            case .seconds(let seconds): ("seconds", .number(rounded(seconds)))
            case .count(let count): ("count", .integer(Int64(count)))
            case .ratio(let ratio): ("ratio", .number(rounded(ratio)))
            case .flag(let flag): ("flag", .bool(flag))
            case .records(let records):
                (
                    "records",
                    .array(
                        records.map {
                            .object([("function", .string($0.function)), ("bytes", .integer(Int64($0.bytes)))])
                        })
                )
            case .charges(let charges):
                (
                    "charges",
                    .array(
                        charges.map {
                            .object([
                                ("askedBytes", .integer($0.asked)), ("chargedBytes", .integer($0.charged)),
                            ])
                        })
                )
            }
        return .object([("name", .string(name.text)), member])
    }
}

/// "2MiB+1B": an amount slightly above a round one, which four digits would not show.
private func exact(_ bytes: Bytes) -> String {
    let rest = bytes % (1 << 20)
    return rest == 0 || bytes < 1 << 20 ? size(bytes) : "\(size(bytes - rest))+\(size(rest))"
}

/// To a nanosecond, the clock's resolution.
private func rounded(_ number: Double) -> Double { (number * 1e9).rounded() / 1e9 }
