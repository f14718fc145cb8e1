import Ledger
import Probe

extension Target {
    /// What amd-smi, rocm-smi and xpu-smi answer.
    static let vendorTools = Target(
        name: "vendor-tools", inputs: 400_000,
        corpus: Corpus(
            seeds: [
                """
                [{"gpu": 0, "process_list": [{"process_info": {"name": "llama", "pid": 4242, "memory_usage": \
                {"gtt_mem": {"value": 1, "unit": "B"}, "vram_mem": {"value": 2.5, "unit": "GB"}}}}]}, \
                {"gpu": 1, "process_list": [{"process_info": "No running processes detected"}]}]
                """,
                "PID\tPROCESS NAME\tGPU(s)\tVRAM USED\tSDMA USED\tCU OCCUPANCY\n4242\tllama server\t1\t177386942464\t0\t4\n",
                """
                {"device_util_by_proc_list": [{"device_id": 0, "mem_size": 5726404, "process_id": 768707, \
                "process_name": "python", "shared_mem_size": 0}]}
                """,
            ],
            words: [
                "9223372036854775807", "-1", "1e308", "null", "[]", "{}", "\t", "VRAM USED", "\"unit\": \"GB\"",
                "\"pid\": ",
            ], limit: 4096)
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        for list in [VendorList(amdSMI: text), VendorList(rocmSMI: text), VendorList(xpuSMI: text)] {
            guard let list else { continue }
            if list.bytes.values.contains(where: { $0 < 0 }) { return "a process has less than nothing" }
        }
        return nil
    }

    /// No name survives in a redacted cgroup, wherever in its path it stands, and the ledger of it still adds up.
    static let redaction = Target(
        name: "redaction", inputs: 400_000,
        corpus: Corpus(
            seeds: [
                "0::/system.slice/acme.service\n", "0::/lxc.payload.acme/init.scope\n", "0::/docker/acme (deleted)\n",
                "0::/kubepods.slice/kubepods-burstable.slice/acme\n", "4:name=acme:/acme/acme-acme\n",
                "0::/machine.slice/machine-acme\\x2dacme.scope\n",
                "0::/nomad/3c1b2f7a-9d0e-4c35-8f1b-0a1b2c3d4e5f.acme\n",
            ],
            words: [
                "acme", "/", "-", ".", "_", "@", ":", "\\x2d", "0123456789ab", "docker-", ".scope", "pod", "\n",
                " (deleted)",
            ])
    ) { input in
        let redacted = observation(cgroup: String(decoding: input, as: UTF8.self)).redacted
        if redacted.processes[0].cgroup.value?.contains("acme") != false {
            return "a name is left: \(redacted.processes[0].cgroup.value ?? "")"
        }
        return wrongSnapshot(Snapshot(redacted), width: 80)
    }

    private static func observation(cgroup: String) -> Observation {
        let memory = ObservedMemory(total: 1 << 30, used: 1 << 20, free: (1 << 30) - (1 << 20))
        let device = ObservedDevice(
            index: "0", uuid: "GPU-0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", name: "NVIDIA A2", memory: .known(memory),
            utilizationPercent: .known(0), compute: .read([ListedProcess(pid: 4242, bytes: 1 << 20)]), askedAtTick: 1000
        )
        return Observation(
            time: 0, host: "gpu-box", view: ProcessView(), devices: [device],
            processes: [ObservedProcess(pid: 4242, startTick: 1, cgroup: .known(cgroup), name: "acme")])
    }
}
