import Ledger

/// The rows of `plimsoll fit` and `plimsoll wait`: the devices that have room.
package struct RoomRows {
    package static func row(_ room: Room, in snapshot: Snapshot) -> Row {
        let device = snapshot.devices[room.device]
        let total = snapshot.devices[room.carrier].memory.total
        return Row(
            fields: [
                ("GPU", device.label), ("UUID", device.uuid ?? unknown), ("Name", device.name ?? unknown),
                ("Free", size(room.free)), ("Total", size(total)),
            ], numbers: [("FreeBytes", room.free), ("TotalBytes", total)], labels: [:])
    }

    package static func table(_ rows: [Row]) -> Table {
        Table(
            [
                .init("GPU", importance: 9), .init("NAME", shortest: 6, importance: 5),
                .init("FREE", .right, importance: 8), .init("TOTAL", .right, importance: 4),
                .init("UUID", shortest: 8, importance: 3),
            ], rows: rows.map { row in ["GPU", "Name", "Free", "Total", "UUID"].map { row[$0] ?? unknown } })
    }

    /// Why there is no device at all, or none of that name.
    package static func nowhere(_ wanted: String?, in snapshot: Snapshot) -> String {
        let all = snapshot.rooms(on: nil).map { snapshot.devices[$0.device].label.cleaned }
        let there =
            all.isEmpty
            ? "every GPU here is divided (MIG) and has no instance" : "there are \(all.joined(separator: ", "))"
        return wanted.map { "there is no device \($0.cleaned) to put a program on; \(there)" } ?? there
    }

    /// "GPU 0 has 4.48GiB free, and ollama holds 12.58GiB".
    package static func sentence(_ room: Room, in snapshot: Snapshot) -> String {
        let gpu = "GPU \(snapshot.devices[room.device].label.cleaned)"
        guard let free = room.free else {
            let why = snapshot.devices[room.carrier].memory.unavailable.map { ": \($0.cleaned)" } ?? ""
            return "what is free on \(gpu) cannot be told\(why)"
        }
        let holder =
            room.largest.map { largest in
                let name = UnverifiedMark.behind(largest.name.cleaned, unless: largest.verified)
                return ", and \(name) holds \(size(largest.bytes))"
            } ?? ""
        return "\(gpu) has \(size(free)) free\(holder)"
    }
}
