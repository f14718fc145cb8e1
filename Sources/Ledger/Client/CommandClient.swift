/// What a command asks another program to start: `docker run` asks an engine, `systemd-run` asks systemd. The started
/// processes are not descendants of the command.
///
/// Only names are kept of the command's words, because the others can contain secrets.
package struct CommandClient: Sendable, Equatable {
    package enum Program: String, Sendable {
        case docker, podman, nerdctl, systemd
    }

    package enum Action: Sendable, Equatable {
        /// Starts a new container, with this name if the words say one.
        case run(name: String?)
        /// Starts the containers of a Compose project.
        case compose(project: String?)
        /// Starts containers that are there, by names or beginnings of ids.
        case start([String])
        /// Starts a process in a container that runs.
        case exec(String)
        /// Starts a transient service, with this name if the words say one.
        case unit(String?)
    }

    package var program: Program
    package var action: Action
    /// The engine that the words name. These can hold secrets and are shown nowhere.
    package var engine: Engine

    package struct Engine: Sendable, Equatable {
        package var hosts: [String]
        package var context: String?

        package init(hosts: [String] = [], context: String? = nil) {
            self.hosts = hosts
            self.context = context
        }
    }

    package init(program: Program, action: Action, engine: Engine = Engine()) {
        self.program = program
        self.action = action
        self.engine = engine
    }

    /// - Parameter words: the command and its arguments; nil if it is no such client, or starts nothing.
    package init?(_ words: [String]) {
        var words = ClientWords(words[...])
        var engine = Engine()
        guard let name = words.skipWrappers(noting: &engine) else { return nil }
        switch name {
        case "docker": self.init(.docker, &words, .docker, engine)
        case "podman": self.init(.podman, &words, .podman, engine)
        case "nerdctl": self.init(.nerdctl, &words, .nerdctl, engine)
        case "docker-compose": self.init(compose: .docker, &words, engine)
        case "podman-compose": self.init(compose: .podman, &words, engine)
        case "systemd-run": self.init(systemd: &words)
        default: return nil
        }
    }

    private init?(_ program: Program, _ words: inout ClientWords, _ globals: OptionTable, _ engine: Engine) {
        var engine = engine
        while let option = words.option(globals) {
            guard let value = option.value, !value.isEmpty else { continue }
            switch option.name {
            case "-H", "--host", "--url": engine.hosts.append(value)
            // Podman's -c names a connection, which is no context of Docker's.
            case "-c", "--context": if program == .docker { engine.context = value }
            default: break
            }
        }
        if program == .nerdctl { engine = Engine() }
        var command = words.next()
        if command == "compose" {
            self.init(compose: program, &words, engine)
            return
        }
        if command == "container" { command = words.next() }
        guard let command, let action = Self.action(command, &words) else { return nil }
        self.init(program: program, action: action, engine: engine)
    }

    private static func action(_ command: String, _ words: inout ClientWords) -> Action? {
        switch command {
        case "run":
            var name: String?
            while let option = words.option(.run) { if option.name == "--name" { name = option.value } }
            return .run(name: name?.nonEmpty)
        case "start":
            var names: [String] = []
            while !words.isEmpty {
                if words.option(.start) == nil, let name = words.next() { names.append(name) }
            }
            return .start(names.filter { !$0.isEmpty })
        case "exec":
            while words.option(.exec) != nil {}
            return words.next()?.nonEmpty.map { .exec($0) }
        default: return nil
        }
    }

    private init?(compose program: Program, _ words: inout ClientWords, _ engine: Engine) {
        var project: String?
        while let option = words.option(.compose) {
            if ["-p", "--project-name"].contains(option.name) { project = option.value }
        }
        guard let command = words.next(), ["run", "up", "start", "create"].contains(command) else { return nil }
        self.init(program: program, action: .compose(project: project?.nonEmpty), engine: engine)
    }

    private init?(systemd words: inout ClientWords) {
        var unit: String?
        while let option = words.option(.systemdRun) {
            switch option.name {
            // The command is then our descendant.
            case "--scope": return nil
            // Another machine's, or a container's systemd.
            case "-H", "--host", "-M", "--machine": return nil
            case "-u", "--unit": unit = option.value?.nonEmpty
            default: break
            }
        }
        let name = unit.map { $0.hasSuffix(".service") ? $0 : "\($0).service" }
        self.init(program: .systemd, action: .unit(name))
    }
}

extension String {
    fileprivate var nonEmpty: String? { isEmpty ? nil : self }
}
