import Ledger

/// The rows of `plimsoll fit` and `plimsoll wait`: the devices that have room.
package struct CandidateRows {
    package static func row(_ room: PlacementCandidate, in snapshot: Snapshot) -> Row {
        let device = snapshot.devices[room.device]
        let total = snapshot.devices[room.memoryOwner].memory.total
        return Row(
            fields: [
                ("GPU", Cell(device.label)), ("UUID", Cell(device.uuid)), ("Name", Cell(device.name)),
                ("Free", .size(room.free)), ("Total", .size(total)),
            ], numbers: [("FreeBytes", room.free), ("TotalBytes", total)], labels: [:])
    }

    package static func table(_ rows: [Row]) -> Table {
        Table(
            [
                .init("GPU", importance: 9), .init("NAME", shortest: 6, importance: 5),
                .init("FREE", .right, importance: 8), .init("TOTAL", .right, importance: 4),
                .init("UUID", shortest: 8, importance: 3),
            ], rows: rows.map { row in ["GPU", "Name", "Free", "Total", "UUID"].map { row[$0] ?? .unknown } })
    }

    /// Why there is no device at all, or none of that name.
    package static func nowhere(_ wanted: String?, in snapshot: Snapshot) -> String {
        let all = snapshot.candidates(on: nil).map { snapshot.devices[$0.device].label.cleaned }
        let there =
            all.isEmpty
            ? "every GPU here is divided (MIG) and has no instance" : "there are \(all.joined(separator: ", "))"
        return wanted.map { "there is no device \($0.cleaned) to put a program on; \(there)" } ?? there
    }

    /// "GPU 0 has 4.48GiB free, and ollama holds 12.58GiB".
    package static func sentence(_ room: PlacementCandidate, in snapshot: Snapshot) -> String {
        let gpu = "GPU \(snapshot.devices[room.device].label.cleaned)"
        guard let free = room.free else {
            let why = room.whyUnknown.map { ": \($0.text.cleaned)" } ?? ""
            return "what is free on \(gpu) cannot be told\(why)"
        }
        let holder =
            room.largest.map { largest in
                let name: String =
                    switch largest.holder {
                    case .container(let container): container.nameOrID
                    case .process(let process): process.name ?? "PID \(process.pid)"
                    }
                return ", and \(name.cleaned) holds \(size(largest.bytes))"
            } ?? ""
        return "\(gpu) has \(size(free)) free\(holder)"
    }
}

extension FitVerdict.NoRoom {
    /// Why an amount does not fit, as lines that follow "does not fit:"; a sentence if there is no such device.
    package func text(in snapshot: Snapshot) -> String {
        switch self {
        case .noDevice(let reason): " \(reason?.text ?? "the driver has no device")"
        case .noSuchDevice(let wanted): " \(CandidateRows.nowhere(wanted, in: snapshot))"
        case .free(let rooms):
            rooms.count == 1
                ? " \(CandidateRows.sentence(rooms[0], in: snapshot))"
                : rooms.map { "\n  \(CandidateRows.sentence($0, in: snapshot))" }.joined()
        }
    }
}

extension FitVerdict {
    /// What is told of an amount that does not fit; nil if it fits.
    package func text(of amount: String, in snapshot: Snapshot) -> String? {
        switch self {
        case .fits: nil
        case .doesNotFit(.noSuchDevice(let wanted)): CandidateRows.nowhere(wanted, in: snapshot)
        case .doesNotFit(let why): "\(amount) does not fit:\(why.text(in: snapshot))"
        case .unknown(let why): "whether \(amount) fits cannot be told:\(why.text(in: snapshot))"
        }
    }

    /// The same of the roomiest device alone, on one line.
    package func brief(of amount: String, in snapshot: Snapshot) -> String? {
        switch self {
        case .doesNotFit(.free(let rooms)):
            FitVerdict.doesNotFit(.free(Array(rooms.prefix(1)))).text(of: amount, in: snapshot)
        case .unknown(.free(let rooms)):
            FitVerdict.unknown(.free(Array(rooms.prefix(1)))).text(of: amount, in: snapshot)
        case .unknown(.noDevice(let reason)):
            FitVerdict.unknown(.noDevice(reason.map { .other($0.brief) })).text(of: amount, in: snapshot)
        default: text(of: amount, in: snapshot)
        }
    }
}

extension Snapshot.Hopeless {
    package func text(of amount: String, in snapshot: Snapshot) -> String {
        switch self {
        case .noSuchDevice(let wanted): CandidateRows.nowhere(wanted, in: snapshot)
        case .tooLarge(let most, let devices):
            "\(amount) is more than there is: \(devices == 1 ? "the device" : "the largest device") has \(size(most))"
        }
    }
}
