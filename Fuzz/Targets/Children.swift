import FoundationEssentials
import Glibc
import Ledger
import Sampling

extension Target {
    /// What a child says that a driver's library has taken over.
    static let messages = Target(
        name: "messages", inputs: 1_500_000,
        corpus: Corpus(
            binary: ["workstation", "server", "mps"].flatMap { name -> [[UInt8]] in
                guard let text = try? Data(contentsOf: URL(filePath: "samples/\(name).json")),
                    let observation = try? Recording.decode(Array(text), path: name)
                else {
                    print("fuzz: samples/\(name).json is not here; run this from the top of the repository")
                    exit(64)
                }
                let frames = ChildMessages.frames(of: observation)
                // Each by itself, and all that a sample takes in one stream.
                return frames + [frames.flatMap(\.self)]
            },
            words: [
                "\u{0}\u{0}\u{0}\u{0}", "\u{1}\u{0}\u{0}\u{0}", "\u{7F}\u{7F}\u{7F}\u{7F}", "\u{2}", "nvidia", "GPU-",
                "docker", "\u{4}\u{0}\u{0}\u{0}",
            ], limit: 32768)
    ) { input in
        let reading = ChildMessages.read(input)
        if !reading.isSameAgain { return "a message is another one when it is sent on" }
        return wrongSnapshot(Snapshot(reading.observation), width: 1 + input.count % 200)
    }
}
