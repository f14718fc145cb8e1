import Foundation
import TestSupport
import Testing

private let container = HostTree.id(1)

/// What kernel drivers tell in part, in several places, or not at all.
struct KernelOddTests {
    private func card(
        _ host: HostTree, _ number: Int, driver: String, pci: String, id: String, files: [String: String] = [:]
    ) throws {
        let folder = "sys/class/drm/card\(number)"
        try host.scratch.write("226:\(number)\n", to: "\(folder)/dev")
        try host.scratch.write(
            "DRIVER=\(driver)\nPCI_ID=\(id)\nPCI_SLOT_NAME=\(pci)\n", to: "\(folder)/device/uevent")
        for (name, text) in files { try host.scratch.write(text + "\n", to: "\(folder)/device/\(name)") }
        let node = "sys/class/drm/renderD\(128 + number)"
        try host.scratch.write("226:\(128 + number)\n", to: "\(node)/dev")
        try host.scratch.link("\(node)/device", to: "../card\(number)/device")
    }

    private func client(_ host: HostTree, _ pid: Int, _ descriptor: Int, node: Int = 128, _ lines: String) throws {
        try? FileManager.default.removeItem(atPath: host.scratch.path("proc/\(pid)/fd/\(descriptor)"))
        try host.scratch.link("proc/\(pid)/fd/\(descriptor)", to: "/dev/dri/renderD\(node)")
        try host.scratch.write("pos:\t0\n" + lines, to: "proc/\(pid)/fdinfo/\(descriptor)")
    }

    private func radeon(_ host: HostTree) throws {
        try card(
            host, 0, driver: "amdgpu", pci: "0000:03:00.0", id: "1002:744C",
            files: ["mem_info_vram_total": "25769803776", "mem_info_vram_used": "15032385536"])
    }

    private func start(_ host: HostTree) throws -> RunningHost {
        try host.container(container, "ollama", "ollama/ollama").startWithoutNVIDIA()
    }

    @Test("A client that tells nothing beside one that does makes the sum one of at least")
    func silentClient() throws {
        let host = try HostTree().process(4242, "ollama", cgroup: "0::/docker/\(container)")
        try radeon(host)
        let identity = "drm-driver:\tamdgpu\ndrm-pdev:\t0000:03:00.0\n"
        try client(host, 4242, 9, identity + "drm-client-id:\t61\ndrm-memory-vram:\t12582912 KiB\n")
        try client(host, 4242, 10, identity + "drm-client-id:\t62\n")
        let running = try start(host)
        let document = try running.plimsoll("--format", "json").document()
        #expect(document["processes"][0]["bytes"].integer == 12_884_901_888)
        #expect(document["processes"][0]["complete"].bool == false)
        #expect(document["containers"][0]["usage"][0]["bytes"].integer == 12_884_901_888)
        #expect(document["containers"][0]["usage"][0]["complete"].bool == false)
        #expect(document["devices"][0]["ledger"]["complete"].bool == false)
        #expect(try running.plimsoll("stats", "--no-stream", "--format", "{{.GPUMem}}").output == "12GiB+\n")
        #expect(try running.plimsoll("ps", "--format", "{{.GPUMem}}").output == "12GiB+\n")
        // Nothing but silent clients is unknown.
        try client(host, 4242, 9, identity + "drm-client-id:\t61\n")
        #expect(try running.plimsoll("ps", "--format", "{{.GPUMem}}").output == "--\n")
    }

    @Test("All contexts of a process with AMD's compute driver count")
    func contexts() throws {
        let host = try HostTree().process(4242, "hip-app", cgroup: "0::/docker/\(container)")
        try radeon(host)
        let node = "sys/class/kfd/kfd/topology/nodes/1"
        try host.scratch.write("51032\n", to: "\(node)/gpu_id")
        try host.scratch.write(
            "cpu_cores_count 0\nsimd_count 192\nlocation_id 768\ndomain 0\ndrm_render_minor 128\n",
            to: "\(node)/properties")
        let process = "sys/class/kfd/kfd/proc/4242"
        try host.scratch.write("1073741824\n", to: "\(process)/vram_51032")
        try host.scratch.write("8589934592\n", to: "\(process)/context_1/vram_51032")
        try host.scratch.write("1048576\n", to: "\(process)/context_12/vram_51032")
        try host.scratch.write("7\n", to: "\(process)/context_12/vram_99")
        let running = try start(host)
        let document = try running.plimsoll("--format", "json").document()
        #expect(document["processes"][0]["bytes"].integer == 9_664_724_992)
        // Of a context that does not tell, or cannot be looked into, there may be more.
        try host.scratch.write("rubbish\n", to: "\(process)/context_1/vram_51032")
        #expect(try running.plimsoll("ps", "--format", "{{.GPUMem}}").output == "1.001GiB+\n")
        let folder = host.scratch.path("\(process)/context_1")
        try FileManager.default.removeItem(atPath: folder)
        #expect(try running.plimsoll("ps", "--format", "{{.GPUMem}}").output == "1.001GiB\n")
        try FileManager.default.createSymbolicLink(atPath: folder, withDestinationPath: "context_1")
        #expect(try running.plimsoll("ps", "--format", "{{.GPUMem}}").output == "1.001GiB+\n")
        #expect(try running.plimsoll("--format", "json").document()["processes"][0]["complete"].bool == false)
    }

    @Test("Every function of an Intel GPU in the processor uses the host's memory", arguments: ["0", "1", "7"])
    func virtualFunction(_ function: String) throws {
        let host = try HostTree().process(6100, "ffmpeg", cgroup: "0::/docker/\(container)")
        try host.scratch.write("MemTotal: 32768000 kB\nMemAvailable: 20120456 kB\n", to: "proc/meminfo")
        let pci = "0000:00:02.\(function)"
        try card(host, 0, driver: "i915", pci: pci, id: "8086:A780")
        let regions = "drm-total-system0:\t60440 KiB\ndrm-resident-system0:\t60440 KiB\n"
        try client(host, 6100, 5, "drm-driver:\ti915\ndrm-client-id:\t290\ndrm-pdev:\t\(pci)\n" + regions)
        let document = try start(host).plimsoll("--format", "json").document()
        #expect(document["devices"][0]["memory"]["kind"].string == "shared")
        #expect(document["processes"][0]["bytes"].integer == 61_890_560)
    }

    @Test(
        "A display or a test device that is no GPU changes no answer of a host without GPUs",
        arguments: ["vgem", "vkms", "bochs-drm", "ast", "simple-framebuffer", "virtio-pci", "newchip"])
    func noGPU(_ driver: String) throws {
        let bare = try HostTree().startWithoutNVIDIA()
        let expected = try bare.plimsoll("ledger")
        #expect(expected.code == 2)
        let host = try HostTree().process(4242, "python3", cgroup: "0::/docker/\(container)")
        let folder = "sys/class/drm/card0"
        try host.scratch.write("226:0\n", to: "\(folder)/dev")
        try host.scratch.write("DRIVER=\(driver)\nOF_FULLNAME=/\(driver)\n", to: "\(folder)/device/uevent")
        try host.scratch.write("226:128\n", to: "sys/class/drm/renderD128/dev")
        try host.scratch.link("sys/class/drm/renderD128/device", to: "../card0/device")
        try client(host, 4242, 9, "flags:\t02\n")
        let running = try host.startWithoutNVIDIA()
        for command in [["ledger"], ["stats", "--no-stream"], ["ps"], ["fit", "1GiB"]] {
            let result = try running.plimsoll(command)
            #expect(result.code == 2, "\(command)")
            #expect(result.errors == expected.errors, "\(command)")
        }
        // One that tells of memory is shown, whatever it is called.
        guard driver == "newchip" else { return }
        try client(
            host, 4242, 9, "drm-driver:\tnewchip\ndrm-client-id:\t7\ndrm-resident-memory:\t2048 KiB\n")
        #expect(try running.plimsoll("ps", "--format", "{{.GPUMem}}").output == "2MiB\n")
    }
}
