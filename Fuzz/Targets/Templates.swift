import Ledger
import Rendering

extension Target {
    static let template = Target(
        name: "template", inputs: 400_000,
        corpus: Corpus(
            seeds: [
                "{{.Name}}", "table {{.Name}}\t{{.GPUMem}}", "{{json .}}",
                "{{if eq .GPU \"0\"}}{{.ID}}{{else}}-{{end}}",
                "{{range split .Name \"-\"}}{{.}},{{end}}", "{{upper .Name}} {{truncate .ID 4}} {{pad .Image 2 3}}",
                "{{join (split .Image \"/\") \"|\"}}", "{{.Label \"com.docker.compose.project\"}}", "{{- .Name -}}",
                "{{if and .Name (or .GPU .UUID) (not .PIDs)}}a{{else if ne .GPU \"1\"}}b{{end}}",
                "{{title `x`}}{{/* c */}}",
                "{{range $i, $x := split .Name \"\"}}{{$i}}{{end}}", "{{.Name | upper | json}}",
                "{{println .GPU}}{{len .Name}}",
            ],
            words: [
                "{{", "}}", "{{end}}", "{{else}}", "{{if .Name}}", "{{range split .Name \"\"}}", "(", ")", "|", "\"",
                "`", ".",
                ".Name", ".Bogus", "$", ":=", "json", "pad", "split", "join", "truncate", "eq", "-}}", "{{-", "\\",
                "\\t", "/*", "*/",
            ], limit: 4096)
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        let template: Template
        do throws(TemplateError) {
            template = try Template(text, for: .stats)
        } catch {
            // One behind the last, where something is missing at the end.
            return 1...text.count + 1 ~= error.position
                ? nil : "an error at character \(error.position) of \(text.count)"
        }
        do throws(TemplateError) {
            let lines = try template.lines(rows)
            let size = lines.reduce(0) { $0 + $1.utf8.count }
            let own = Set(text.unicodeScalars.filter(\.isUnsafe)).union(["\n", "\t"])
            if lines.contains(where: { $0.unicodeScalars.contains { $0.isUnsafe && !own.contains($0) } }) {
                return "an unsafe character of a name reaches the output"
            }
            return size <= 4 << 20 ? nil : "a template of \(input.count) bytes made \(size) of them"
        } catch {
            return 1...text.count + 1 ~= error.position
                ? nil : "an error at character \(error.position) of \(text.count)"
        }
    }

    /// Of a container with unsafe names, and of one that no engine knows.
    private static let rows: [Row] = {
        let ids = ["a", "b"].map { String(repeating: $0, count: 64) }
        var observation = Observation(time: 0, host: "h", view: ProcessView())
        let known = EngineContainer(
            id: ids[0], name: "web-1/x\u{9b}\r\n\u{2028}", image: "lab/web:1\u{202e}",
            labels: ["a": "b\u{e0041}"])
        observation.engines = [ObservedEngine(runtime: .docker, containers: [known])]
        observation.processes = zip([1, 2], ids).map { pid, id in
            ObservedProcess(pid: pid, startTick: 1, cgroup: .known("0::/docker/\(id)\n"), name: "python3")
        }
        observation.devices = [
            ObservedDevice(
                index: "0", uuid: "GPU-1", memory: .known(ObservedMemory(total: 1 << 34, used: 1 << 33, free: 1 << 33)),
                utilizationPercent: .known(5),
                compute: .read([ListedProcess(pid: 1, bytes: 1 << 30), ListedProcess(pid: 2, bytes: nil)]))
        ]
        return StatsRows(Snapshot(observation), truncates: true).rows(named: [], idle: true)
    }()
}
