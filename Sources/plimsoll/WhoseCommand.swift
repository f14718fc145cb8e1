import ArgumentParser
import Glibc
import Ledger
import Rendering

struct WhoseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "whose",
        abstract: "The container of a PID: the host's, one seen inside a container, or of an error message.",
        discussion: """
            Without PIDs it reads text from standard input, such as a pasted out-of-memory message, and finds them there. \
            Exit code 1 where a PID is nobody's.

            Fields for --format: .Asked .PID .InsidePID .User .GPU .GPUMem .ContainerID .Container .Image .Name.
            """)

    @OptionGroup var host: HostOptions

    @Argument(help: "Process ids.")
    var pid: [UInt32] = []

    @Option(help: ArgumentHelp("table, json (an object a line) or a Go-style template.", valueName: "format"))
    var format = "table"

    mutating func run() throws {
        let format = try RowFormat(format, for: .whose)
        let asked = pid.isEmpty ? try pidsFromInput() : pid
        let source = try host.makeSource()
        var observation = source.observe()
        if case .host(let sampler) = source {
            let listed = Set(observation.processes.map(\.pid))
            observation.processes += sampler.processes(asked.filter { !listed.contains($0) })
        }
        var snapshot = Snapshot(observation)
        let unknown = asked.filter { observation.owners(of: $0, in: snapshot).isEmpty }
        if !unknown.isEmpty, case .host(let sampler) = source {
            observation.processes += sampler.processes(withInsidePIDs: Set(unknown))
            snapshot = Snapshot(observation)
        }
        var rows: [Row] = []
        var nobodys: [UInt32] = []
        for pid in asked {
            let owners = observation.owners(of: pid, in: snapshot)
            if owners.isEmpty { nobodys.append(pid) }
            rows += owners.map { OwnershipRows.row($0, asked: pid, in: snapshot) }
        }
        if !rows.isEmpty {
            Output.write(try format.lines(rows, on: host.page, table: { rows, _ in OwnershipRows.table(rows) }))
        }
        Output.troubles(of: snapshot)
        for pid in nobodys { Output.error("PID \(pid) is nobody's: \(absence(observation.view))") }
        (nobodys.isEmpty ? .done : Outcome.no).exit()
    }

    private func absence(_ view: ProcessView) -> String {
        if host.replay != nil { return "not in this recording" }
        return view.seesEveryProcess
            ? "not on this host, and in none of its containers"
            : "not that can be seen from here, where other processes may be hidden"
    }

    private func pidsFromInput() throws -> [UInt32] {
        guard isatty(STDIN_FILENO) == 0 else { throw Failure.usage("which PID? Name one, or pipe in the message") }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while text.count < 1 << 20 {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            text += buffer[..<count]
        }
        let found = pids(inMessage: String(decoding: text, as: UTF8.self))
        guard !found.isEmpty else { throw Failure.usage("there is no PID in what was piped in") }
        return found
    }
}
