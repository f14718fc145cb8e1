import FoundationEssentials
import Ledger

/// The processes and their GPU memory, as a vendor's tool lists them.
package struct VendorList: Equatable {
    package struct Key: Hashable {
        package var gpu: Int
        package var pid: UInt32
    }

    /// Bytes by the tool's number of the GPU and PID; empty if the tool does not list GPUs.
    package private(set) var byGPU: [Key: Bytes] = [:]
    /// Bytes by PID, summed over all GPUs.
    package private(set) var bytes: [UInt32: Bytes] = [:]
    /// By how many bytes a correct amount can differ, because the tool rounds.
    package private(set) var rounding: Bytes

    private mutating func add(_ amount: Bytes, pid: UInt32, gpu: Int?) {
        guard 0...Bytes(Bytes.plausible) ~= amount else { return }
        bytes[pid] = (bytes[pid] ?? 0).adding(amount)
        if let gpu { byGPU[Key(gpu: gpu, pid: pid)] = amount }
    }

    /// `amd-smi process --json` of ROCm 6 and 7: an array of GPUs.
    package init?(amdSMI text: String) {
        struct GPU: Decodable {
            var gpu: Int
            var process_list: [Item]
        }
        struct Item: Decodable {
            /// nil if the tool has a text here, such as "No running processes detected".
            var process_info: Info?

            private enum Key: String, CodingKey { case process_info }

            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: Key.self)
                process_info = try? container.decode(Info.self, forKey: .process_info)
            }
        }
        struct Info: Decodable {
            var pid: UInt32
            var memory_usage: Usage
        }
        struct Usage: Decodable { var vram_mem: Amount }
        struct Amount: Decodable {
            var value: Double
            var unit: String
        }
        guard let gpus = try? JSONDecoder().decode([GPU].self, from: Data(text.utf8)) else { return nil }
        rounding = 0
        for gpu in gpus {
            for case let info? in gpu.process_list.map(\.process_info) {
                let amount = info.memory_usage.vram_mem
                let units: [String: Double] = ["B": 1, "KB": 0x1p10, "MB": 0x1p20, "GB": 0x1p30]
                guard let unit = units[amount.unit] else { continue }
                if unit > 1 { rounding = max(rounding, Bytes(unit)) }
                add(Bytes(clamping: amount.value * unit), pid: info.pid, gpu: gpu.gpu)
            }
        }
    }

    /// `rocm-smi --showpids`: a table with the columns PID, PROCESS NAME, GPU(s), VRAM USED in bytes, and two more.
    package init?(rocmSMI text: String) {
        guard text.contains("VRAM USED") || text.contains("No KFD PIDs") else { return nil }
        rounding = 0
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
                .flatMap { $0.split(separator: "\t") }
            // A process name can contain blanks, so columns count from the end. The last four columns are numbers.
            guard words.count >= 6, let pid = UInt32(words[0]), let bytes = Bytes(words[words.count - 3]) else {
                continue
            }
            add(bytes, pid: pid, gpu: nil)
        }
    }

    /// `xpu-smi ps -j`: amounts are in units of 1000 bytes (xpumanager, cli: memSize / 1000).
    package init?(xpuSMI text: String) {
        struct Answer: Decodable { var device_util_by_proc_list: [Process] }
        struct Process: Decodable {
            var process_id: UInt32
            var device_id: Int
            var mem_size: Double
        }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(text.utf8)) else { return nil }
        rounding = 1000
        for process in answer.device_util_by_proc_list {
            add(Bytes(clamping: process.mem_size * 1000), pid: process.process_id, gpu: process.device_id)
        }
    }
}
