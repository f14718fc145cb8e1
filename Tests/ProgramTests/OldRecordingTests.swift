import Foundation
import TestSupport
import Testing

/// Tests/Recordings has recordings of version 0.1.0: sentences where reasons are now, and limits by container.
struct OldRecordingTests {
    @Test(
        "A recording of version 0.1.0 shows what one of today shows of the same host",
        arguments: ["server", "unified-memory", "in-container"],
        [["ledger"], ["--format", "json"], ["stats", "-a"], ["ps"], ["fit", "1GiB"]])
    func same(_ name: String, _ command: [String]) throws {
        func shown(_ file: String) throws -> ProgramResult {
            try run(command + ["--replay", Build.package.appending(path: file).path])
        }
        let (old, new) = (try shown("Tests/Recordings/\(name)-0.1.0.json"), try shown("samples/\(name).json"))
        #expect(reworded(old.output) == new.output)
        #expect(reworded(old.errors) == new.errors)
        #expect(old.code == new.code)
        #expect(old.output != "")
    }

    /// A recording holds an engine's error as the sentence of its version.
    private func reworded(_ text: String) -> String {
        text.replacing(
            "/var/run/docker.sock, so its containers have no names here: no such socket",
            with: "/var/run/docker.sock (no such socket): container names are unknown")
    }
}
