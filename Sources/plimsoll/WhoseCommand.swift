import ArgumentParser
import Glibc
import Ledger
import Rendering
import Sampling

struct WhoseCommand: DocumentedCommand {
    static let configuration = CommandConfiguration(
        commandName: "whose",
        abstract: "Show which container a PID belongs to",
        discussion: """
            PID is a PID of this host, or a PID inside a container. Without PIDs, reads text from standard input, such as a \
            pasted out-of-memory message, and finds the PIDs in the text.

            Exit code 0 if every PID is found, 1 if not, 2 if plimsoll cannot read the processes.

            Fields for --format: \(RowKind.whose.fieldList). .UnrecognizedCgroup is the cgroup of a process that is shown as \
            (host), if its kind is unknown: the process may be in a container. .NamespaceContainer is the container whose PID \
            namespace a process uses although its cgroup is the host's. \(RowKind.containerFields)
            """)

    static let help = CommandHelp(
        synopsis: "[OPTIONS] [PID...]", groups: [("Output", ["format"])],
        examples: [
            .init("The container of a PID from nvidia-smi", "plimsoll whose 4242"),
            .init("The container in an error message", "docker logs trainer 2>&1 | plimsoll whose"),
        ])

    @OptionGroup(title: HelpScreen.commonTitle) var host: ReplayOptions

    @Argument(help: "PIDs, separated by blanks or commas.", transform: PIDList.init)
    var pid: [PIDList] = []

    @Option(help: ArgumentHelp(RowFormat.help, valueName: "format"))
    var format = "table"

    mutating func run() throws {
        let format = try RowFormat(format, for: .whose)
        let isText = pid.isEmpty
        var once: Set<UInt32> = []
        var asked = (isText ? try pidsFromInput() : pid.flatMap(\.pids)).filter { once.insert($0).inserted }
        let source = try host.makeSource()
        var observation = source.observe()
        var threads: [UInt32: UInt32] = [:]
        if case .host(let sampler) = source { threads = lookUp(asked, &observation, sampler) }
        // A message can name a process and one of its threads: show the process once.
        if isText { asked.removeAll { threads[$0].map(once.contains) ?? false } }
        var snapshot = Snapshot(observation)
        var owners = Owners(observation, in: snapshot, threads: threads)
        let unknown = asked.filter { owners.owners(of: $0).isEmpty }
        if !unknown.isEmpty, case .host(let sampler) = source {
            let inside = sampler.processes(withInsidePIDs: Set(unknown))
            observation.processes += inside ?? []
            observation.cgroupOwners = sampler.cgroupOwners
            // The wanted process may be one that could not be read.
            if inside?.contains(where: { $0.namespacePIDs.isEmpty }) ?? true { observation.view.hidesProcesses = true }
            snapshot = Snapshot(observation)
            owners = Owners(observation, in: snapshot, threads: threads)
        }
        var rows: [Row] = []
        var found: [Ownership] = []
        var missing: [UInt32] = []
        for pid in asked {
            let meant = owners.owners(of: pid)
            if meant.isEmpty { missing.append(pid) }
            found += meant
            rows += meant.map { OwnershipRows.row($0, asked: pid, in: snapshot) }
        }
        if !rows.isEmpty {
            Output.write(try format.lines(rows, on: host.page, table: OwnershipRows.table(_:on:)))
        }
        Output.troubles(of: snapshot)
        Output.errors(OwnershipRows.remarks(found))
        let unreadable = host.common.unreadableProc(snapshot)
        Output.errors(missing.map { absence(of: $0, observation.view, unreadable) })
        (missing.isEmpty ? .done : unreadable != nil ? .impossible : Outcome.no).exit()
    }

    /// Adds the processes with these PIDs, and the processes of these threads, to the observation.
    ///
    /// - Returns: for each PID that is a thread, the PID of its process.
    private func lookUp(
        _ asked: [UInt32], _ observation: inout Observation, _ sampler: Sampler
    ) -> [UInt32: UInt32] {
        var known = Set(observation.processes.map(\.pid))
        func add(_ pids: Set<UInt32>) {
            let found = sampler.processes(pids.subtracting(known).sorted())
            observation.processes += found
            known.formUnion(found.map(\.pid))
        }
        add(Set(asked))
        let missing = asked.filter { !known.contains($0) }
        let threads = missing.isEmpty ? [:] : sampler.processes(ofThreads: missing)
        // If threads cannot be listed, a PID may exist all the same.
        if threads == nil { observation.view.hidesProcesses = true }
        add(Set((threads ?? [:]).values))
        observation.cgroupOwners = sampler.cgroupOwners
        return threads ?? [:]
    }

    private func absence(of pid: UInt32, _ view: ProcessView, _ unreadable: Reason?) -> String {
        if let unreadable { return "cannot look up PID \(pid): \(unreadable.text.cleaned)" }
        if host.replay != nil { return "PID \(pid) not found in this recording" }
        return view.seesEveryProcess
            ? "PID \(pid) not found on this host or in any of its containers"
            : "PID \(pid) not found; some processes may be hidden from here"
    }

    /// Maximum bytes of standard input: a million PIDs of seven digits.
    private static let inputLimit = 8 << 20

    private func pidsFromInput() throws -> [UInt32] {
        guard isatty(STDIN_FILENO) == 0 else {
            throw Failure.usage("no PID given; name a PID, or pipe in a message that contains one")
        }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            text += buffer[..<count]
            guard text.count <= Self.inputLimit else {
                Output.error("standard input is longer than \(Self.inputLimit >> 20) MiB; the rest was not read")
                text.removeLast(text.count - Self.inputLimit)
                // Drop a cut number: half a PID is another PID.
                while let last = text.last, UInt8(ascii: "0")...UInt8(ascii: "9") ~= last { text.removeLast() }
                break
            }
        }
        let found = pids(inMessage: String(decoding: text, as: UTF8.self))
        guard !found.isEmpty else {
            throw Failure.usage(
                "no PID found in standard input; use text such as 'Process 4242', or give the PID as an argument")
        }
        return found
    }
}
