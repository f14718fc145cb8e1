import Foundation
import Testing

/// Compares a text with the file of that name under Tests/Golden. `RENEW_GOLDEN=1 swift test` writes the files anew: read
/// the difference before you commit it.
package func expectGolden(
    _ text: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let file = Build.package.appending(path: "Tests/Golden/\(name)")
    if ProcessInfo.processInfo.environment["RENEW_GOLDEN"] != nil {
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
        return
    }
    let expected = try? String(contentsOf: file, encoding: .utf8)
    #expect(text == expected, "Tests/Golden/\(name)", sourceLocation: sourceLocation)
}
