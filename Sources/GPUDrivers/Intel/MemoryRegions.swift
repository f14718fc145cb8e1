import CDRM
import Glibc
import HostFS
import Ledger

/// The memory of an Intel GPU, as its device file answers. There is no file in /sys for it.
struct MemoryRegions {
    /// Bytes of its own; 0 for a GPU that has none.
    var total: UInt64
    /// nil if the driver does not report it, or not to us.
    var used: UInt64?

    /// - Parameter driver: what the file must be served by, "i915" or "xe".
    init(_ path: String, driver: String) throws(RegionError) {
        let file = try Self.open(path)
        guard Self.driver(of: file) == driver else { throw .otherDriver(path: path) }
        let regions = driver == "xe" ? try Self.xe(file, path) : try Self.i915(file, path)
        total = regions.reduce(0) { $0 &+ $1.total }
        let sum = regions.reduce(0) { $0 &+ $1.used }
        // Some memory is always used; callers without the right to know get 0.
        used = sum > 0 ? sum : nil
    }

    private static func open(_ path: String) throws(RegionError) -> DeviceFile {
        do throws(FileError) {
            return try DeviceFile(path)
        } catch {
            throw .unreadable(error)
        }
    }

    private static func driver(of file: borrowing DeviceFile) -> String? {
        var name = [CChar](repeating: 0, count: 32)
        let isReported = name.withUnsafeMutableBufferPointer { name in
            var version = cdrm_version()
            version.name = name.baseAddress
            version.name_length = UInt64(name.count - 1)
            return file.ask(UInt(CDRM_VERSION), &version) == 0
        }
        return isReported ? String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    /// Bytes.
    private typealias Region = (total: UInt64, used: UInt64)

    /// The answer of both drivers: a header that begins with their number, then regions of `stride` bytes.
    private static func regions<Header, Item>(
        _ answer: [UInt8], after header: Header.Type, _ item: Item.Type, _ path: String
    ) throws(RegionError) -> [Item] {
        let start = MemoryLayout<Header>.size
        let stride = MemoryLayout<Item>.stride
        guard answer.count >= start else { throw .notUnderstood(path: path) }
        return try answer.withUnsafeBytes { bytes -> Result<[Item], RegionError> in
            let count = Int(bytes.loadUnaligned(as: UInt32.self))
            guard count <= 64, bytes.count >= start + count * stride else {
                return .failure(.notUnderstood(path: path))
            }
            return .success(
                (0..<count).map { bytes.loadUnaligned(fromByteOffset: start + $0 * stride, as: Item.self) })
        }.get()
    }

    private static func i915(_ file: borrowing DeviceFile, _ path: String) throws(RegionError) -> [Region] {
        let length = try query(file, path, UnsafeMutableRawBufferPointer(start: nil, count: 0)).get()
        guard length > 0, length <= 1 << 16 else { throw .notUnderstood(path: path) }
        // The driver refuses a buffer that has anything in it.
        var answer = [UInt8](repeating: 0, count: Int(length))
        _ = try answer.withUnsafeMutableBytes { query(file, path, $0) }.get()
        return try regions(answer, after: cdrm_i915_regions.self, cdrm_i915_region.self, path)
            .filter { $0.memory_class == CDRM_I915_DEVICE }
            .map { ($0.probed_size, $0.probed_size >= $0.unallocated_size ? $0.probed_size - $0.unallocated_size : 0) }
    }

    /// - Returns: the length of the answer.
    private static func query(
        _ file: borrowing DeviceFile, _ path: String, _ answer: UnsafeMutableRawBufferPointer
    ) -> Result<Int32, RegionError> {
        var item = cdrm_i915_query_item(
            query: UInt64(CDRM_I915_QUERY_MEMORY_REGIONS), length: Int32(answer.count), flags: 0,
            data: UInt64(UInt(bitPattern: answer.baseAddress)))
        let code = withUnsafeMutablePointer(to: &item) { item in
            var question = cdrm_i915_query(item_count: 1, flags: 0, items: UInt64(UInt(bitPattern: item)))
            return file.ask(UInt(CDRM_I915_QUERY), &question)
        }
        let error = code != 0 ? code : item.length < 0 ? Int32(truncatingIfNeeded: item.length.magnitude) : 0
        return error == 0 ? .success(item.length) : .failure(.unreadable(FileError(path: path, code: error)))
    }

    private static func xe(_ file: borrowing DeviceFile, _ path: String) throws(RegionError) -> [Region] {
        var question = cdrm_xe_query()
        question.query = UInt32(CDRM_XE_QUERY_MEM_REGIONS)
        var code = file.ask(UInt(CDRM_XE_DEVICE_QUERY), &question)
        guard code == 0 else { throw .unreadable(FileError(path: path, code: code)) }
        guard question.size > 0, question.size <= 1 << 16 else { throw .notUnderstood(path: path) }
        var answer = [UInt8](repeating: 0, count: Int(question.size))
        code = answer.withUnsafeMutableBytes { bytes in
            question.data = UInt64(UInt(bitPattern: bytes.baseAddress))
            return file.ask(UInt(CDRM_XE_DEVICE_QUERY), &question)
        }
        guard code == 0 else { throw .unreadable(FileError(path: path, code: code)) }
        return try regions(answer, after: cdrm_xe_regions.self, cdrm_xe_region.self, path)
            .filter { $0.memory_class == CDRM_XE_VRAM }.map { ($0.total_size, $0.used) }
    }
}

enum RegionError: Error {
    case unreadable(FileError)
    /// The file is another device's: that of /sys is of another machine, or was numbered anew.
    case otherDriver(path: String)
    case notUnderstood(path: String)

    var reason: Reason {
        switch self {
        case .unreadable(let error): error.reason
        case .otherDriver(let path): .at(path: path, .otherDevice)
        case .notUnderstood(let path): .at(path: path, .answerNotUnderstood)
        }
    }
}
