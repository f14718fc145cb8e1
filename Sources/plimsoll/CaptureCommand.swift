import ArgumentParser
import Ledger
import Sampling

struct CaptureCommand: DocumentedCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture",
        abstract: "Record what plimsoll reads, for a bug report or --replay",
        discussion: """
            The recording contains the names of this host, its users, containers, images and processes, their cgroup paths \
            and how much GPU memory they use. It contains no command lines, no environment variables, and no labels except \
            com.docker.compose.project and com.docker.compose.service. With --redact, placeholders such as name1 replace the names.
            """)

    static let help = CommandHelp(
        synopsis: "[OPTIONS] FILE", groups: [("Output", ["redact"])],
        examples: [
            .init("Record this host for a bug report", "plimsoll capture --redact report.json"),
            .init("Show a recording", "plimsoll --replay report.json"),
        ])

    @OptionGroup(title: HelpScreen.commonTitle) var host: ReplayOptions

    @Argument(help: "File to write; - for standard output.")
    var file: String

    @Flag(help: "Replace names of the host, users, containers, images, processes and paths with placeholders.")
    var redact = false

    mutating func run() throws {
        let source = try host.makeSource()
        let original = source.observe()
        let observation = redact ? original.redacted : original
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
        let snapshot = Snapshot(original)
        Output.troubles(of: snapshot)
        if file != "-", snapshot.sources.contains(where: { !$0.ok }) {
            Output.error("wrote \(file.cleaned), without what could not be read")
        }
        Outcome.done.exit()
    }
}
