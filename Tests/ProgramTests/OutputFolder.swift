import Foundation
import TestSupport
import Testing

/// A recording that is larger than a page of memory and than the smallest buffer of a pipe.
private let recording = Build.package.appending(path: "samples/server.json").path

/// Who runs plimsoll. The attacker is always another user.
enum Caller: String, CaseIterable, CustomTestStringConvertible {
    case root, user
    static let attacker: uid_t = 65533

    /// Those that these tests can be.
    static var possible: [Caller] { getuid() == 0 ? [.root, .user] : [.user] }

    var uid: uid_t { self == .root ? 0 : getuid() == 0 ? 65534 : getuid() }
    var testDescription: String { "as \(rawValue)" }

    /// A program and its arguments, as they are started for this user.
    func words(_ program: String, _ arguments: [String]) -> [String] {
        let change = ["/usr/bin/setpriv", "--reuid=\(uid)", "--regid=\(uid)", "--clear-groups"]
        return (uid == getuid() ? [] : change) + [program] + arguments
    }

    func run(_ program: String, _ arguments: [String]) throws -> ProgramResult {
        let words = words(program, arguments)
        return try TestSupport.run(program: words[0], Array(words.dropFirst()))
    }

    func captureWords(_ path: String, _ options: [String] = []) -> [String] {
        words(Build.plimsoll, ["capture", path, "--replay", recording] + options)
    }

    func capture(_ path: String, _ options: String...) throws -> ProgramResult {
        let words = captureWords(path, options)
        return try TestSupport.run(program: words[0], Array(words.dropFirst()))
    }

    /// A shell's script, in which `capture` is that of plimsoll.
    func shell(_ script: String) throws -> ProgramResult {
        try run("/bin/sh", ["-c", "capture() { \(Build.plimsoll) capture \"$1\" --replay \(recording); }; \(script)"])
    }
}

let lacksOtherUsers = "only root can make files of other users"

/// A folder for outputs, and in it one that is like /tmp, one of the caller's, and one that only root may change.
struct OutputFolder: ~Copyable {
    let scratch: Scratch
    let caller: Caller

    init(_ caller: Caller) throws {
        scratch = try Scratch()
        self.caller = caller
        for (name, mode) in [("sticky", 0o1777), ("own", 0o755), ("closed", 0o755)] as [(String, mode_t)] {
            mkdir(path(name), mode)
            chmod(path(name), mode)
        }
        if getuid() == 0 { chown(path("own"), caller.uid, caller.uid) }
    }

    deinit {
        chmod(path("closed"), 0o755)
        scratch.remove()
    }

    func path(_ name: String) -> String { scratch.path(name) }

    @discardableResult
    func file(_ name: String, _ text: String = "old", owner: uid_t? = nil, mode: mode_t = 0o644) throws -> String {
        try scratch.write(text, to: name)
        chmod(path(name), mode)
        if getuid() == 0 { lchown(path(name), owner ?? caller.uid, owner ?? caller.uid) }
        return path(name)
    }

    @discardableResult
    func link(_ name: String, to target: String, owner: uid_t? = nil) throws -> String {
        try FileManager.default.createSymbolicLink(atPath: path(name), withDestinationPath: target)
        if getuid() == 0 { lchown(path(name), owner ?? caller.uid, owner ?? caller.uid) }
        return path(name)
    }

    @discardableResult
    func pipe(_ name: String, owner: uid_t? = nil) -> String {
        mkfifo(path(name), 0o666)
        chmod(path(name), 0o666)
        if getuid() == 0 { lchown(path(name), owner ?? caller.uid, owner ?? caller.uid) }
        return path(name)
    }

    func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

    func isRecording(_ name: String) throws -> Bool {
        let text = try text(name)
        return text.contains("plimsollRecording") && text.hasSuffix("}\n")
    }

    func status(_ name: String) -> stat {
        var status = stat()
        lstat(path(name), &status)
        return status
    }

    func mode(_ name: String) -> mode_t { status(name).st_mode & 0o7777 }

    func names(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path(folder)).sorted()
    }
}
