import Foundation
import TestSupport
import Testing

private let workstation = Build.package.appending(path: "samples/workstation.json").path
private let server = Build.package.appending(path: "samples/server.json").path

/// The command line itself: help, wrong usage, and options that work alike everywhere.
struct CommandLineTests {
    private static let commands = [
        "ledger", "stats", "ps", "whose", "fit", "wait", "check", "alloc", "run", "capture", "measure",
    ]

    @Test("Help shows own options first, common options last, and examples", arguments: commands)
    func help(_ command: String) throws {
        let result = try run([command, "--help"])
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(lines[0].hasPrefix("Usage:  plimsoll \(command) "))
        let titles = lines.filter { $0.wholeMatch(of: /[A-Z][A-Za-z ]*:/) != nil }
        #expect(titles.suffix(2) == ["Common options:", "Examples:"])
        #expect(lines.allSatisfy { $0.count <= 100 }, "\(lines.filter { $0.count > 100 })")
        #expect(try run(["help", command]).output == result.output)
        let replays = !["check", "alloc", "run", "measure"].contains(command)
        #expect(result.output.contains("--replay FILE") == replays)
    }

    @Test("Help is shown on a page of any width", arguments: [1, 20, 26, 28])
    func narrowHelp(_ columns: Int) throws {
        for command in Self.commands {
            let result = try run([command, "--help"], environment: ["COLUMNS": "\(columns)"])
            #expect(result.code == 0)
            #expect(result.output.contains("plimsoll"))
            #expect(result.errors == "")
        }
    }

    @Test("Every example in a help screen is a command line that plimsoll accepts", arguments: commands)
    func examples(_ command: String) throws {
        let examples = try run([command, "--help"]).output.components(separatedBy: "Examples:\n")[1]
        let words = examples.split(separator: "\n").filter { !$0.contains("# ") }
        #expect(!words.isEmpty)
        for line in words { #expect(line.contains("plimsoll") || line.contains("| head"), "\(line)") }
    }

    @Test("Under docker gpu, help names what is typed there")
    func plugin() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let plugin = scratch.path("docker-gpu")
        try FileManager.default.createSymbolicLink(atPath: plugin, withDestinationPath: Build.plimsoll)
        let help = try run(program: plugin, ["gpu", "stats", "--help"]).output
        #expect(help.hasPrefix("Usage:  docker gpu stats "))
        #expect(help.contains("docker gpu stats --no-stream"))
        #expect(try run(program: plugin, ["gpu", "-v"]).output == "0.1.0\n")
    }

    @Test(
        "A mistyped name is answered with the one that was probably meant",
        arguments: [
            (["stat"], "unknown command 'stat' (did you mean 'stats'?)"),
            (["help", "nosuch"], "unknown command 'nosuch'; commands: ledger, stats"),
            (["stats", "--interval", "1ms"], "--interval must be from 100ms to 1d; 1ms was given"),
            (["fit", "-1"], "'-1' is not accepted: it must not be negative"),
            (["ledger", "--warn", "-5"], "'-5' is not accepted: it must not be negative"),
            (["fit", "8.5.5GiB"], "'8.5.5' is not a number"),
            (["ps", "-q", "--format", "json"], "--quiet prints only PIDs: remove it or --format"),
            (["ps", "--format", "{{.Contaner}}"], "unknown field .Contaner (did you mean 'Container'?); fields: .PID"),
            (["ps", "--format", "{{.Command}}"], "to print command lines, add --command"),
            (
                ["ps", "--format", "xml"],
                "unknown format 'xml'; use table, json, csv, or a template such as '{{.PID}}'"
            ),
            (["ps", "--format", ".PID .Name"], "such as '{{.PID}} {{.Name}}'"),
            (["stats", "--filter", "nme=x"], "unknown filter 'nme' (did you mean 'name'?); use id, name"),
            (["stats", "--filter", "name"], "--filter 'name' has no value; use KEY=VALUE"),
            (["alloc", "10x10", "--dtype", "float31"], "Unknown type 'float31' (did you mean 'float32'?)"),
            (["check", "--replay", "x"], "'check' does not take --replay: it uses this host"),
            (["fit", "8GiB", "--timeout", "2h"], "--timeout must be from 1ms to 1h"),
            (["ledger", "--format", "json", "0"], "--format json always has all GPUs"),
        ])
    func mistyped(_ arguments: [String], _ message: String) throws {
        let result = try run(arguments)
        #expect(result.code == 64)
        #expect(result.output == "")
        #expect(result.errors.contains(message), "\(result.errors)")
        #expect(result.errors.contains("\n  Usage:  plimsoll"))
        #expect(result.errors.contains("--help' for more information."))
    }

    @Test("A container or GPU that is not there is answered with what there is")
    func absent() throws {
        let container = try run(["stats", "trainllm", "--replay", server])
        #expect(container.code == 1)
        #expect(
            container.errors.contains("no running container has the name or id trainllm (did you mean 'train-llm'?)"))
        let gpu = try run(["ledger", "9", "--replay", workstation])
        #expect(gpu.code == 1)
        #expect(gpu.errors == "plimsoll: no GPU 9; choose 0 or 1\n")
        let partitioned = try run(["fit", "1GiB", "--gpu", "7", "--replay", server])
        #expect(partitioned.code == 1)
        #expect(partitioned.errors.contains("no program runs on the GPU itself; choose 7:0 or 7:1"))
    }

    @Test("Common options are accepted before the command, as Docker's are")
    func hoisted() throws {
        let after = try run(["ps", "--replay", workstation])
        #expect(after.code == 0)
        #expect(try run(["--replay", workstation, "ps"]).output == after.output)
        #expect(try run(["--no-color", "--replay=\(workstation)", "ps"]).output == after.output)
        #expect(try run(["--timeout", "500ms", "ps", "--replay", workstation]).output == after.output)
    }

    @Test("8G is 8GiB, 8GB is 8 billion bytes, and 8 bytes are warned of")
    func sizes() throws {
        func fits(_ size: String) throws -> ProgramResult { try run(["fit", size, "--replay", workstation]) }
        #expect(try fits("4G").output == fits("4GiB").output)
        #expect(try fits("4G").output.contains("RTX 4090"))
        // 4.298GiB are free: 4.4GiB do not fit, 4.4GB do.
        #expect(try fits("4.4G").code == 1)
        #expect(try fits("4.4GB").code == 0)
        #expect(try fits("8").errors == "plimsoll: 8 means 8 bytes; for gibibytes, write 8GiB\n")
    }

    @Test("ps takes containers and filters, and -q prints PIDs alone")
    func processes() throws {
        func ps(_ arguments: String...) throws -> String {
            try run(["ps", "--format", "{{.PID}}", "--replay", workstation] + arguments).output
        }
        #expect(try ps("ollama") == "4242\n")
        #expect(try ps("--filter", "name=ollama") == "4242\n")
        #expect(try ps("--filter", "gpu=1", "--filter", "user=mia") == "7001\n")
        #expect(try ps("--filter", "name=ollama", "--filter", "name=jupyter") == "4242\n7001\n")
        let all = try run(["ps", "-q", "--replay", workstation]).output
        #expect(all.split(separator: "\n").allSatisfy { UInt32($0) != nil })
        #expect(try run(["ps", "nobody", "--replay", workstation]).code == 1)
    }

    @Test("csv has a header, a record per row, and numbers in bytes")
    func csv() throws {
        let lines = try run(["stats", "--format", "csv", "--replay", workstation]).output.split(separator: "\n")
        #expect(lines[0].hasPrefix("ID,Name,Image,Runtime,GPU,"))
        #expect(lines[0].contains(",GPUMemBytes,GPUTotalBytes,"))
        #expect(lines.count == 7)
        #expect(lines[1].contains(",ollama,"))
        #expect(lines[1].contains(",13511950336,25757220864,"))
    }

    @Test("stats and ps name the same fields alike, and the old names stay")
    func fields() throws {
        let fields = "{{.ContainerID}} {{.ContainerName}} {{.Image}} {{.GPU}} {{.GPUMem}} {{.GPUTotal}} {{.GPUPerc}}"
        let stats = try run(["stats", "ollama", "--format", fields, "--replay", workstation]).output
        #expect(stats == "3250940e3318 ollama ollama/ollama:0.12.6 0 12.58GiB 23.99GiB 52.46%\n")
        #expect(try run(["ps", "ollama", "--format", fields, "--replay", workstation]).output == stats)
        let util = try run(["stats", "ollama", "--format", "{{.Name}} {{.ID}} {{.GPUUtil}}", "--replay", workstation])
        #expect(util.output == "ollama 3250940e3318 64%\n")
    }

    @Test("More than three devices are an overview; named GPUs and --detail are ledgers")
    func overview() throws {
        let overview = try run(["--replay", server]).output
        #expect(overview.contains("\nHOLDER "))
        #expect(overview.contains("278.9GiB\n"), "what train-llm holds on all GPUs")
        let two = try run(["ledger", "7", "7:1", "--replay", server]).output
        #expect(two.components(separatedBy: " total\n").count == 3)
        #expect(!two.contains("HOLDER"))
        let detail = try run(["ledger", "--detail", "--replay", server]).output
        #expect(detail.components(separatedBy: " total\n").count == 11)
        #expect(try run(["--detail", "--replay", server]).output == detail)
    }

    @Test("stats --by container has one row per container, and -a a total")
    func byContainer() throws {
        let rows = try run(["stats", "--by", "container", "-a", "--replay", server]).output.split(separator: "\n")
        #expect(rows.filter { $0.contains("train-llm") }.count == 1)
        #expect(rows.contains { $0.contains("train-llm") && $0.contains("278.9GiB / 320GiB") })
        #expect(rows.contains { $0.contains(" total ") && $0.contains("434.9GiB / 640GiB") })
    }

    @Test("Nothing is concluded without /proc: exit code 2")
    func noProc() throws {
        let whose = try run(["whose", "7", "--procfs", "/nowhere"])
        #expect(whose.code == 2)
        #expect(whose.errors.contains("cannot look up PID 7: /nowhere: No such file or directory"))
        let check = try run(["check", "--procfs", "/nowhere", "--nvml-library", "/nowhere.so"])
        #expect(check.code == 2)
        #expect(check.output.hasPrefix("Cannot say whether a GPU can be used here."))
    }

    @Test("Without a driver: the problem first, then what to do, the details last")
    func noDriver() throws {
        let errors = try run(["--timeout", "2s"]).errors
        guard errors.contains("no NVIDIA driver library found") else { return }
        let lines = errors.split(separator: "\n").map(String.init)
        #expect(lines[0] == "plimsoll: nvml: no NVIDIA driver library found")
        #expect(lines[1].contains("install the driver"))
        #expect(lines[4].hasPrefix("  Searched: "))
    }

    @Test("--debug says what was read and how each process was attributed", arguments: [true, false])
    func debug(_ byOption: Bool) throws {
        let result = try run(
            (byOption ? ["--debug"] : []) + ["ps", "--replay", workstation],
            environment: byOption ? [:] : ["PLIMSOLL_DEBUG": "1"])
        #expect(result.output == (try run(["ps", "--replay", workstation]).output))
        #expect(result.errors.contains("source nvml: "))
        #expect(result.errors.contains("PID 4242 (ollama) on GPU 0: 13511950336 bytes, holder container 3250940e3318"))
        #expect(try run(["ps", "--replay", workstation]).errors == "")
        let live = try run(["--debug", "--timeout", "2s"])
        #expect(live.errors.contains("child processes: "))
        #expect(live.errors.contains("container engines: "))
    }

    @Test("A negative number after -- is not taken for the missing value")
    func afterDashes() throws {
        let result = try run(["wait", "8GiB", "--for", "--", "-5"])
        #expect(result.code == 64)
        #expect(result.errors.hasPrefix("plimsoll: Missing value for '--for <duration>'"), "\(result.errors)")
        #expect(!result.errors.contains("'-5' is not accepted"))
    }

    @Test("A page that is too narrow names the columns that it leaves out")
    func narrow() throws {
        let result = try run(["ps", "--replay", workstation], environment: ["COLUMNS": "40"])
        #expect(result.output.contains("columns not shown (terminal too narrow):"))
        #expect(
            try !run(["ps", "--replay", workstation], environment: ["COLUMNS": "120"]).output.contains("not shown"))
    }
}
