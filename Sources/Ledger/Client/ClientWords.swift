/// The words of a command, read from the first to the last as its own parser reads them.
struct ClientWords {
    private var rest: ArraySlice<String>

    init(_ words: ArraySlice<String>) { rest = words }

    var isEmpty: Bool { rest.isEmpty }

    mutating func next() -> String? { rest.popFirst() }

    struct Option: Equatable {
        /// "-n" or "--name".
        var name: String
        var value: String?
    }

    /// Takes an option; nil if the next word is none. `--` is taken with it, and ends the options.
    mutating func option(_ table: OptionTable) -> Option? {
        guard let word = rest.first, word.utf8.count > 1, word.utf8.first == UInt8(ascii: "-") else { return nil }
        rest.removeFirst()
        if word == "--" { return nil }
        return word.hasPrefix("--") ? long(word, table) : short(word, table)
    }

    private mutating func long(_ word: String, _ table: OptionTable) -> Option {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2 { return Option(name: parts[0], value: parts[1]) }
        return Option(name: word, value: table.takesValue(word) ? rest.popFirst() : nil)
    }

    /// Reads a word of one-letter options, such as `-itp8080:80`. The first one that takes a value gets the rest of the word, and is
    /// the one returned.
    private mutating func short(_ word: String, _ table: OptionTable) -> Option {
        var letters = word.dropFirst()
        var last = "-"
        while let letter = letters.popFirst() {
            last = "-\(letter)"
            // A flag followed by its value, as in -d=true.
            if !table.takesValue(last), letters.hasPrefix("=") { break }
            guard table.takesValue(last) else { continue }
            if letters.isEmpty { return Option(name: last, value: rest.popFirst()) }
            return Option(name: last, value: String(letters.hasPrefix("=") ? letters.dropFirst() : letters))
        }
        return Option(name: last)
    }

    // MARK: Wrappers

    /// Skips programs that run another program, such as `sudo` and `env`.
    ///
    /// - Returns: the file name of the program that is run in the end; nil if unknown.
    mutating func skipWrappers(noting engine: inout CommandClient.Engine) -> String? {
        while let word = next() {
            let name = word.split(separator: "/").last.map(String.init) ?? word
            guard let wrapper = Wrapper.all[name] else { return name }
            while let option = option(wrapper.options) {
                // The wrapper splits one word into several, which cannot be followed here.
                if wrapper.splits.contains(option.name) { return nil }
            }
            if wrapper.takesAssignments { skipAssignments(&engine) }
            for _ in 0..<wrapper.operands { _ = next() }
        }
        return nil
    }

    private mutating func skipAssignments(_ engine: inout CommandClient.Engine) {
        while let word = rest.first, let sign = word.firstIndex(of: "="), sign != word.startIndex {
            rest.removeFirst()
            let value = String(word[word.index(after: sign)...])
            switch word[..<sign] {
            case "DOCKER_HOST", "CONTAINER_HOST": engine.hosts = value.isEmpty ? [] : [value]
            case "DOCKER_CONTEXT": engine.context = value.isEmpty ? nil : value
            default: break
            }
        }
    }
}

private struct Wrapper {
    var options = OptionTable(values: [])
    var takesAssignments = false
    /// Words between the options and the program.
    var operands = 0
    /// Options whose value is split into words.
    var splits: Set<String> = []

    static let all: [String: Wrapper] = [
        "sudo": Wrapper(
            options: OptionTable(values: [
                "-u", "-g", "-h", "-p", "-C", "-c", "-r", "-t", "-T", "-U", "-D", "-R", "-a", "--user", "--group",
                "--host",
                "--prompt", "--close-from", "--login-class", "--role", "--type", "--command-timeout", "--other-user",
                "--chdir", "--chroot", "--auth-type",
            ]), takesAssignments: true),
        "doas": Wrapper(options: OptionTable(values: ["-u", "-C", "-a"])),
        "env": Wrapper(
            options: OptionTable(values: ["-u", "--unset", "-C", "--chdir", "-S", "--split-string", "-a", "--argv0"]),
            takesAssignments: true, splits: ["-S", "--split-string"]),
        "nice": Wrapper(options: OptionTable(values: ["-n", "--adjustment"])),
        "ionice": Wrapper(options: OptionTable(values: ["-c", "--class", "-n", "--classdata"])),
        "nohup": Wrapper(), "setsid": Wrapper(),
        "stdbuf": Wrapper(options: OptionTable(values: ["-i", "--input", "-o", "--output", "-e", "--error"])),
        "time": Wrapper(options: OptionTable(values: ["-f", "--format", "-o", "--output"])),
        "timeout": Wrapper(
            options: OptionTable(values: ["-s", "--signal", "-k", "--kill-after"]), operands: 1),
    ]
}

/// Which options take the word behind them: either those that do are listed, or those that do not.
struct OptionTable {
    private let listed: Set<String>
    private let listedTakeValues: Bool

    init(values: Set<String>) { (listed, listedTakeValues) = (values, true) }
    init(flags: Set<String>) { (listed, listedTakeValues) = (flags, false) }

    func takesValue(_ name: String) -> Bool { listed.contains(name) == listedTakeValues }
}

/// Of docker 29, podman 5, nerdctl 2, Compose 2 and systemd 257.
extension OptionTable {
    static let docker = OptionTable(values: [
        "-H", "--host", "-c", "--context", "--config", "-l", "--log-level", "--tlscacert", "--tlscert", "--tlskey",
    ])

    static let podman = OptionTable(flags: [
        "-r", "--remote", "--syslog", "--noout", "--trace", "--transient-store", "-h", "--help", "-v", "--version",
    ])

    static let nerdctl = OptionTable(flags: [
        "--debug", "--debug-full", "--experimental", "--insecure-registry", "--kube-hide-dupe", "-h", "--help", "-v",
        "--version",
    ])

    static let run = OptionTable(flags: [
        "-d", "--detach", "-i", "--interactive", "-t", "--tty", "-P", "--publish-all", "-q", "--quiet", "--rm",
        "--init",
        "--privileged", "--read-only", "--no-healthcheck", "--oom-kill-disable", "--sig-proxy", "--use-api-socket",
        "--disable-content-trust", "--help", "--replace", "--rmi", "--no-hosts", "--no-hostname", "--tls-verify",
        "--http-proxy", "--env-host", "--read-only-tmpfs", "--passwd", "--rootfs", "--unsetenv-all",
    ])

    static let start = OptionTable(values: [
        "--detach-keys", "--checkpoint", "--checkpoint-dir", "-f", "--filter",
    ])

    static let exec = OptionTable(values: [
        "-e", "--env", "--env-file", "-u", "--user", "-w", "--workdir", "--detach-keys", "--preserve-fds",
        "--preserve-fd", "--cidfile",
    ])

    static let compose = OptionTable(values: [
        "-f", "--file", "-p", "--project-name", "--profile", "--env-file", "--project-directory", "--workdir",
        "--parallel", "--ansi", "--progress", "-H", "--host", "-c", "--context", "--log-level", "--podman-args",
        "--podman-path", "--podman-run-args",
    ])

    static let systemdRun = OptionTable(values: [
        "-u", "--unit", "-p", "--property", "--description", "--slice", "-H", "--host", "-M", "--machine",
        "--service-type", "--uid", "--gid", "--nice", "--working-directory", "-E", "--setenv", "--on-active",
        "--on-boot",
        "--on-startup", "--on-unit-active", "--on-unit-inactive", "--on-calendar", "--timer-property",
        "--path-property", "--socket-property", "--job-mode", "--background",
    ])
}
