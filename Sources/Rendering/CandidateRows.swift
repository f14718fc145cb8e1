import Ledger

/// The rows of `plimsoll fit` and `plimsoll wait`: the devices with enough free memory.
package struct CandidateRows {
    /// What a row is made from.
    struct Item {
        var device: Device
        var free: Bytes?
        /// Total memory of the device, or of the MIG instance that owns the memory.
        var total: Bytes?
    }

    package static func row(_ candidate: PlacementCandidate, in snapshot: Snapshot) -> Row {
        fields.row(
            Item(
                device: snapshot.devices[candidate.device], free: candidate.free,
                total: snapshot.devices[candidate.memoryOwner].memory.total))
    }

    static let fields = Fields<Item>(
        list: [
            .init("GPU", "GPU", column: TableColumn(importance: 9)) { Cell($0.device.label) },
            .init("UUID", "UUID", column: TableColumn(shortest: 8, importance: 3)) { Cell($0.device.uuid) },
            .init("Name", "NAME", column: TableColumn(shortest: 6, importance: 5)) { Cell($0.device.name) },
            .init("Free", "FREE", column: TableColumn(.right, importance: 8)) { .size($0.free) },
            .init("Total", "TOTAL", column: TableColumn(.right, importance: 4)) { .size($0.total) },
        ],
        tableOrder: ["GPU", "Name", "Free", "Total", "UUID"],
        numbers: [("FreeBytes", { $0.free }), ("TotalBytes", { $0.total })])

    package static func table(_ rows: [Row], on page: Page) -> Table { fields.table(rows, on: page) }

    /// Why there is no device to place a program on, or no device of that name; and which ones there are.
    package static func nowhere(_ wanted: String?, in snapshot: Snapshot) -> String {
        let all = snapshot.candidates(on: nil).map { snapshot.devices[$0.device].label.cleaned }
        let there =
            all.isEmpty
            ? "every GPU is partitioned (MIG) but has no instances; create one with `nvidia-smi mig -cgi`"
            : "choose \(alternatives(all))"
        return wanted.map { noDevice($0, in: snapshot, there) } ?? there
    }

    /// Why no device has this name, and which ones there are.
    package static func noDevice(_ wanted: String, in snapshot: Snapshot) -> String {
        let labels = snapshot.devices.map(\.label.cleaned)
        return "no GPU \(wanted.cleaned)" + (labels.isEmpty ? "" : "; choose \(alternatives(labels))")
    }

    private static func noDevice(_ wanted: String, in snapshot: Snapshot, _ there: String) -> String {
        let partitioned = snapshot.devices.first { $0.isPartitioned && $0.isNamed(wanted) }
        guard let partitioned else { return "no GPU \(wanted.cleaned); \(there)" }
        let own = snapshot.candidates(on: nil).map { snapshot.devices[$0.device] }.filter {
            $0.parent != nil && $0.parent == partitioned.uuid
        }.map(\.label.cleaned)
        return "GPU \(wanted.cleaned) is partitioned (MIG), so no program runs on the GPU itself; "
            + (own.isEmpty ? there : "choose \(alternatives(own))")
    }

    /// "GPU 0 has 4.48GiB free; the largest holder is ollama with 12.58GiB".
    package static func sentence(_ candidate: PlacementCandidate, in snapshot: Snapshot) -> String {
        let gpu = "GPU \(snapshot.devices[candidate.device].label.cleaned)"
        guard let free = candidate.free else {
            let why = candidate.whyUnknown.map { ": \($0.text.cleaned)" } ?? ""
            return "free memory of \(gpu) is unknown\(why)"
        }
        let holder =
            candidate.largest.map { largest in
                let name: String
                switch largest.holder {
                case .container(let container): name = container.nameOrID
                case .process(let process): name = process.name ?? "PID \(process.pid)"
                case .unattributed: return "; \(size(largest.bytes)) are unattributed"
                }
                return "; the largest holder is \(name.cleaned) with \(size(largest.bytes))"
            } ?? ""
        return "\(gpu) has \(size(free)) free\(holder)"
    }
}

extension FitVerdict.WhyNoFit {
    /// Why an amount does not fit, as lines that follow "does not fit:"; a sentence if there is no such device.
    package func text(in snapshot: Snapshot) -> String {
        switch self {
        case .noDevice(let reason): " \(reason?.text ?? "the driver reports no GPUs")"
        case .noSuchDevice(let wanted): " \(CandidateRows.nowhere(wanted, in: snapshot))"
        case .free(let candidates):
            candidates.count == 1
                ? " \(CandidateRows.sentence(candidates[0], in: snapshot))"
                : candidates.map { "\n  \(CandidateRows.sentence($0, in: snapshot))" }.joined()
        }
    }
}

extension FitVerdict {
    /// Why an amount does not fit, or why that is unknown; nil if it fits.
    package func text(of amount: String, in snapshot: Snapshot) -> String? {
        switch self {
        case .fits: nil
        case .doesNotFit(.noSuchDevice(let wanted)): CandidateRows.nowhere(wanted, in: snapshot)
        case .doesNotFit(let why): "\(amount) does not fit:\(why.text(in: snapshot))"
        case .unknown(let why): "cannot say whether \(amount) fits:\(why.text(in: snapshot))"
        }
    }

    /// The same for the device with the most free memory alone, on one line.
    package func brief(of amount: String, in snapshot: Snapshot) -> String? {
        switch self {
        case .doesNotFit(.free(let candidates)):
            FitVerdict.doesNotFit(.free(Array(candidates.prefix(1)))).text(of: amount, in: snapshot)
        case .unknown(.free(let candidates)):
            FitVerdict.unknown(.free(Array(candidates.prefix(1)))).text(of: amount, in: snapshot)
        case .unknown(.noDevice(let reason)):
            FitVerdict.unknown(.noDevice(reason.map { .other($0.brief) })).text(of: amount, in: snapshot)
        default: text(of: amount, in: snapshot)
        }
    }
}

extension Snapshot.WhyNotWait {
    package func text(of amount: String, in snapshot: Snapshot) -> String {
        switch self {
        case .noSuchDevice(let wanted): CandidateRows.nowhere(wanted, in: snapshot)
        case .tooLarge(let most, let devices):
            "\(amount) can never fit: \(devices == 1 ? "the GPU" : "the largest GPU") has \(size(most)) in total"
        }
    }
}
