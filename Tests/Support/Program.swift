import Foundation

/// The programs of this build, beside the test bundle itself.
package enum Build {
    package static let folder: URL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent()
    package static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    package static let plimsoll = folder.appending(path: "plimsoll").path
}

package struct ProgramResult: Sendable {
    package var output: String
    package var errors: String
    /// The exit code; 128 + N for an end by signal N.
    package var code: Int32
    package var seconds: Double
}

/// Seconds that a busy machine may add to the time a program needs. What hangs in a test hangs for longer.
package let busyMachine = 20.0

/// Waits until a condition holds; false if it still does not after `seconds`.
package func waitUntil(seconds: Double = busyMachine, _ condition: () throws -> Bool) rethrows -> Bool {
    let end = Date().addingTimeInterval(seconds)
    while Date() < end {
        if try condition() { return true }
        usleep(20_000)
    }
    return try condition()
}

/// Runs a program to its end, with nothing of this machine's own settings in its environment.
@discardableResult
package func run(
    program: String = Build.plimsoll, _ arguments: [String], environment: [String: String] = [:], input: String = ""
) throws -> ProgramResult {
    let files = try Scratch()
    defer { files.remove() }
    let (outPath, errPath, inPath) = (files.path("out"), files.path("err"), files.path("in"))
    for path in [outPath, errPath] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
    try input.write(toFile: inPath, atomically: false, encoding: .utf8)
    let began = Date()
    let process = try launch(
        program: program, arguments,
        environment: ["PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"].merging(environment) { $1 },
        input: FileHandle(forReadingAtPath: inPath), output: FileHandle(forWritingAtPath: outPath),
        errors: FileHandle(forWritingAtPath: errPath))
    process.waitUntilExit()
    let code = process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0)
    return ProgramResult(
        output: try String(contentsOfFile: outPath, encoding: .utf8),
        errors: try String(contentsOfFile: errPath, encoding: .utf8), code: code, seconds: -began.timeIntervalSinceNow)
}

/// Starts a program, and does not wait for its end.
///
/// - Parameters:
///   - environment: nil for that of the tests.
///   - input: a `FileHandle` or `Pipe`, as `output` and `errors`; nil for that of the tests.
package func launch(
    program: String = Build.plimsoll, _ arguments: [String], environment: [String: String]? = nil, input: Any? = nil,
    output: Any? = nil, errors: Any? = nil
) throws -> Process {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    if let environment { process.environment = environment }
    if let input { process.standardInput = input }
    if let output { process.standardOutput = output }
    if let errors { process.standardError = errors }
    try process.runUnmasked()
    return process
}

extension Process {
    /// Tests run on threads of Dispatch, which hold every signal back, and a program inherits that.
    fileprivate func runUnmasked() throws {
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try run()
    }
}

/// A folder that goes away.
package struct Scratch: Sendable {
    package let url: URL

    package init() throws {
        // Short, because the path of a socket has 107 bytes.
        url = URL(filePath: "/tmp/plimsoll-test-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    package func path(_ name: String) -> String { url.appending(path: name).path }

    package func write(_ text: String, to name: String) throws {
        let file = url.appending(path: name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: false, encoding: .utf8)
    }

    package func remove() {
        try? FileManager.default.removeItem(at: url)
    }
}

package struct Unexpected: Error, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}
