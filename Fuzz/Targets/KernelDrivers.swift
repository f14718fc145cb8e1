import HostFS
import Ledger

extension Target {
    static let fdinfo = Target(
        name: "fdinfo", inputs: 1_500_000,
        corpus: Corpus(
            seeds: [
                "pos:\t0\nflags:\t02400002\ndrm-driver:\tamdgpu\ndrm-client-id:\t30\ndrm-pdev:\t0000:04:00.0\npasid:\t32785\ndrm-total-vram:\t155068 KiB\ndrm-resident-vram:\t155068 KiB\ndrm-memory-vram:\t155068 KiB\ndrm-memory-gtt: \t20480 KiB\namd-evicted-vram:\t0 KiB\ndrm-engine-gfx:\t19291217545 ns\n",
                "drm-driver:\txe\ndrm-client-id:\t173\ndrm-total-vram0:\t65072580 KiB\ndrm-resident-vram0:\t0\ndrm-cycles-ccs:\t326\ndrm-total-cycles-ccs:\t24339816184\n",
                "pdev:\t0000:08:00.0\npasid:\t32784\nvram mem:\t2068 kB\ngtt mem:\t8192 kB\n",
                "drm-driver:\tpanthor\ndrm-client-id:\t10\npanthor-resident-memory:\t10396 KiB\ndrm-resident-memory:\t16480 KiB\n",
            ],
            words: [
                "drm-", "total-", "resident-", "memory-", "vram", "gtt", "local0", "system0", "stolen-local0", ":",
                "\t", " KiB",
                " MiB", "\n", "18446744073709551615", "drm-client-id:\t", "cycles-", "engine-", "0000:03:00.0", " mem:",
            ], limit: 4096)
    ) { input in
        let info = FDInfo(input[...])
        let text = String(decoding: input, as: UTF8.self)
        for region in info.regions {
            if region.name.isEmpty { return "a region without a name" }
            if region.name.hasPrefix("cycles-") && region.total != nil { return "cycles were read as memory" }
            guard !text.utf8.contains(region.name.utf8) else { continue }
            return "a region that is not in the text: \(region.name.debugDescription)"
        }
        if Set(info.regions.map(\.name)).count != info.regions.count { return "a region is listed twice" }
        if info.client != nil, info.driver == nil { return nil }
        // Whatever it holds, a ledger of it adds up and ends.
        let client = DRMClient(
            pid: 1, startTick: 1, id: info.client ?? 0, pci: info.pci, minor: 128, regions: info.regions,
            evicted: info.evicted)
        let device = ObservedDevice(
            index: "0", vendor: .amd, pci: info.pci, memory: .unknown(.fact(.notAsked)), driver: "amdgpu",
            minors: [128],
            sharesHostMemory: input.count % 2 == 0, utilizationPercent: .unknown(.fact(.notAsked)), compute: .absent)
        let snapshot = Snapshot(
            Observation(
                time: 0, host: "", view: ProcessView(), devices: [device],
                processes: [ObservedProcess(pid: 1, startTick: 1, cgroup: .known("0::/x"))],
                clients: .known(ClientList(clients: [client, client], unreadable: 0))))
        let ledger = snapshot.devices[0].ledger
        return ledger.host == snapshot.devices[0].memory.used ?? 0 ? nil : "one client's memory is not what is in use"
    }

    static let kernelTables = Target(
        name: "tables", inputs: 1_500_000,
        corpus: Corpus(
            seeds: [
                "cpu_cores_count 0\nsimd_count 152\nlocation_id 1283\ndomain 0\ndrm_render_minor 131\nunique_id 16404946649897475633\n",
                "drm/0000:03:00.0/vram0 8514437120\ndrm/0000:03:00.0/stolen max\nnvidia/00000000:02:00.0/vidmem 102641958912\n",
                "simd_count 416\nlocation_id 4294967295\ndomain 65535\ndevice_id 29711\n",
            ],
            words: [
                " ", "\n", "simd_count ", "location_id ", "domain ", "max", "18446744073709551615", "/vram", "/vidmem",
                "drm/",
                "0000:03:00.0", "-1", "0x",
            ], limit: 2048)
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        let properties = kfdProperties(text)
        for key in properties.keys where !text.utf8.contains("\(key) ".utf8) {
            return "a property that is not in the text: \(key)"
        }
        if let node = KFDNode(properties, number: 0), !(0...15).contains(node.partition) {
            return "a partition that no GPU has: \(node.partition)"
        }
        for (region, _) in dmemTable(text) where !text.utf8.contains(region.utf8) {
            return "a region that is not in the text: \(region.debugDescription)"
        }
        let table = dmemTable(text)
        let snapshot = Snapshot(
            Observation(
                time: 0, host: "", view: ProcessView(),
                devices: [
                    ObservedDevice(
                        index: "0", vendor: .intel, pci: "0000:03:00.0", memory: .unknown(.fact(.notAsked)),
                        driver: "xe",
                        minors: [0],
                        utilizationPercent: .unknown(.fact(.notAsked)), compute: .absent)
                ], clients: .known(ClientList(clients: [], unreadable: 0)),
                deviceMemory: [
                    ChargedCgroup(path: "/", current: table, capacity: table),
                    ChargedCgroup(path: "/docker/\(String(repeating: "a", count: 64))", current: table, limits: table),
                ]))
        for usage in snapshot.containers.flatMap(\.usage) where usage.bytes.map({ $0 <= 0 }) == true {
            return "a container is charged nothing and has a row"
        }
        return nil
    }
}
