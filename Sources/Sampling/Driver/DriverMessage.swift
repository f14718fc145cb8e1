import Ledger

/// What the driver's child says, in frames: a length of four bytes, then the message. Both ends are the same program, so the
/// layout is nobody else's business; it is bytes and no JSON because a stream sends it every second.
enum DriverMessage: Equatable {
    /// The driver answered, with so many GPUs. Those that `hang` still owe an answer from an earlier sample.
    /// The last number stands for the clients, where there are any to be told.
    case opened(sample: UInt32, DriverVersions, gpus: Int, withClients: Bool, hang: [Int])
    /// A GPU and its instances, and the seconds that it took to wake where it slept.
    case gpu(sample: UInt32, Int, [ObservedDevice], waking: Double?)
    /// Who has files of DRM devices open.
    case clients(sample: UInt32, Reading<ClientList>)
    /// There is no session with the driver, and why: there is none on this machine, or it is not well. The child ends.
    case failed(sample: UInt32, why: String, isAbsent: Bool)

    var frame: [UInt8] {
        var writer = WireWriter()
        switch self {
        case .opened(let sample, let versions, let gpus, let withClients, let hang):
            writer.number(UInt8(0))
            writer.number(sample)
            writer.optional(versions.driver) { $0.text($1) }
            writer.optional(versions.cuda) { $0.number($1) }
            writer.number(UInt32(gpus))
            writer.number(UInt8(withClients ? 1 : 0))
            writer.list(hang) { $0.number(UInt32($1)) }
        case .gpu(let sample, let gpu, let devices, let waking):
            writer.number(UInt8(1))
            writer.number(sample)
            writer.number(UInt32(gpu))
            writer.list(devices) { $0.device($1) }
            writer.optional(waking) { $0.number($1.bitPattern) }
        case .failed(let sample, let why, let isAbsent):
            writer.number(UInt8(2))
            writer.number(sample)
            writer.text(why)
            writer.number(UInt8(isAbsent ? 1 : 0))
        case .clients(let sample, let clients):
            writer.number(UInt8(3))
            writer.number(sample)
            writer.reading(clients) { $0.clients($1) }
        }
        return writer.framed
    }

    /// nil where the bytes are no message.
    init?(payload: ArraySlice<UInt8>) {
        var reader = WireReader(payload)
        do throws(WireError) {
            let kind: UInt8 = try reader.number()
            let sample: UInt32 = try reader.number()
            switch kind {
            case 0:
                let versions = DriverVersions(
                    driver: try reader.optional { reader throws(WireError) in try reader.text() },
                    cuda: try reader.optional { reader throws(WireError) in try reader.number() })
                let gpus: UInt32 = try reader.number()
                guard gpus <= 1024 else { return nil }
                self = .opened(
                    sample: sample, versions, gpus: Int(gpus), withClients: try reader.number() as UInt8 == 1,
                    hang: try reader.list { reader throws(WireError) in Int(try reader.number() as UInt32) })
            case 1:
                let gpu: UInt32 = try reader.number()
                let devices = try reader.list { reader throws(WireError) in try reader.device() }
                let waking = try reader.optional { reader throws(WireError) in
                    Double(bitPattern: try reader.number())
                }
                self = .gpu(sample: sample, Int(gpu), devices, waking: waking)
            case 2:
                self = .failed(
                    sample: sample, why: try reader.text(), isAbsent: try reader.number() as UInt8 == 1)
            case 3:
                self = .clients(
                    sample: sample, try reader.reading { reader throws(WireError) in try reader.clients() })
            default: return nil
            }
        } catch {
            return nil
        }
    }
}

/// What the driver says of itself.
struct DriverVersions: Equatable {
    var driver: String?
    /// 12040 is 12.4.
    var cuda: UInt32?
}

/// Takes frames out of a stream of bytes that comes in pieces.
struct FrameBuffer {
    private var bytes: [UInt8] = []
    private var start = 0

    /// No driver has as much to say.
    private static let longest = 64 << 20

    mutating func append(_ more: ArraySlice<UInt8>) {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    /// nil where the next frame is not there in full.
    mutating func next() throws(WireError) -> DriverMessage? {
        let rest = bytes[start...]
        var reader = WireReader(rest)
        guard rest.count >= 4, let length: UInt32 = try? reader.number() else { return nil }
        guard length <= Self.longest else { throw WireError() }
        guard rest.count >= 4 + Int(length) else { return nil }
        let payload = rest.dropFirst(4).prefix(Int(length))
        start += 4 + Int(length)
        guard let message = DriverMessage(payload: payload) else { throw WireError() }
        return message
    }
}
