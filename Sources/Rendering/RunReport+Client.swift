import Ledger

extension RunReport {
    /// What still runs after the report, and how to watch it; nil if nothing is known to run.
    var stillRunsRemark: String? {
        if case .container(let id, let name, true) = subject {
            let held = usage.remaining.map { "; it holds \(size($0.bytes))" } ?? ""
            return "Container \(name ?? shortID(id)) still runs\(held)."
        }
        return client?.stillRunsRemark
    }
}

extension ClientFinding {
    var isOfSystemd: Bool { client.program == .systemd }

    /// Sentences that say what counts beside the command's own processes, or why nothing does.
    var sentences: [String] {
        switch outcome {
        case .counted: parts.first.map { [counted($0)] } ?? []
        case .nothing: [nothing]
        case .ambiguous: [ambiguous]
        case .unknown(let why): [unknown(why)]
        }
    }

    /// For the JSON; nil if all that is known counts.
    var whyNotWhole: String? { isWhole ? nil : sentences.first }

    var stillRunsRemark: String? {
        guard outcome == .counted, let part = parts.first, part.stillRuns else { return nil }
        let held = part.held.map { $0 > 0 ? "holds \(size($0))" : "holds no GPU memory now" }
        let amount = held.map { " and \($0)" } ?? ""
        switch client.action {
        // The container ran before the command, too.
        case .exec: return nil
        case .compose: return "Compose project \(part.id) still runs\(amount)."
        case .unit: return "Service \(part.id) still runs\(amount)."
        case .run, .start: return "Container \(name(part)) still runs\(amount). To watch it, run: \(watch(part))"
        }
    }

    private func counted(_ part: Part) -> String {
        let others = "and the command's own processes"
        switch client.action {
        case .run: return "Counted: container \(name(part)), which the engine started for the command, \(others)."
        case .start: return "Counted: container \(name(part)) \(others)."
        case .exec: return "Counted: processes of container \(name(part)) that began after the command, \(others)."
        case .compose: return "Counted: the new containers of Compose project \(part.id), \(others)."
        case .unit: return "Counted: service \(part.id), which systemd started for the command, \(others)."
        }
    }

    private var nothing: String {
        switch client.action {
        case .run, .compose: "No container began while the command ran."
        case .start(let names): "No container with the name or id \(names.joined(separator: ", ")) was seen."
        case .exec(let name): "No container with the name or id \(name) was seen."
        case .unit(let name?): "No process of service \(name) held GPU memory."
        case .unit(nil): "No service that systemd-run started held GPU memory."
        }
    }

    private var ambiguous: String {
        let count = parts.count + leftOut
        let neither = count == 2 ? "Neither counts." : "None of them counts."
        func sentence(_ what: String, _ advice: String) -> String {
            "\(count) \(what) began while the command ran, and which one is the command's is unknown: \(list). "
                + "\(neither) \(advice)"
        }
        let watching = "Or watch a running one: \(example)"
        switch client.action {
        case .run: return sentence("containers", "Name the command's container with --name. \(watching)")
        case .compose: return sentence("Compose projects", "Name the command's project with -p.")
        case .unit: return sentence("services", "Name the command's service with --unit.")
        case .start(let names): return several(names.joined(separator: ", "))
        case .exec(let name): return several(name)
        }
    }

    private func several(_ wanted: String) -> String {
        "\(parts.count) containers have the name or id \(wanted): \(list). None of them counts. Use a full id."
    }

    private func unknown(_ why: Obstacle) -> String {
        let effect = "so which container belongs to the command is unknown."
        switch why {
        case .elsewhere:
            return
                "The command uses a container engine that has no unix socket on this host. Plimsoll reads the GPUs of the "
                + "host it runs on."
        case .engine(let reason): return "The engine did not answer (\(reason.brief)), \(effect) \(began)"
        case .late:
            return "The engine did not list its containers before the command began, \(effect) \(began)"
        case .containerd: return "Plimsoll cannot ask containerd for names, \(effect) \(began)"
        }
    }

    private var began: String {
        guard !parts.isEmpty else { return "While the container runs, run: \(example)" }
        return "Not counted: \(list). While the container runs, run: \(example)"
    }

    private var list: String {
        let shown = parts.map { part in
            let most = part.peak.map { $0 > 0 ? "held at most \(size($0))" : "held none" } ?? "held an unknown amount"
            return "\(name(part)) (\(most)\(part.stillRuns ? ", still runs" : ""))"
        }
        return (shown + (leftOut > 0 ? ["\(leftOut) more"] : [])).joined(separator: ", ")
    }

    private var example: String {
        let running = parts.first(where: \.stillRuns) ?? parts.first
        return running.map(watch) ?? "plimsoll run --container NAME"
    }

    private func watch(_ part: Part) -> String { "plimsoll run --container \(name(part))" }

    private func name(_ part: Part) -> String { part.name ?? shortID(part.id) }
}
