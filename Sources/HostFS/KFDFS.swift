import Ledger

/// What AMD's compute driver reports under an injected /sys: its nodes, one for each GPU or partition, and the memory of
/// each process on them. Every user may read the files. The PIDs are those of the initial PID namespace (kernel,
/// drivers/gpu/drm/amd/amdkfd: kfd_topology.c, kfd_process.c).
package struct KFDFS: Sendable {
    private let root: String

    package init(sysfs: String) {
        root = "\(sysfs)/class/kfd/kfd"
    }

    /// The GPUs among the nodes, in the order of their numbers.
    package func nodes() -> [KFDNode] {
        let numbers = ((try? FileReading.names(in: "\(root)/topology/nodes")) ?? []).compactMap { Int($0) }.sorted()
        var nodes: [KFDNode] = []
        for number in numbers {
            let folder = "\(root)/topology/nodes/\(number)"
            guard let text = try? FileReading.text("\(folder)/properties"),
                var node = KFDNode(kfdProperties(text), number: number)
            else { continue }
            node.gpuID = (try? FileReading.text("\(folder)/gpu_id")).flatMap(firstNumber).flatMap {
                UInt32(exactly: $0)
            }
            // One GPU is listed once.
            if node.gpuID != nil, nodes.contains(where: { $0.gpuID == node.gpuID }) { continue }
            readMemory(in: folder, into: &node)
            nodes.append(node)
        }
        return nodes
    }

    private func readMemory(in folder: String, into node: inout KFDNode) {
        for bank in (try? FileReading.names(in: "\(folder)/mem_banks")) ?? [] {
            let bankFolder = "\(folder)/mem_banks/\(bank)"
            guard let text = try? FileReading.text("\(bankFolder)/properties") else { continue }
            let properties = kfdProperties(text)
            // HSA_MEM_HEAP_TYPE_FB_PUBLIC and _PRIVATE: the frame buffer, that is the GPU's own (ROCT, hsakmttypes.h).
            guard let heap = properties["heap_type"], 1...2 ~= heap, let size = properties["size_in_bytes"] else {
                continue
            }
            node.memory = (node.memory ?? 0).addingReportingOverflow(size).partialValue
            // Of the driver that AMD ships (amdgpu-dkms); the kernel's own has no such file. It is the whole GPU's, also where
            // the node is a partition.
            if let used = (try? FileReading.text("\(bankFolder)/used_memory")).flatMap(firstNumber) {
                node.used = (node.used ?? 0).addingReportingOverflow(used).partialValue
            }
        }
    }

    /// The memory of each process on these GPUs, by gpu_id: the file "vram_51032" holds a number of bytes. A process can
    /// have several contexts, each with files of its own in `context_N` beside those of the first (Linux cc6b66d661fd).
    /// Files of other GPUs are not opened.
    ///
    /// - Returns: nil if there is no compute driver.
    package func processes(on gpus: Set<UInt32>) -> [UInt32: ListReading]? {
        let folder = "\(root)/proc"
        guard let names = try? FileReading.names(in: folder) else { return nil }
        var byGPU: [UInt32: [ListedProcess]] = [:]
        for name in names {
            guard let pid = UInt32(name), let contexts = contexts(in: "\(folder)/\(name)") else { continue }
            for (gpu, amounts) in amounts(in: contexts, on: gpus) {
                let known = amounts.compactMap(\.self)
                byGPU[gpu, default: []].append(
                    ListedProcess(
                        pid: pid, bytes: known.isEmpty ? nil : known.reduce(0, Self.sum),
                        isPartial: known.isEmpty || known.count == amounts.count ? nil : true))
            }
        }
        return byGPU.mapValues { .read($0.sorted { $0.pid < $1.pid }) }
    }

    private struct Context {
        var folder: String
        /// nil if the folder could not be read.
        var files: [String]?
    }

    /// The folder of a process and those of its further contexts; nil if it has ended.
    private func contexts(in folder: String) -> [Context]? {
        guard let files = try? FileReading.names(in: folder) else { return nil }
        var contexts = [Context(folder: folder, files: files)]
        for name in files where name.hasPrefix("context_") {
            let path = "\(folder)/\(name)"
            do throws(FileError) {
                contexts.append(Context(folder: path, files: try FileReading.names(in: path)))
            } catch  where error.isAbsent {
                // This context ended during the reading.
            } catch {
                contexts.append(Context(folder: path))
            }
        }
        return contexts
    }

    /// The memory of each context, by gpu_id; nil for an amount that is not reported. A context whose files are unknown
    /// may use every GPU that the process uses.
    private func amounts(in contexts: [Context], on gpus: Set<UInt32>) -> [UInt32: [UInt64?]] {
        var amounts: [UInt32: [UInt64?]] = [:]
        for context in contexts {
            for file in context.files ?? [] where file.hasPrefix("vram_") {
                guard let gpu = UInt32(file.dropFirst("vram_".count)), gpus.contains(gpu) else { continue }
                do throws(FileError) {
                    let bytes = firstNumber(try FileReading.text("\(context.folder)/\(file)"))
                    amounts[gpu, default: []].append(bytes)
                } catch  where error.isAbsent {
                    // The process, or this context of it, ended during the reading.
                } catch {
                    amounts[gpu, default: []].append(nil)
                }
            }
        }
        return contexts.contains { $0.files == nil } ? amounts.mapValues { $0 + [nil] } : amounts
    }

    private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}

/// `key value` in lines. Numbers are unsigned: unique_id goes beyond 2⁶³.
package func kfdProperties(_ text: String) -> [Substring: UInt64] {
    var properties: [Substring: UInt64] = [:]
    for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        if words.count == 2, let number = UInt64(words[1]) { properties[words[0]] = number }
    }
    return properties
}

private func firstNumber(_ text: String) -> UInt64? {
    text.split(whereSeparator: \.isWhitespace).first.flatMap { UInt64($0) }
}

/// A GPU, or a partition of one, as the compute driver lists it.
package struct KFDNode: Sendable, Equatable {
    package var number: Int
    /// nil in a capture that left it out.
    package var gpuID: UInt32?
    package var pci: String
    /// The partition of a partitioned GPU, from 0.
    package var partition: Int
    /// Minor number of the render node; the partitions of a GPU have one each.
    package var renderMinor: UInt32?
    /// The same for all partitions of a GPU.
    package var uniqueID: UInt64?
    package var deviceID: UInt32?
    /// Bytes.
    package var memory: UInt64?
    package var used: UInt64?
    /// A processor and a GPU in one.
    package var hasCPU: Bool

    /// nil for a node that is no GPU.
    package init?(_ properties: [Substring: UInt64], number: Int) {
        guard let units = properties["simd_count"], units > 0, let location = properties["location_id"] else {
            return nil
        }
        self.number = number
        // Bus and device. The low three bits, which are the function in a PCI address, are the partition; newer drivers
        // have it in the top four (ROCm, rocm_smi.h, rsmi_dev_partition_id_get).
        let domain = properties["domain"] ?? 0
        pci = "\(hex(domain, 4)):\(hex(location >> 8 & 0xFF, 2)):\(hex(location >> 3 & 0x1F, 2)).0"
        let high = Int(location >> 28 & 0xF)
        partition = high != 0 ? high : Int(location & 7)
        renderMinor = properties["drm_render_minor"].flatMap { $0 == 0 ? nil : UInt32(exactly: $0) }
        uniqueID = properties["unique_id"].flatMap { $0 == 0 ? nil : $0 }
        deviceID = properties["device_id"].flatMap { UInt32(exactly: $0) }
        hasCPU = (properties["cpu_cores_count"] ?? 0) > 0
    }
}

/// In hexadecimal, with at least this many digits.
package func hex(_ number: UInt64, _ digits: Int) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}
