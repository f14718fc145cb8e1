import ArgumentParser
import Ledger
import Sampling

struct CaptureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture",
        abstract: "Record what was read of this machine, for a bug report or --replay.",
        discussion: """
            The recording holds names of this host, its users, containers, images and processes, their cgroup paths and \
            their amounts of memory; no command lines, no environment, and of the containers' labels only Compose's two. With \
            --redact, placeholders such as name1 take the place of these names.
            """)

    @OptionGroup var host: HostOptions

    @Argument(help: "Where to; - is standard output.")
    var file: String

    @Flag(help: "Replace names of the host, users, containers, images, processes and paths by placeholders.")
    var redact = false

    mutating func run() throws {
        let source = try host.makeSource()
        let told = source.observe()
        let observation = redact ? told.redacted : told
        source.finish()
        do {
            let bytes = try Recording(observation, program: "plimsoll \(Plimsoll.version)").json()
            if file == "-" {
                Output.write(bytes)
            } else {
                try OutputFile(file, .recording).write(bytes, within: host.deviceTimeout())
            }
        } catch let error as RecordingError {
            throw Failure.impossible(error)
        }
        Output.troubles(of: Snapshot(told))
        Outcome.done.exit()
    }
}
