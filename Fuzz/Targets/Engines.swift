import ContainerRuntimes
import Ledger
import Rendering

extension Target {
    private static let id = String(repeating: "0123456789abcdef", count: 4)

    static let engine = Target(
        name: "engine", inputs: 300_000,
        corpus: Corpus(
            seeds: [
                "HTTP/1.0 200 OK\r\nApi-Version: 1.47\r\nServer: Docker/27.3.1 (linux)\r\nContent-Type: application/json\r\n\r\n"
                    + #"[{"Id":"\#(id)","Names":["/trainer","/web/db"],"Image":"lab/trainer:1","Labels":{"com.docker.compose.project":"ai"},"State":"running"}]"#,
                "HTTP/1.1 200 OK\r\nLibpod-Api-Version: 4.3.1\r\nContent-Length: 2\r\n\r\n[]",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
                "HTTP/1.0 500 Internal Server Error\r\n\r\n{\"message\":\"no\"}", "HTTP/1.0 200 OK\n\n[{\"Id\":1}]",
                "HTTP/1.0 200 OK\r\n\r\n[{\"Id\":\"\(id)\",\"Names\":null,\"Labels\":null}]",
            ],
            words: [
                "\r\n", "\r\n\r\n", "HTTP/1.1 ", "Content-Length: ", "Transfer-Encoding: chunked", "[", "]", "{", "}",
                "\"",
                "\\u001b", "\\ud800", "\"Id\":", "\"Names\":", "\"Labels\":", "\"Image\":", "null", ",",
            ])
    ) { input in
        guard let containers = try? DockerEngine.containers(answer: input, socket: "/run/docker.sock") else {
            return nil
        }
        let engine = ObservedEngine(runtime: .docker, containers: containers)
        if containers.count > input.filter({ $0 == UInt8(ascii: "{") }).count {
            return "more containers than were told"
        }
        // Every one of them holds something, and is shown.
        var observation = Observation(time: 0, host: "h", view: ProcessView(), engines: [engine])
        var listed: [ListedProcess] = []
        for (index, container) in engine.containers.enumerated() where container.id.count == 64 {
            let pid = UInt32(index + 1)
            listed.append(ListedProcess(pid: pid, bytes: 1 << 20))
            observation.processes.append(
                ObservedProcess(pid: pid, startTick: 1, cgroup: .known("0::/docker/\(container.id)\n"), name: "x"))
        }
        observation.devices = [
            ObservedDevice(
                index: "0", memory: .known(ObservedMemory(total: 1 << 34, used: 1 << 33, free: 1 << 33)),
                utilizationPercent: .unknown(.fact(.notAsked)), compute: .read(listed))
        ]
        return wrongSnapshot(Snapshot(observation), width: 20 + input.count % 120)
    }
}

extension Target {
    static let response = Target(
        name: "response", inputs: 500_000,
        corpus: Corpus(
            seeds: [
                "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nServer: x\r\n\r\n[{\"Id\":\"a\"}]",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\ntransfer-encoding:\tChunked\n\n1;a=b\r\n[\r\n00a\n123456789A\n0\nX: y\n\n",
                "HTTP/1.0 200\r\nA: b\r\n c\r\n\r\nto the end", "HTTP/1.1 204 No Content\r\n\r\nnot read",
            ],
            words: [
                "\r\n", "\n", "\r\n\r\n", "HTTP/1.1 ", "Content-Length: ", "Transfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
                "7fffffffffffffff", ";", ":", " ", "\t", ", ", "103", "101", "304",
            ])
    ) { input in
        var whole = ResponseParser()
        whole.take(input)
        whole.end()
        var parts = ResponseParser()
        var rest = input[...]
        while let first = rest.first {
            let part = rest.prefix(1 + Int(first) % 7)
            parts.take(Array(part))
            rest = rest[part.endIndex...]
        }
        parts.end()
        if whole.state == .needsMore { return "neither an answer nor a fault" }
        if whole.state != parts.state { return "in parts it is \(parts.state), and whole \(whole.state)" }
        guard case .complete(let response) = whole.state else { return nil }
        return response.body.count > input.count ? "a body that is longer than what came" : nil
    }
}

/// What holds for every snapshot, whatever it was made of.
func wrongSnapshot(_ snapshot: Snapshot, width: Int) -> String? {
    for (place, device) in snapshot.devices.enumerated() {
        let ledger = device.ledger
        if let used = device.memory.used, device.memory.kind == .dedicated, let containers = ledger.containers,
            let host = ledger.host, let gone = ledger.gone, let hidden = ledger.hidden,
            let instances = ledger.instances,
            let unattributed = ledger.unattributed
        {
            let sum = [containers, host, gone, hidden, instances, unattributed].reduce(Bytes(0)) { $0.adding($1) }
            if sum != used { return "the ledger of device \(place) adds up to \(sum), and \(used) is used" }
        }
        if let total = device.memory.total, let used = device.memory.used, let reserved = device.memory.reserved,
            let free = device.memory.free, device.memory.kind == .dedicated, used.adding(reserved).adding(free) != total
        {
            return "used, reserved and free of device \(place) are not its total"
        }
    }
    let page = Page(width: width)
    let stats = StatsRows(snapshot, truncates: true).rows(named: [], idle: true)
    let lines =
        LedgerScreen(snapshot, warn: 0.9).lines(on: page) + StatsRows.table(stats, on: page).lines(on: page)
        + ProcessRows.table(ProcessRows.rows(snapshot, truncates: true, commands: nil), on: page).lines(on: page)
    if let wrong = wrongLines(lines, width: width) { return wrong }
    return readingBack(snapshot)
}
