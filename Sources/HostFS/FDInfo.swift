import Ledger

/// The memory and engine keys of /proc/PID/fdinfo/N for a DRM device. Each line has a key, a colon, blanks and a value (kernel,
/// Documentation/gpu/drm-usage-stats.rst; amdgpu writes a blank before the tab of some):
///
///     drm-driver:         amdgpu
///     drm-client-id:      4
///     drm-pdev:           0000:04:00.0
///     drm-total-vram:     44564 KiB
///     drm-resident-vram:  44564 KiB
///     drm-memory-gtt:     2392 KiB        amdgpu's older word for resident
///     amd-evicted-vram:   0
///     drm-engine-gfx:     123 ns
///     drm-cycles-rcs:     28257900        and drm-total-cycles-rcs, which is not memory
///     panthor-resident-memory: 10396 KiB  panthor's own memory for the client, beside drm-resident-memory
/// amdgpu of kernels 5.14 to 5.18, before these keys existed:
///
///     pdev:       0000:08:00.0
///     pasid:      32784                   one per client
///     vram mem:   2068 kB
package struct FDInfo: Equatable {
    package var driver: String?
    package var client: UInt64?
    package var pci: String?
    package var regions: [DRMRegion] = []
    package var evicted: UInt64?
    package var hasComputed = false
    package var hasDrawn = false

    /// Bytes, because a sample reads hundreds.
    package init(_ bytes: ArraySlice<UInt8>) {
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            note(line[..<colon], line[(colon + 1)...])
        }
        if driver == nil, let pasid, !regions.isEmpty { (driver, client) = ("amdgpu", pasid) }
    }

    private var pasid: UInt64?

    private mutating func note(_ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
        if let name = key.rest(after: "drm-resident-") {
            region(name, \.resident, value)
        } else if let name = key.rest(after: "drm-memory-") {
            region(name, \.memory, value)
        } else if let name = key.rest(after: "drm-total-") {
            if name.rest(after: "cycles-") == nil { region(name, \.total, value) }
        } else if let name = key.rest(after: "drm-engine-") {
            if name.rest(after: "capacity-") == nil { engine(name, value) }
        } else if let name = key.rest(after: "drm-cycles-") {
            engine(name, value)
        } else if key.elementsEqual("pasid".utf8) {
            pasid = value.word.flatMap { decimal($0) }
        } else if key.elementsEqual("pdev".utf8) {
            pci = pci ?? value.word.map(word)
        } else if let end = key.rest(after: "vram ") ?? key.rest(after: "gtt ") ?? key.rest(after: "cpu "),
            end.elementsEqual("mem".utf8)
        {
            region(key.dropLast(4), \.memory, value)
        } else if key.elementsEqual("panthor-resident-memory".utf8) {
            region(key.prefix { $0 != UInt8(ascii: "-") }, \.resident, value)
        } else if key.elementsEqual("drm-driver".utf8) {
            driver = value.word.map(word)
        } else if key.elementsEqual("drm-client-id".utf8) {
            // Kernel 6.6 has it twice for amdgpu, its own number after the one that all drivers have.
            client = client ?? value.word.flatMap { decimal($0) }
        } else if key.elementsEqual("drm-pdev".utf8) {
            pci = value.word.map(word)
        } else if key.elementsEqual("amd-evicted-vram".utf8) {
            evicted = amount(value)
        }
    }

    private mutating func region(
        _ name: ArraySlice<UInt8>, _ field: WritableKeyPath<DRMRegion, UInt64?>, _ value: ArraySlice<UInt8>
    ) {
        // The kernel's names are ASCII. Others would not stay apart when they are decoded.
        guard !name.isEmpty, name.count <= TextLimit.region, name.allSatisfy({ $0 < 0x80 }), let bytes = amount(value)
        else { return }
        let index = regions.firstIndex { $0.name.utf8.elementsEqual(name) }
        if let index {
            regions[index][keyPath: field] = bytes
        } else {
            regions.append(DRMRegion(name: String(decoding: name, as: UTF8.self)))
            regions[regions.count - 1][keyPath: field] = bytes
        }
    }

    /// The engines that compute are i915's and amdgpu's `compute`, xe's `ccs` and v3d's `csd`; those that copy say nothing of
    /// what for.
    private mutating func engine(_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
        guard let time = value.word.flatMap({ decimal($0) }), time > 0 else { return }
        if ["compute", "ccs", "csd"].contains(where: { name.elementsEqual($0.utf8) }) {
            hasComputed = true
        } else if !["copy", "bcs", "dma", "tfu", "cache_clean", "cpu"].contains(where: { name.elementsEqual($0.utf8) })
        {
            hasDrawn = true
        }
    }
}

/// "44564 KiB" in bytes; a number alone counts bytes.
private func amount(_ value: ArraySlice<UInt8>) -> UInt64? {
    guard let word = value.word, let number = decimal(word) else { return nil }
    let unit = value[word.endIndex...].word
    let shift: UInt64? =
        switch unit.map({ String(decoding: $0, as: UTF8.self) }) {
        case nil: 0
        case "KiB"?, "kB"?: 10
        case "MiB"?: 20
        default: nil
        }
    guard let shift, number <= UInt64.max >> shift else { return nil }
    return number << shift
}

private func decimal(_ word: ArraySlice<UInt8>) -> UInt64? {
    var number: UInt64 = 0
    for digit in word {
        guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
        let (tens, tooMany) = number.multipliedReportingOverflow(by: 10)
        let (sum, overflow) = tens.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
        if tooMany || overflow { return nil }
        number = sum
    }
    return word.isEmpty ? nil : number
}

private func word(_ word: ArraySlice<UInt8>) -> String {
    String(decoding: word.prefix(TextLimit.deviceName), as: UTF8.self)
}

extension ArraySlice<UInt8> {
    fileprivate func rest(after prefix: StaticString) -> ArraySlice<UInt8>? {
        guard count >= prefix.utf8CodeUnitCount else { return nil }
        var index = startIndex
        for byte in UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount) {
            if self[index] != byte { return nil }
            index += 1
        }
        return self[index...]
    }

    /// The first word; nil if there is none.
    fileprivate var word: ArraySlice<UInt8>? {
        func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || 9...13 ~= byte }
        let start = drop(while: isBlank)
        let word = start.prefix { !isBlank($0) }
        return word.isEmpty ? nil : word
    }
}
