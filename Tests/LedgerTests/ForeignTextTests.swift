import Testing

@testable import Ledger

struct ForeignTextTests {
    @Test("Control and format characters and separators are unsafe, and nothing that people write with is")
    func unsafe() {
        let unsafe: [Unicode.Scalar] = [
            "\0", "\n", "\t", "\r", "\u{1b}", "\u{7f}", "\u{80}", "\u{85}", "\u{9b}", "\u{9f}", "\u{ad}", "\u{61c}",
            "\u{200b}",
            "\u{200d}", "\u{202a}", "\u{202e}", "\u{2028}", "\u{2029}", "\u{2066}", "\u{feff}", "\u{fff9}", "\u{e0001}",
            "\u{e0041}",
        ]
        for scalar in unsafe { #expect(scalar.isUnsafe, "U+\(String(scalar.value, radix: 16))") }
        for scalar in "aZ09 ~!é模ש😀\u{a0}\u{301}\u{fe0f}".unicodeScalars { #expect(!scalar.isUnsafe, "\(scalar)") }
        #expect("a\r\nb\u{e0041}".cleaned == "a??b?")
        #expect("größe 模型".cleaned == "größe 模型")
    }

    @Test("A long text is cut between two characters")
    func capped() {
        #expect("abc".capped(at: 3) == "abc")
        #expect("abcd".capped(at: 3) == "abc…")
        #expect("aéé".capped(at: 2) == "a…")
        #expect("aéé".capped(at: 3) == "aé…")
        #expect("😀😀".capped(at: 3) == "…")
        #expect("".capped(at: 0) == "")
    }

    @Test("JSON text keeps its meaning when unsafe characters are escaped")
    func escaped() {
        func escaped(_ text: String) -> String { String(decoding: Array(text.utf8).escapedAsJSON, as: UTF8.self) }
        #expect(escaped("{\n  \"a\" : \"\\n\"\n}") == "{\n  \"a\" : \"\\n\"\n}")
        #expect(escaped("\"\u{7f}\u{9b}é\u{e0041}\"") == "\"\\u007f\\u009bé\\udb40\\udc41\"")
    }

    @Test("A container has no more labels, and no longer texts, than containers have")
    func containers() {
        let labels = Dictionary(uniqueKeysWithValues: (0..<5000).map { ("key\(1_000_000 + $0)", "v") })
        let long = String(repeating: "x", count: 100_000)
        let container = EngineContainer(id: long, name: long, image: long, labels: labels).bounded
        #expect(container.labels.count == CountLimit.labels && container.labels["key1000000"] == "v")
        #expect(container.name == long.prefix(TextLimit.containerName) + "…")
        #expect(container.id.utf8.count < 300 && container.image!.utf8.count < 600)
        let labelled = EngineContainer(id: "a", name: nil, image: nil, labels: ["k": long, long: "v"]).bounded
        #expect(labelled.labels["k"]?.utf8.count == TextLimit.label + 3)
        let plain = EngineContainer(id: "a", name: "b", image: "c", labels: ["k": "v"])
        #expect(plain.bounded == plain)
    }

    @Test("A cgroup path with a name that no folder can have names no container")
    func paths() {
        let long = String(repeating: "x", count: 256)
        #expect(CgroupMembership(cgroup: "0::/lxc.payload.\(long)").innermost == nil)
        #expect(CgroupMembership(cgroup: "0::/lxc.payload.web").innermost?.id == "web")
    }

    @Test("Of a recording a list that is too long has failed, and an error is on one line")
    func recordings() {
        let processes = (1...UInt32(CountLimit.listedProcesses) + 1).map { ListedProcess(pid: $0, bytes: 1) }
        let device = ObservedDevice(
            index: "0", memory: .unknown(.fact(.notAsked)), utilizationPercent: .unknown(.fact(.notAsked)),
            compute: .read(processes))
        let observation = Observation(
            time: 0, host: "h", view: ProcessView(), devices: [device],
            sources: [SourceReport(name: "a\nb", seconds: 0, error: .other("looked for\n  x\nIf\u{9b}"))]
        ).bounded
        #expect(observation.devices[0].compute == .tooLong(processes.count))
        #expect(observation.sources[0].error == .other("looked for x If?"))
        #expect(observation.sources[0].name == "a?b")
    }
}
