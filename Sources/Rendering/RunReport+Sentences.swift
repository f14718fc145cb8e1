import Ledger

/// The sentences below the table.
extension RunReport {
    var remarks: [String] {
        var remarks = whyNothing.map { [$0] } ?? []
        remarks += client?.sentences ?? []
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
        if let goesOn {
            remarks.append(goesOn)
        } else if let remaining = usage.remaining {
            remarks.append(stillRuns(remaining))
        }
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
        // What is not counted may have held some.
        guard devices.isEmpty, client?.isWhole ?? true else { return nil }
        return "None of \(whose) processes held any in \(readings); "
            + "what comes and goes between two is not seen."
    }

    private var whose: String {
        if isContainer { return "this container's" }
        guard client?.outcome == .counted else { return "its" }
        return "these"
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

extension CommandUsage.Unseen {
    var text: String {
        switch self {
        case .foreignProc: "the /proc that is read is another PID namespace's"
        case .foreignNumbers, .foreignNumbersOnce: "the driver's process numbers mean nothing here"
        case .othersHidden: "the processes of other containers cannot be seen from here"
        case .notTold: "the driver does not tell what a process holds"
        }
    }
}
