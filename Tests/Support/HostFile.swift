import Foundation

/// A host in one readable file, Tests/Hosts/NAME.host: what its engine runs, its processes and the files that tell of its GPUs.
///
///     # a comment
///     container {1} ollama ollama/ollama:rocm        {1} is a container's id, 64 digits
///     process 4242 ollama 51234 0::/system.slice/docker-{1}.scope     started so many seconds after boot
///     open 4242 9 /dev/dri/renderD128                a descriptor, and its fdinfo in the lines below, indented
///       drm-driver:	amdgpu
///     file sys/class/drm/card0/device/vendor
///       0x1002
///     driver 615.71.09                               NVIDIA's, and a card of it as the simulator's descriptions have it
///     card {"name": "NVIDIA GB10", "uuid": "GPU-…", "totalMiB": 0, "processes": []}
///     link sys/class/drm/card0/device ../../../devices/pci0000:00/0000:03:00.0
extension HostTree {
    package convenience init(file name: String) throws {
        try self.init()
        let path = Build.package.appending(path: "Tests/Hosts/\(name).host")
        try read(String(contentsOf: path, encoding: .utf8))
    }

    private func read(_ text: String) throws {
        var lines = text.components(separatedBy: "\n")[...]
        while let line = lines.popFirst() {
            if line.isEmpty || line.hasPrefix("#") { continue }
            var content: [String] = []
            while let next = lines.first, next.hasPrefix("  ") {
                content.append(Self.filled(String(next.dropFirst(2))))
                lines.removeFirst()
            }
            try note(Self.filled(line).split(separator: " ").map(String.init), content)
        }
    }

    /// `{12}` is the id of container 12.
    private static func filled(_ text: String) -> String {
        text.replacing(#/\{(\d+)\}/#) { id(Int($0.output.1)!) }
    }

    private func note(_ words: [String], _ content: [String]) throws {
        let text = content.map { $0 + "\n" }.joined()
        switch words[0] {
        case "container": container(words[1], words[2], words[3])
        case "process":
            let inside = words.dropFirst(5).compactMap { Int($0) }
            try process(
                Int(words[1])!, words[2], cgroup: words[4].replacing("\\n", with: "\n"), started: Double(words[3])!,
                inside: inside)
        case "open":
            try scratch.link("proc/\(words[1])/fd/\(words[2])", to: words[3])
            try scratch.write(
                "pos:\t0\nflags:\t02400002\nmnt_id:\t26\nino:\t284\n" + text, to: "proc/\(words[1])/fdinfo/\(words[2])")
        case "file": try scratch.write(text, to: words[1])
        case "driver": describe("driver", words[1])
        case "card":
            let json = try JSONSerialization.jsonObject(with: Data(words.dropFirst().joined(separator: " ").utf8))
            card(json as? [String: Any] ?? [:])
        case "link": try scratch.link(words[1], to: words[2])
        default: throw Unexpected("Tests/Hosts: what is '\(words[0])'?")
        }
    }
}

extension Scratch {
    package func link(_ name: String, to target: String) throws {
        let file = url.appending(path: name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: file.path, withDestinationPath: target)
    }
}
