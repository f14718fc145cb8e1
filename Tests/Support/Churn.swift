import Foundation

/// Containers that start, hold memory of a simulated driver for a second, and end, many at a time.
///
/// Every fourth is a container of the real engine. Starting one takes an engine a quarter of a second of two cores, so the
/// others are what a container is to the kernel, and no more: a real process in a cgroup of its own that is named as Docker
/// names its own; the engine does not know them.
package struct Churn {
    package let host: ContainerHost
    private let folder: String

    /// Why there can be none; nil where there can.
    package static let absence: String? = {
        if let absence = RealDocker.absence { return absence }
        return access(hierarchy, W_OK) == 0 ? nil : "no cgroup can be made in \(hierarchy) here"
    }()

    /// The memory hierarchy of cgroup v1, where the machine has it; else the one that v2 has.
    private static let hierarchy: String = {
        let v1 = "/sys/fs/cgroup/memory"
        return FileManager.default.fileExists(atPath: v1) ? v1 : "/sys/fs/cgroup"
    }()

    package init(_ host: ContainerHost) throws {
        self.host = host
        folder = "\(Self.hierarchy)/\(host.scratch.url.lastPathComponent)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        try host.scratch.write(
            """
            #!/bin/sh
            # churn-one.sh NUMBER: one container's life; a line when it has ended as it should.
            set -eu
            if [ $(($1 % 4)) -eq 0 ]; then
                docker run --rm --network none --label "$LABEL" -v "$LIBRARIES:/usr/lib/gpusim:ro" \\
                    -v "$SOCKET_FOLDER:/run/gpusim" -e LD_LIBRARY_PATH=/usr/lib/gpusim \\
                    "$IMAGE" /bin/gpusim-hold --for 1 0:1MiB >/dev/null
                echo docker
            else
                cgroup=$CGROUPS/docker-$(printf '%032x%032x' $$ "$1").scope
                mkdir "$cgroup"
                LD_LIBRARY_PATH=$LIBRARIES sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$cgroup" \\
                    "$HOLD" --for 1 1:1MiB >/dev/null
                rmdir "$cgroup"
                echo cgroup
            fi
            """, to: "churn-one.sh")
    }

    /// Where what is left of them is; to be called when no process is in it any more.
    package func remove() { rmdir(folder) }

    /// How many have lived: of the engine, and without it.
    package struct Lives {
        package var docker: Int
        package var cgroups: Int
        package var seconds: Double
    }

    /// Blocks until that many have lived.
    package func run(_ count: Int) throws -> Lives {
        let settings = [
            "LABEL": host.label, "IMAGE": host.image, "LIBRARIES": host.driver.libraries,
            "SOCKET_FOLDER": host.driver.socketFolder, "GPUSIM_SOCKET": host.driver.socket, "CGROUPS": folder,
            "HOLD": Build.folder.appending(path: "gpusim-hold").path,
        ]
        let script = "seq \(count) | xargs -P 20 -n 1 sh '\(host.scratch.path("churn-one.sh"))'"
        let result = try TestSupport.run(
            program: "/bin/sh", ["-c", script], environment: settings.merging(host.environment) { $1 })
        guard result.code == 0 else { throw Unexpected("churn: \(result.errors)") }
        let lines = result.output.split(separator: "\n")
        return Lives(
            docker: lines.count { $0 == "docker" }, cgroups: lines.count { $0 == "cgroup" }, seconds: result.seconds)
    }
}

/// What a process of this machine has of it.
package struct Belongings: Sendable, CustomStringConvertible {
    /// As `ps` shows it.
    package var name: String
    package var descriptors: Int
    /// Bytes: resident, and of that what is no file's.
    package var resident: Int
    package var anonymous: Int

    package init(of pid: Int32) throws {
        name = try String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8).trimmingCharacters(in: .newlines)
        // A reading that is under way has a request open: the fewest of some moments are those that stay.
        descriptors =
            try (0..<10).map { _ in
                usleep(30_000)
                return try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
            }.min() ?? 0
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        func number(_ key: String) throws -> Int {
            let line = status.split(separator: "\n").first { $0.hasPrefix("\(key):") }
            guard let word = line?.split(whereSeparator: \.isWhitespace).dropFirst().first, let number = Int(word)
            else {
                throw Unexpected("/proc/\(pid)/status tells no \(key)")
            }
            return number
        }
        resident = try number("VmRSS") << 10
        anonymous = try number("RssAnon") << 10
    }

    package var description: String {
        "\(descriptors) descriptors, \(resident >> 10) KiB resident, \(anonymous >> 10) KiB anonymous"
    }

    /// PIDs, the dead ones that nobody has waited for too.
    package static func children(of pid: Int32) throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap(Int32.init).filter { child in
            let stat = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)
            // After the name, which may hold anything: its state and its parent.
            let words = stat?.split(separator: ")").last?.split(separator: " ") ?? []
            return words.count > 1 && words[1] == String(pid)
        }
    }
}
