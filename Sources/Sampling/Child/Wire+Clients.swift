import Ledger

extension WireWriter {
    mutating func clients(_ list: ClientList) {
        number(UInt32(clamping: list.unreadable))
        self.list(list.clients) { writer, client in
            writer.number(client.pid)
            writer.number(client.startTick)
            writer.number(client.id)
            writer.optional(client.pci) { $0.text($1) }
            writer.optional(client.minor) { $0.number($1) }
            writer.list(client.regions) { writer, region in
                writer.text(region.name)
                for amount in [region.resident, region.memory, region.total] {
                    writer.optional(amount) { $0.number($1) }
                }
            }
            writer.optional(client.evicted) { $0.number($1) }
            writer.number(UInt8((client.hasComputed ? 1 : 0) + (client.hasDrawn ? 2 : 0)))
        }
    }
}

extension WireReader {
    mutating func clients() throws(WireError) -> ClientList {
        let unreadable: UInt32 = try number()
        let clients = try list { reader throws(WireError) in try reader.client() }
        return ClientList(clients: clients, unreadable: Int(unreadable))
    }

    private mutating func client() throws(WireError) -> DRMClient {
        var client = DRMClient(
            pid: try number(), startTick: try number(), id: try number(),
            pci: try optional { reader throws(WireError) in try reader.text() }, minor: try optionalNumber(),
            regions: try list { reader throws(WireError) in
                DRMRegion(
                    name: try reader.text(), resident: try reader.optionalNumber(), memory: try reader.optionalNumber(),
                    total: try reader.optionalNumber())
            }, evicted: try optionalNumber())
        let engines: UInt8 = try number()
        client.hasComputed = engines & 1 != 0
        client.hasDrawn = engines & 2 != 0
        return client
    }

    private mutating func optionalNumber<Number: FixedWidthInteger>() throws(WireError) -> Number? {
        try optional { reader throws(WireError) in try reader.number() }
    }
}
