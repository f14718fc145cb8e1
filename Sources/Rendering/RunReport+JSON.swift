import Ledger

extension RunReport {
    package var json: JSON {
        .object([
            ("schemaVersion", .integer(1)), ("program", .string(program)), ("startTime", .string(timestamp(began))),
            ("seconds", .number(rounded(usage.seconds))), ("exitCode", .integer(exitCode.map { Int64($0) })),
            ("signal", .integer(signal.map { Int64($0) })), ("intervalSeconds", .number(interval)),
            ("scope", .string(scope)),
            ("container", container), ("containers", .array(client?.parts.map(json) ?? [])),
            ("complete", .bool(!isCutShort && usage.isComplete && client?.isWhole ?? true)),
            ("unavailable", .string(usage.lastError?.text ?? client?.whyNotWhole)),
            (
                "remaining",
                usage.remaining.map {
                    .object([("processes", .integer(Int64($0.processes))), ("bytes", .integer($0.bytes))])
                } ?? .null
            ),
            ("devices", .array(usage.devices.map { json($0) })),
        ])
    }

    private var program: String? {
        if case .command(let program, _, _) = subject { program } else { nil }
    }

    private var exitCode: Int32? {
        if case .command(_, let code, _) = subject { code } else { nil }
    }

    private var signal: Int32? {
        if case .command(_, _, let signal) = subject { signal } else { nil }
    }

    /// Whose memory was counted.
    private var scope: String {
        if case .container = subject { return "container" }
        if isContainer { return "container" }
        guard let client, client.outcome == .counted else { return "descendants" }
        return client.isOfSystemd ? "client-service" : "client-container"
    }

    /// The one that counts; null if none does, or several do.
    private var container: JSON {
        switch subject {
        case .container(let id, let name, _): named(id, name)
        case .command:
            if let client, client.outcome == .counted, !client.isOfSystemd, let part = client.parts.first {
                named(part.id, part.name)
            } else {
                .null
            }
        }
    }

    private func named(_ id: String, _ name: String?) -> JSON {
        .object([("id", .string(id)), ("name", .string(name))])
    }

    private func json(_ part: ClientFinding.Part) -> JSON {
        .object([
            ("id", .string(part.id)), ("name", .string(part.name)), ("counted", .bool(client?.outcome == .counted)),
            ("peakBytes", .integer(part.peak)), ("running", .bool(part.stillRuns)), ("bytes", .integer(part.held)),
        ])
    }

    private func json(_ device: CommandUsage.OnDevice) -> JSON {
        .object([
            ("index", .string(device.index)), ("uuid", .string(device.uuid)), ("name", .string(device.name)),
            ("totalBytes", .integer(device.total)), ("measuredBy", .string(device.measure?.rawValue)),
            ("unavailable", .string(device.whyUnmeasured?.text)), ("peakBytes", .integer(device.peak)),
            ("peakSource", .string(device.peakSource?.rawValue)),
            ("peakSeconds", device.peakAt.map { .number(rounded($0)) } ?? .null),
            ("sampledPeakBytes", .integer(device.series.peak?.bytes)), ("meanBytes", .integer(device.series.mean)),
            ("beforeBytes", .integer(device.heldBefore)),
            ("unmetProcesses", .integer(Int64(device.unsampledProcesses))),
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
