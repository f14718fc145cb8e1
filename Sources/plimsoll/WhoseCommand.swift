import ArgumentParser
import Glibc
import Ledger
import Rendering
import Sampling

struct WhoseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "whose",
        abstract: "The container of a PID: the host's, one seen inside a container, or of an error message.",
        discussion: """
            Without PIDs it reads text from standard input, such as a pasted out-of-memory message, and finds them there. \
            Exit code 1 if a PID is not found.

            Fields for --format: .Asked .PID .InsidePID .User .GPU .GPUMem .ContainerID .Container .Image .Name .LikelyID \
            .Verified; .UnrecognizedCgroup (the scope of a process of the host, if its kind is not known); .NamespaceContainer \
            (the container whose PID namespace a process of the host is in).
            """)

    @OptionGroup var host: HostOptions

    @Argument(help: "Process ids.")
    var pid: [PIDList] = []

    @Option(help: ArgumentHelp("table, json (an object a line) or a Go-style template.", valueName: "format"))
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
        // A message names a process and the thread of it that failed.
        if isText { asked.removeAll { threads[$0].map(once.contains) ?? false } }
        var snapshot = Snapshot(observation)
        var owners = Owners(observation, in: snapshot, threads: threads)
        let unknown = asked.filter { owners.owners(of: $0).isEmpty }
        if !unknown.isEmpty, case .host(let sampler) = source {
            let inside = sampler.processes(withInsidePIDs: Set(unknown))
            observation.processes += inside ?? []
            observation.cgroupOwners = sampler.cgroupOwners
            // One that could not be read may be the one that is meant.
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
            Output.write(try format.lines(rows, on: host.page, table: { rows, _ in OwnershipRows.table(rows) }))
        }
        Output.troubles(of: snapshot)
        Output.errors(OwnershipRows.remarks(found))
        Output.errors(missing.map { absence(of: $0, observation.view) })
        (missing.isEmpty ? .done : Outcome.no).exit()
    }

    /// Adds the processes with these PIDs, and those with these threads.
    ///
    /// - Returns: the process of each that is a thread.
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
        // One that could not be looked for may be there.
        if threads == nil { observation.view.hidesProcesses = true }
        add(Set((threads ?? [:]).values))
        observation.cgroupOwners = sampler.cgroupOwners
        return threads ?? [:]
    }

    private func absence(of pid: UInt32, _ view: ProcessView) -> String {
        if host.replay != nil { return "PID \(pid) not found in this recording" }
        return view.seesEveryProcess
            ? "PID \(pid) not found on this host or in any of its containers"
            : "PID \(pid) not found; some processes may be hidden from here"
    }

    /// Bytes of standard input that are read: a million PIDs of seven digits.
    private static let inputLimit = 8 << 20

    private func pidsFromInput() throws -> [UInt32] {
        guard isatty(STDIN_FILENO) == 0 else { throw Failure.usage("which PID? Name one, or pipe in the message") }
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
                // Half a number is another number.
                while let last = text.last, UInt8(ascii: "0")...UInt8(ascii: "9") ~= last { text.removeLast() }
                break
            }
        }
        let found = pids(inMessage: String(decoding: text, as: UTF8.self))
        guard !found.isEmpty else { throw Failure.usage("there is no PID in what was piped in") }
        return found
    }
}
