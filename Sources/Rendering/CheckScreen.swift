import Ledger

extension CheckReport {
    package func lines(on page: Page) -> [String] {
        var lines = [heading]
        let drawn = table.drawn(on: page)
        if !snapshot.devices.isEmpty { lines += [""] + drawn.lines }
        lines.append("")
        for (name, text) in facts {
            let label = name + String(repeating: " ", count: max(1, 11 - name.count))
            let rest = paragraph(shown(text, on: page), on: page.narrowed(by: label.count))
            lines += rest.enumerated().map { ($0 == 0 ? label : String(repeating: " ", count: label.count)) + $1 }
        }
        return lines + Mark.legend(for: snapshot.devices.isEmpty ? [] : drawn.marks, on: page)
    }

    private var heading: String {
        guard let isUsable else { return "Whether a GPU can be used here cannot be told." }
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
                // Whole, or it names nothing.
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
        var facts = [("here", here)]
        if snapshot.devices.contains(where: { $0.parent != nil && $0.driver == nil }) { facts.append(("MIG", mig)) }
        if isCountedAnew {
            facts.append(("numbers", "this container's own; the UUID is the host's for the same card"))
        }
        facts.append(("driver", driver))
        if let rocm { facts.append(("ROCm", rocm)) }
        let nodes =
            environment.deviceNodes.map { $0.isEmpty ? "no device file of a GPU" : $0.joined(separator: ", ") }
            ?? "unknown"
        return facts + [
            ("chosen by", chosen), ("devices", nodes), ("libraries", libraries), ("limits", limits),
            ("processes", processes),
        ]
    }

    /// NVIDIA, MIG User Guide, "CUDA Device Enumeration".
    private var mig: String {
        "CUDA shows a program one of these instances, the first or the one that CUDA_VISIBLE_DEVICES names by its UUID"
    }

    private var here: String {
        let id = environment.id.map { " " + shortID($0) } ?? ""
        switch environment.kind {
        case .host: return "the host, in no container"
        case .container:
            let isOther = environment.id != nil && !environment.isVerified
            return "a container" + (environment.engine.map { " of \($0)" } ?? "") + id
                + (isOther ? ", or one that shares its network" : "")
        case .unknown: return "the host, or a container: nothing tells"
        }
    }

    private var driver: String {
        let kernels = Set(snapshot.devices.compactMap(\.driver)).sorted().joined(separator: ", ")
        let version = view.kernel.map { " of Linux \($0)" } ?? ""
        guard let driver = view.nvidiaDriver else {
            return kernels.isEmpty ? "none that answers" : kernels + version
        }
        let cuda = view.cudaVersion.map { ", for CUDA up to \($0 / 1000).\($0 % 1000 / 10)" } ?? ""
        return "NVIDIA \(driver)\(cuda)" + (kernels.isEmpty ? "" : "; \(kernels)\(version)")
    }

    private var chosen: String {
        guard !environment.variables.isEmpty else {
            return "no variable: NVIDIA_VISIBLE_DEVICES, CUDA_VISIBLE_DEVICES are not set"
        }
        return environment.variables.map { "\($0.name)=\($0.value.isEmpty ? "''" : $0.value)" }.joined(separator: " ")
    }

    private var libraries: String {
        // Other vendors' programs bring their own.
        let isNVIDIAs = view.nvidiaDriver != nil || !snapshot.devices.contains { $0.driver != nil }
        let told = environment.libraries.filter { isNVIDIAs || $0.file.value != nil }
        if told.isEmpty { return "none of NVIDIA's driver; other programs bring theirs with them" }
        return told.map { library in
            switch library.file {
            case .known(let path): path
            case .unknown(let why): why.text
            }
        }.joined(separator: ", ")
    }

    private var limits: String {
        let ram: String =
            switch environment.ramLimit {
            case .known(let limit?): "RAM \(size(Bytes(told: limit)))"
            case .known(nil): "no RAM limit"
            case .unknown: "RAM limit unknown"
            }
        let cpus: String =
            switch environment.cpuLimit {
            case .known(let limit?): "\(limit.plain) CPUs"
            case .known(nil): "no CPU limit"
            case .unknown: "CPU limit unknown"
            }
        return "\(ram), \(cpus); neither limits GPU memory"
    }

    /// nil without a driver.
    var seen: ProcessesSeen? {
        (snapshot.devices.first { $0.vendor == .nvidia } ?? snapshot.devices.first)?.processesSeen
    }

    private var processes: String {
        guard let seen else { return "unknown without a driver" }
        if let unread = snapshot.unread { return unread.text }
        return switch seen {
        case .all where view.isWSL == true:
            "every process on these GPUs is seen from here, and not what it holds: Windows does not tell"
        case .all: "every process on these GPUs is seen from here"
        case .own: "from here only this place's own are seen: the memory of others shows as used, and not whose it is"
        case .none: "the driver's process numbers mean nothing here: nobody's memory can be told from here"
        }
    }
}

extension CheckReport {
    /// nil where it cannot be told. What is required on top is not in it.
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
            ("ramLimitBytes", .integer(environment.ramLimit.value.flatMap { $0 }.flatMap { Bytes(told: $0) })),
            ("ramLimitUnavailable", .string(environment.ramLimit.reason?.text)),
            ("cpuLimit", environment.cpuLimit.value.flatMap { $0 }.map { .number($0) } ?? .null),
            ("cpuLimitUnavailable", .string(environment.cpuLimit.reason?.text)),
            ("cudaDevices", .integer(environment.cuda?.value.map(Int64.init))),
            ("cudaUnavailable", .string(environment.cuda?.reason?.text)),
            ("processesSeen", .string(seen?.rawValue)),
        ])
    }
}
