/// The services of systemd that a cgroup path goes through.
enum ServiceUnit {
    /// - Parameter text: the content of /proc/PID/cgroup: the unified hierarchy has it, or v1's `name=systemd`.
    static func names(cgroup text: String) -> Set<String> {
        var names: Set<String> = []
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[1].isEmpty || fields[1].elementsEqual("name=systemd".utf8) else { continue }
            for folder in fields[2].split(separator: UInt8(ascii: "/")) {
                let name = String(Substring(folder))
                if name.hasSuffix(".service") { names.insert(name) }
            }
        }
        return names
    }

    /// The names that systemd-run makes: run-r6f3a….service, run-u42.service, run-p1234-i5678.service.
    static func isTransient(_ name: String) -> Bool { name.hasPrefix("run-") && name.hasSuffix(".service") }
}
