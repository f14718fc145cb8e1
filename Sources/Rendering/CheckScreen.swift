import Ledger

extension CheckReport {
    package func lines(on page: Page) -> [String] {
        var lines = [heading]
        let drawn = table.drawn(on: page)
        if !snapshot.devices.isEmpty { lines += [""] + drawn.lines }
        lines.append("")
        for (name, text) in facts {
            let label = name + String(repeating: " ", count: max(1, 13 - name.count))
            let rest = paragraph(shown(text, on: page), on: page.narrowed(by: label.count))
            lines += rest.enumerated().map { ($0 == 0 ? label : String(repeating: " ", count: label.count)) + $1 }
        }
        return lines + Mark.legend(for: snapshot.devices.isEmpty ? [] : drawn.marks, on: page)
            + Table.note(omitting: snapshot.devices.isEmpty ? [] : drawn.omitted, on: page)
    }

    private var heading: String {
        guard let isUsable else { return "Cannot say whether a GPU can be used here." }
        guard isUsable else { return "No GPU can be used here." }
        let (count, all) = (usability.visible.count, usability.usable.count)
        if count < all { return "\(count == 1 ? "One" : "\(count)") of \(all) GPUs can be used here." }
        return count == 1 ? "One GPU can be used here." : "\(count) GPUs can be used here."
    }

    private var table: Table {
        Table(
            [
                .init("GPU", importance: 9), .init("NAME", shortest: 6, importance: 5),
                .init("USED / TOTAL", importance: 6), .init("FREE", .right, importance: 7),
                // Never cut: half a UUID names nothing.
                .init("UTIL", .right, importance: 2), .init("UUID", importance: 8),
            ],
            rows: snapshot.devices.map { device in
                let memory = device.memory
                return [
                    Cell(device.label), Cell(device.name), .size(memory.used) + " / " + .size(memory.total),
                    .size(memory.free), Cell(device.utilizationPercent.map { "\($0)%" }), Cell(device.uuid),
                ]
            })
    }

    private var facts: [(String, String)] {
        let isCountedAnew = environment.kind == .container && snapshot.devices.contains { $0.driver == nil }
        var facts = [("environment", here)]
        if snapshot.devices.contains(where: { $0.parent != nil && $0.driver == nil }) { facts.append(("MIG", mig)) }
        if isCountedAnew {
            facts.append(("indexes", "this container's own; the UUID is the same on the host"))
        }
        facts.append(("driver", driver))
        if let rocm { facts.append(("ROCm", rocm)) }
        let nodes =
            environment.deviceNodes.map { $0.isEmpty ? "no GPU device file" : $0.joined(separator: ", ") }
            ?? "unknown"
        return facts + [
            ("selection", chosen), ("files", nodes), ("libraries", libraries), ("limits", limits),
            ("processes", processes),
        ]
    }

    /// NVIDIA, MIG User Guide, "CUDA Device Enumeration".
    private var mig: String {
        "a CUDA program sees one instance: the first, or the one whose UUID CUDA_VISIBLE_DEVICES names"
    }

    private var here: String {
        let id = environment.id.map { " " + shortID($0) } ?? ""
        switch environment.kind {
        case .host: return "the host, not a container"
        case .container:
            let isOther = environment.id != nil && !environment.isVerified
            return "a container" + (environment.engine.map { " of \($0)" } ?? "") + id
                + (isOther ? ", or a container that shares its network" : "")
        case .unknown: return "unknown: the host or a container"
        }
    }

    private var driver: String { driverText(snapshot, view) ?? "no driver answers" }

    private var chosen: String {
        guard !environment.variables.isEmpty else {
            return "none: NVIDIA_VISIBLE_DEVICES and CUDA_VISIBLE_DEVICES are not set"
        }
        return environment.variables.map { "\($0.name)=\($0.value.isEmpty ? "''" : $0.value)" }.joined(separator: " ")
    }

    private var libraries: String {
        // Programs for other vendors' GPUs bring their own libraries.
        let isNVIDIAs = view.nvidiaDriver != nil || !snapshot.devices.contains { $0.driver != nil }
        let reported = environment.libraries.filter { isNVIDIAs || $0.file.value != nil }
        if reported.isEmpty { return "none of the NVIDIA driver; programs for other GPUs bring their own" }
        return reported.map { library in
            switch library.file {
            case .known(let path): path
            case .unknown(let why): why.text
            }
        }.joined(separator: ", ")
    }

    private var limits: String {
        let ram: String =
            switch environment.ramLimit {
            case .known(.amount(let limit)): "RAM \(size(Bytes(reported: limit)))"
            case .known(.unlimited): "no RAM limit"
            case .unknown: "RAM limit unknown"
            }
        let cpus: String =
            switch environment.cpuLimit {
            case .known(.amount(let limit)): "\(limit.plain) CPUs"
            case .known(.unlimited): "no CPU limit"
            case .unknown: "CPU limit unknown"
            }
        let isLimited = environment.ramLimit != .known(.unlimited) || environment.cpuLimit != .known(.unlimited)
        return "\(ram), \(cpus)" + (isLimited ? "; these limits do not apply to GPU memory" : "")
    }

    /// nil without a driver.
    var seen: ProcessesSeen? {
        (snapshot.devices.first { $0.vendor == .nvidia } ?? snapshot.devices.first)?.processesSeen
    }

    private var processes: String {
        guard let seen else { return "unknown, because no GPU driver answers" }
        if let unread = snapshot.unread { return unread.text }
        return switch seen {
        case .all where view.isWSL == true:
            "every process on these GPUs is visible from here, but not its memory: Windows does not report it"
        case .all: "every process on these GPUs is visible from here"
        case .own: "only this container's own are visible; the memory of others is part of used, without an owner"
        case .none: "the driver's PIDs mean nothing here, so no process's memory is known"
        }
    }
}

extension CheckReport {
    /// Whether a program can use any GPU; nil if unknown. Ignores --require.
    private var isUsable: Bool? {
        switch verdict {
        case .usable, .unusable(.tooFew): true
        case .unusable: false
        case .unknown: nil
        }
    }

    package var json: JSON {
        .object([
            ("schemaVersion", .integer(1)), ("usable", isUsable.map { .bool($0) } ?? .null),
            ("reason", .string(reason)),
            (
                "place",
                .object([
                    ("kind", .string(environment.kind.rawValue)), ("engine", .string(environment.engine)),
                    ("id", .string(environment.id)), ("verified", .bool(environment.isVerified)),
                ])
            ),
            (
                "driver",
                .object([
                    ("version", .string(view.nvidiaDriver)),
                    ("cuda", .string(view.cudaVersion.map { "\($0 / 1000).\($0 % 1000 / 10)" })),
                    ("kernel", .string(view.kernel)),
                ])
            ),
            ("devices", .array(snapshot.devices.map(\.json))),
            ("variables", .object(environment.variables.map { ($0.name, .string($0.value)) })),
            ("deviceNodes", environment.deviceNodes.map { .array($0.map { .string($0) }) } ?? .null),
            (
                "libraries",
                .array(
                    environment.libraries.map { library in
                        .object([
                            ("name", .string(library.name)), ("path", .string(library.file.value)),
                            ("unavailable", .string(library.file.reason?.text)),
                        ])
                    })
            ),
            ("ramLimitBytes", .integer(environment.ramLimit.value?.amount.flatMap { Bytes(reported: $0) })),
            ("ramLimitUnavailable", .string(environment.ramLimit.reason?.text)),
            ("cpuLimit", environment.cpuLimit.value?.amount.map { .number($0) } ?? .null),
            ("cpuLimitUnavailable", .string(environment.cpuLimit.reason?.text)),
            ("cudaDevices", .integer(environment.cuda?.value.map(Int64.init))),
            ("cudaUnavailable", .string(environment.cuda?.reason?.text)),
            ("processesSeen", .string(seen?.rawValue)),
        ])
    }
}
