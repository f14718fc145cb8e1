import Ledger

/// Bytes that are no message of ours.
struct WireError: Error {}

/// Numbers in the machine's own order, texts and lists with their length before them, an optional with a flag.
struct WireWriter {
    private(set) var bytes: [UInt8] = []

    mutating func number<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) }
    }

    /// Behind their length.
    var framed: [UInt8] {
        var frame = WireWriter()
        frame.number(UInt32(bytes.count))
        return frame.bytes + bytes
    }

    mutating func text(_ text: String) {
        number(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func flag(_ isTrue: Bool) { number(UInt8(isTrue ? 1 : 0)) }

    mutating func optional<Value>(_ value: Value?, _ write: (inout WireWriter, Value) -> Void) {
        number(UInt8(value == nil ? 0 : 1))
        if let value { write(&self, value) }
    }

    mutating func list<Value>(_ values: [Value], _ write: (inout WireWriter, Value) -> Void) {
        number(UInt32(values.count))
        for value in values { write(&self, value) }
    }

    mutating func reading<Value>(_ reading: Reading<Value>, _ write: (inout WireWriter, Value) -> Void) {
        optional(reading.reason) { $0.reason($1) }
        if let value = reading.value { write(&self, value) }
    }
}

struct WireReader {
    private var rest: ArraySlice<UInt8>

    /// The longest text that a child reads (`TextLimit`). Only a driver that has taken over the child would send more.
    private static let longestText = 1 << 17

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func number<Number: FixedWidthInteger>() throws(WireError) -> Number {
        let size = MemoryLayout<Number>.size
        guard rest.count >= size else { throw WireError() }
        let number = rest.withUnsafeBytes { $0.loadUnaligned(as: Number.self) }
        rest = rest.dropFirst(size)
        return number
    }

    mutating func text() throws(WireError) -> String {
        let count = Int(try number() as UInt32)
        guard count <= Self.longestText, rest.count >= count else { throw WireError() }
        defer { rest = rest.dropFirst(count) }
        return String(decoding: rest.prefix(count), as: UTF8.self)
    }

    mutating func flag() throws(WireError) -> Bool { try number() as UInt8 == 1 }

    mutating func optional<Value>(
        _ read: (inout WireReader) throws(WireError) -> Value
    ) throws(WireError) -> Value? {
        try number() as UInt8 == 0 ? nil : try read(&self)
    }

    mutating func list<Value>(
        _ read: (inout WireReader) throws(WireError) -> Value
    ) throws(WireError) -> [Value] {
        let count = Int(try number() as UInt32)
        // An element has a byte at least.
        guard count <= rest.count else { throw WireError() }
        var values: [Value] = []
        values.reserveCapacity(min(count, 4096))
        for _ in 0..<count { values.append(try read(&self)) }
        return values
    }

    mutating func reading<Value>(
        _ read: (inout WireReader) throws(WireError) -> Value
    ) throws(WireError) -> Reading<Value> {
        if let reason = try optional({ reader throws(WireError) in try reader.reason() }) { return .unknown(reason) }
        return .known(try read(&self))
    }
}

// What a driver reported about a device, field by field: add a new field both to the writer and to the reader.

extension WireWriter {
    mutating func device(_ device: ObservedDevice) {
        text(device.index)
        text(device.vendor.rawValue)
        for field in [device.uuid, device.name, device.pci, device.parentIndex] { optional(field) { $0.text($1) } }
        for field in [device.gpuInstance, device.computeInstance] { optional(field) { $0.number($1) } }
        reading(device.memory) { writer, memory in
            writer.number(memory.total)
            for amount in [memory.used, memory.free, memory.reserved] { writer.optional(amount) { $0.number($1) } }
            writer.number(UInt8(memory.reportsReserved ? 1 : 0))
            writer.optional(memory.source) { $0.text($1) }
            writer.optional(memory.whyNoUse) { $0.reason($1) }
        }
        optional(device.driver) { $0.text($1) }
        optional(device.minors) { writer, minors in writer.list(minors) { $0.number($1) } }
        for flag in [device.sharesHostMemory, device.isPartitioned] { optional(flag) { $0.number(UInt8($1 ? 1 : 0)) } }
        reading(device.utilizationPercent) { $0.number(Int64($1)) }
        for processes in [device.compute, device.graphics, device.mps] { list(processes) }
        optional(device.askedAtTick) { $0.number($1) }
        optional(device.leftOut) { $0.number(Int64($1)) }
        optional(device.accounts) { writer, accounts in
            writer.list(accounts) { writer, account in
                writer.number(account.pid)
                writer.number(account.peakBytes)
                writer.number(account.startTime)
            }
        }
    }

    private mutating func list(_ reading: ListReading) {
        switch reading {
        case .absent: number(UInt8(0))
        case .failed(let why):
            number(UInt8(1))
            reason(why)
        case .read(let processes):
            number(UInt8(2))
            list(processes) { writer, process in
                writer.number(process.pid)
                writer.optional(process.bytes) { $0.number($1) }
                writer.optional(process.gpuInstance) { $0.number($1) }
                writer.optional(process.computeInstance) { $0.number($1) }
                writer.flag(process.isPartial == true)
            }
        }
    }
}

extension WireReader {
    mutating func device() throws(WireError) -> ObservedDevice {
        let index = try text()
        guard let vendor = Vendor(rawValue: try text()) else { throw WireError() }
        func optionalText() throws(WireError) -> String? {
            try optional { reader throws(WireError) in try reader.text() }
        }
        func optionalNumber() throws(WireError) -> UInt32? {
            try optional { reader throws(WireError) in try reader.number() }
        }
        func optionalFlag() throws(WireError) -> Bool? {
            try optional { reader throws(WireError) in try reader.number() as UInt8 == 1 }
        }
        var device = ObservedDevice(
            index: index, vendor: vendor, uuid: try optionalText(), name: try optionalText(), pci: try optionalText(),
            parentIndex: try optionalText(), gpuInstance: try optionalNumber(), computeInstance: try optionalNumber(),
            memory: try reading { reader throws(WireError) in
                ObservedMemory(
                    total: try reader.number(), used: try reader.optional { r throws(WireError) in try r.number() },
                    free: try reader.optional { r throws(WireError) in try r.number() },
                    reserved: try reader.optional { r throws(WireError) in try r.number() },
                    reportsReserved: try reader.number() as UInt8 == 1,
                    source: try reader.optional { r throws(WireError) in try r.text() },
                    whyNoUse: try reader.optional { r throws(WireError) in try r.reason() })
            }, driver: try optionalText(),
            minors: try optional { reader throws(WireError) in
                try reader.list { r throws(WireError) in try r.number() }
            }, sharesHostMemory: try optionalFlag(), isPartitioned: try optionalFlag(),
            utilizationPercent: try reading { reader throws(WireError) in Int(try reader.number() as Int64) },
            compute: try listReading(), graphics: try listReading(), mps: try listReading(),
            askedAtTick: try optional { reader throws(WireError) in try reader.number() })
        let leftOut: Int64? = try optional { reader throws(WireError) in try reader.number() }
        device.leftOut = leftOut.map { Int($0) }
        device.accounts = try optional { reader throws(WireError) in
            try reader.list { reader throws(WireError) in
                ProcessAccount(
                    pid: try reader.number(), peakBytes: try reader.number(), startTime: try reader.number())
            }
        }
        return device
    }

    private mutating func listReading() throws(WireError) -> ListReading {
        switch try number() as UInt8 {
        case 0: return .absent
        case 1: return .failed(try reason())
        case 2:
            return .read(
                try list { reader throws(WireError) in
                    ListedProcess(
                        pid: try reader.number(), bytes: try reader.optional { r throws(WireError) in try r.number() },
                        gpuInstance: try reader.optional { r throws(WireError) in try r.number() },
                        computeInstance: try reader.optional { r throws(WireError) in try r.number() },
                        isPartial: try reader.flag() ? true : nil)
                })
        default: throw WireError()
        }
    }
}
