import Ledger

/// What the driver's child sends, in frames: a length of four bytes, then the message. Both ends are the same program, so
/// the layout is private. It is bytes and not JSON because a stream sends it every second.
enum DriverMessage: Equatable {
    /// The driver answered: which GPUs there are. Those that `hang` still owe an answer from an earlier sample.
    case opened(sample: UInt32, DriverVersions, Inventory, hang: [String])
    /// A GPU, by its key, and its instances; and the seconds that it took to wake if it slept.
    case gpu(sample: UInt32, String, [ObservedDevice], waking: Double?)
    /// Who has files of DRM devices open.
    case clients(sample: UInt32, Reading<ClientList>)
    /// There is no session with the driver, and why: there is none on this machine, or it is not well. The child ends.
    case failed(sample: UInt32, why: Reason, isAbsent: Bool)
    /// To a question.
    case answer(UInt32, HostAnswer)

    /// Stands for the clients where keys of GPUs do.
    static let clientsKey = "clients"

    var frame: [UInt8] {
        var writer = WireWriter()
        switch self {
        case .opened(let sample, let versions, let inventory, let hang):
            writer.number(UInt8(0))
            writer.number(sample)
            writer.optional(versions.driver) { $0.text($1) }
            writer.optional(versions.cuda) { $0.number($1) }
            writer.list(inventory.gpus) { writer, gpu in
                writer.text(gpu.key)
                writer.device(gpu.unread)
            }
            writer.flag(inventory.withClients)
            writer.optional(inventory.trouble) { $0.reason($1) }
            writer.list(hang) { $0.text($1) }
        case .gpu(let sample, let gpu, let devices, let waking):
            writer.number(UInt8(1))
            writer.number(sample)
            writer.text(gpu)
            writer.list(devices) { $0.device($1) }
            writer.optional(waking) { $0.number($1.bitPattern) }
        case .failed(let sample, let why, let isAbsent):
            writer.number(UInt8(2))
            writer.number(sample)
            writer.reason(why)
            writer.number(UInt8(isAbsent ? 1 : 0))
        case .clients(let sample, let clients):
            writer.number(UInt8(3))
            writer.number(sample)
            writer.reading(clients) { $0.clients($1) }
        case .answer(let number, let answer):
            writer.number(UInt8(4))
            writer.number(number)
            writer.answer(answer)
        }
        return writer.framed
    }

    /// nil if the bytes are not a message.
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
                let gpus = try reader.list { reader throws(WireError) in
                    Inventory.GPU(key: try reader.text(), unread: try reader.device())
                }
                guard gpus.count <= Inventory.most else { return nil }
                let inventory = Inventory(
                    gpus: gpus, withClients: try reader.flag(),
                    trouble: try reader.optional { reader throws(WireError) in try reader.reason() })
                self = .opened(
                    sample: sample, versions, inventory,
                    hang: try reader.list { reader throws(WireError) in try reader.text() })
            case 1:
                let gpu = try reader.text()
                let devices = try reader.list { reader throws(WireError) in try reader.device() }
                let waking = try reader.optional { reader throws(WireError) in
                    Double(bitPattern: try reader.number())
                }
                self = .gpu(sample: sample, gpu, devices, waking: waking)
            case 2:
                self = .failed(
                    sample: sample, why: try reader.reason(), isAbsent: try reader.number() as UInt8 == 1)
            case 3:
                self = .clients(
                    sample: sample, try reader.reading { reader throws(WireError) in try reader.clients() })
            case 4: self = .answer(sample, try reader.answer())
            default: return nil
            }
        } catch {
            return nil
        }
    }
}

/// The GPUs that a driver has, as stored values. Each is known by a key that stays its own when others come and go.
struct Inventory: Equatable {
    struct GPU: Equatable {
        var key: String
        /// What is known of it without asking it anything.
        var unread: ObservedDevice
    }

    var gpus: [GPU] = []
    /// Whether the open files of processes say who uses these devices.
    var withClients = false
    /// What could not be read, so that GPUs may be missing.
    var trouble: Reason?

    /// No machine has as many.
    static let most = 1024
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

    /// No driver has as much to say, and an engine's answer ends at 64 MiB.
    private static let longest = 128 << 20

    mutating func append(_ more: ArraySlice<UInt8>) {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    /// nil if the next frame is not complete.
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
