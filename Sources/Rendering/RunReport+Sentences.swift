import Ledger

/// The sentences below the table.
extension RunReport {
    var remarks: [String] {
        var remarks = whyNothing.map { [$0] } ?? []
        remarks += client?.sentences ?? []
        if isContainer, !devices.isEmpty { remarks.append(counted) }
        let sources = Set(devices.compactMap { $0.measure == .process ? $0.peakSource : nil })
        if sources.contains(.sampled) {
            remarks.append(
                "sampled: the largest of \(readings). Memory that is used only between two readings is missed.")
        }
        if sources.contains(.accounting) {
            remarks.append("accounting: the driver's exact record of that process.")
        }
        for device in devices where device.peakSource == .accountingAtMost {
            remarks.append(
                "accounting, at most: the sum of the driver's records of \(device.processCount) processes, which may have "
                    + "peaked at different times. The largest reading of all together on GPU \(device.label) was "
                    + "\(size(device.series.peak?.bytes)).")
        }
        for device in usage.devices where device.measure == .process && device.unsampledProcesses > 0 {
            remarks.append(unsampled(device))
        }
        for device in devices where device.measure == .device {
            remarks.append(
                "device: the change of GPU \(device.label)'s used memory since before the command, by any process, "
                    + "because \(device.whyUnmeasured?.text ?? "its processes could not be read").")
        }
        for device in devices where device.measure == nil {
            remarks.append("GPU \(device.label): \(device.whyUnmeasured?.text ?? unknown).")
        }
        if let stillRunsRemark {
            remarks.append(stillRunsRemark)
        } else if let remaining = usage.remaining {
            remarks.append(stillRuns(remaining))
        }
        if isCutShort {
            remarks.append("The driver no longer answered when the command ended.")
        } else if usage.failedReadings > 0, !usage.devices.isEmpty {
            remarks.append("Some readings failed\(trouble.map { ": \($0)" } ?? "").")
        }
        return remarks
    }

    /// Why the report has no device.
    enum Emptiness {
        /// No GPU was read at all.
        case notMeasured
        case endedBeforeReading
        /// A container that is not counted may have held memory.
        case notCounted
        case heldNothing

        /// What the chart shows instead of curves.
        var words: String {
            switch self {
            case .notMeasured: "not measured"
            case .endedBeforeReading: "not measured: ended before the first reading"
            case .notCounted: "not measured: the container is not counted"
            case .heldNothing: "no GPU memory was held"
            }
        }
    }

    /// nil if there are devices to report.
    var emptiness: Emptiness? {
        guard devices.isEmpty else { return nil }
        if usage.devices.isEmpty { return .notMeasured }
        if usage.devices.allSatisfy({ $0.measure == nil && $0.whyUnmeasured == nil }) { return .endedBeforeReading }
        return client?.isWhole ?? true ? .heldNothing : .notCounted
    }

    private var whyNothing: String? {
        switch emptiness {
        case nil, .notCounted: nil
        case .notMeasured:
            "Not measured: "
                + (trouble ?? (isCutShort ? "the driver did not answer" : "the driver reports no GPUs")) + "."
        case .endedBeforeReading: "The command ended before the first reading."
        case .heldNothing: heldNothing
        }
    }

    private var heldNothing: String {
        "None of \(whose) processes held GPU memory in \(readings). "
            + "Memory that is used only between two readings is missed."
    }

    private var whose: String {
        if isContainer { return "this container's" }
        guard client?.outcome == .counted else { return "the command's" }
        return "these"
    }

    private var counted: String {
        let before = usage.devices.compactMap(\.heldBefore)
        let held = before.isEmpty ? "" : "; processes that ran before the command held \(size(Bytes.sum(before))) then"
        return "Counted: every process of this container\(held)."
    }

    private func unsampled(_ device: CommandUsage.OnDevice) -> String {
        let count = device.unsampledProcesses
        let some = count == 1 ? "a process" : "\(count) processes"
        let isAdded = device.peakSource == .accountingAtMost
        return
            "On GPU \(device.label), the driver has records of \(some) that ran only between readings and used at most "
            + "\(size(device.unsampledBytes)). They may belong to other programs and are \(isAdded ? "in the sum" : "not counted")."
    }

    private func stillRuns(_ remaining: CommandUsage.Remaining) -> String {
        let whose = isContainer ? "the processes that began during the run" : "the command's processes"
        return remaining.processes == 1
            ? "One of \(whose) still runs and holds \(size(remaining.bytes))."
            : "\(remaining.processes) of \(whose) still run and hold \(size(remaining.bytes))."
    }

    private var trouble: String? { usage.lastError?.brief }

    private var readings: String {
        let shown = devices.isEmpty ? usage.devices : devices
        let count = shown.map(\.series.readings).filter { $0 > 0 }.min() ?? 0
        guard count > 1 else { return count == 1 ? "one reading" : "no reading" }
        // A slow driver or a busy machine can make readings rarer than the interval.
        let apart = max(interval, usage.seconds / Double(count))
        return "\(count) readings, \(duration(apart < interval * 1.2 ? interval : apart)) apart"
    }
}

extension CommandUsage.WhyUnmeasured {
    var text: String {
        switch self {
        case .foreignProc: "/proc is that of another PID namespace"
        case .foreignPIDs, .foreignPIDOnce: "the driver's PIDs mean nothing here"
        case .othersHidden: "processes of other containers are not visible from here"
        case .notReported: "the driver does not report a process's memory"
        }
    }
}
