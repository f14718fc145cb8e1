import Glibc

/// A page that parent and child share: how far the child is, the input that it has in hand, and what was wrong with it. It is
/// a mapped file, so it outlives a child that crashes.
struct Evidence: @unchecked Sendable {
    private static let messageStart = 16
    private static let inputStart = 1024
    private static let size = inputStart + (1 << 20)
    private let memory: UnsafeMutableRawPointer

    init(path: String) throws {
        let fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard fd >= 0, ftruncate(fd, off_t(Self.size)) == 0 else {
            throw Failure("\(path): \(String(cString: strerror(errno)))")
        }
        defer { close(fd) }
        guard let memory = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), memory != MAP_FAILED else {
            throw Failure("\(path): \(String(cString: strerror(errno)))")
        }
        self.memory = memory
    }

    /// Inputs that were begun.
    var count: UInt64 {
        get { memory.load(as: UInt64.self) }
        nonmutating set { memory.storeBytes(of: newValue, as: UInt64.self) }
    }

    var input: [UInt8] {
        get { read(at: Self.inputStart, lengthAt: 8) }
        nonmutating set { write(newValue, at: Self.inputStart, lengthAt: 8) }
    }

    var message: String {
        get { String(decoding: read(at: Self.messageStart, lengthAt: 12), as: UTF8.self) }
        nonmutating set {
            write(Array(newValue.utf8.prefix(Self.inputStart - Self.messageStart)), at: Self.messageStart, lengthAt: 12)
        }
    }

    private func read(at start: Int, lengthAt: Int) -> [UInt8] {
        let length = Int(memory.load(fromByteOffset: lengthAt, as: UInt32.self))
        return Array(UnsafeRawBufferPointer(start: memory + start, count: length))
    }

    private func write(_ bytes: [UInt8], at start: Int, lengthAt: Int) {
        bytes.withUnsafeBytes { (memory + start).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        memory.storeBytes(of: UInt32(bytes.count), toByteOffset: lengthAt, as: UInt32.self)
    }
}

struct Failure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
