import Foundation
import TestSupport
import Testing

@Suite(
    "What others put into a folder that they may write to is refused, of whatever kind the folder is",
    .enabled(if: getuid() == 0, "\(lacksOtherUsers)"))
struct SharedFolderTests {
    private let attacker = Caller.attacker

    /// With the folder "shared", of root's and of the group that `user` is in.
    private func share(_ folder: borrowing OutputFolder, _ mode: mode_t) {
        mkdir(folder.path("shared"), mode)
        chown(folder.path("shared"), 0, Caller.user.uid)
        chmod(folder.path("shared"), mode)
    }

    /// - Parameter name: may begin with a combining mark, which Foundation would move.
    private func expectRefusal(
        _ caller: Caller, _ folder: borrowing OutputFolder, _ name: String, _ reason: String
    ) throws {
        let path = folder.scratch.url.path + "/" + name
        let shown = String(String.UnicodeScalarView(path.unicodeScalars.map { $0 == "\u{600}" ? "?" : $0 }))
        let result = try caller.capture(path)
        #expect(result.code == 2, "\(name)")
        #expect(result.errors.contains("cannot write \(shown): \(reason)"), "\(result.errors)")
        let command = try caller.run(Build.plimsoll, ["run", "--report", path, "--", "echo", "ran"])
        #expect(command.code == 125, "\(name)")
        #expect(command.output == "", "\(name)")
    }

    @Test(
        "A character that belongs to the slash before or after it hides no folder", arguments: Caller.allCases,
        ["sticky/\u{301}", "sticky\u{600}/"])
    func combiningMarks(_ caller: Caller, _ start: String) throws {
        let folder = try OutputFolder(caller)
        let top = folder.scratch.url.path + "/"
        mkdir(top + "sticky\u{600}", 0o1777)
        chmod(top + "sticky\u{600}", 0o1777)
        try folder.file("own/precious.json", "precious")
        #expect(symlink(folder.path("own/precious.json"), top + start + "link.json") == 0)
        #expect(symlink(folder.path("own"), top + start + "way") == 0)
        #expect(mkfifo(top + start + "pipe.json", 0o666) == 0)
        close(open(top + start + "file.json", O_CREAT | O_WRONLY, 0o666))
        for name in ["link.json", "way", "pipe.json", "file.json"] {
            chmod(top + start + name, 0o666)
            lchown(top + start + name, attacker, attacker)
        }
        chmod(folder.path("own/precious.json"), 0o644)
        let foreign = "it belongs to another user (uid \(attacker))"
        try expectRefusal(caller, folder, start + "file.json", foreign)
        try expectRefusal(caller, folder, start + "pipe.json", foreign)
        try expectRefusal(caller, folder, start + "link.json", "it is a symbolic link of another user")
        let way = start.utf8.last == UInt8(ascii: "/") ? "way" : "\u{301}way"
        try expectRefusal(
            caller, folder, start + "way/\u{301}x.json", "\(way) is a symbolic link of another user (uid \(attacker))")
        #expect(try folder.text("own/precious.json") == "precious")
        #expect(try folder.names("own") == ["precious.json"])
    }

    @Test(
        "Files, pipes and links to folders in a folder of a group or of everybody", arguments: Caller.allCases,
        [0o1770, 0o777, 0o1777, 0o3770])
    func foreignFiles(_ caller: Caller, _ mode: mode_t) throws {
        let folder = try OutputFolder(caller)
        share(folder, mode)
        try folder.file("shared/x.json", owner: attacker, mode: 0o666)
        folder.pipe("shared/pipe.json", owner: attacker)
        try folder.link("shared/way", to: folder.path("own"), owner: attacker)
        let foreign = "it belongs to another user (uid \(attacker)), in a folder that is open to others"
        try expectRefusal(caller, folder, "shared/x.json", foreign)
        try expectRefusal(caller, folder, "shared/pipe.json", foreign)
        try expectRefusal(caller, folder, "shared/way/x.json", "way is a symbolic link of another user")
        #expect(try folder.text("shared/x.json") == "old")
        #expect(try folder.names("own") == [])
    }

    @Test("A colleague's file in a folder of one's group is written in place; root, pipes and links are refused")
    func groupFolder() throws {
        let folder = try OutputFolder(.user)
        share(folder, 0o2775)
        try folder.file("shared/x.json", owner: attacker, mode: 0o664)
        chown(folder.path("shared/x.json"), attacker, Caller.user.uid)
        chmod(folder.path("shared/x.json"), 0o664)
        let foreign = "it belongs to another user (uid \(attacker))"
        try expectRefusal(.root, folder, "shared/x.json", foreign)
        #expect(try folder.text("shared/x.json") == "old")
        #expect(try Caller.user.capture(folder.path("shared/x.json")).code == 0)
        #expect(try folder.isRecording("shared/x.json"))
        #expect(folder.status("shared/x.json").st_uid == attacker)
        folder.pipe("shared/pipe.json", owner: attacker)
        try folder.link("shared/way", to: folder.path("own"), owner: attacker)
        for caller in Caller.allCases {
            try expectRefusal(caller, folder, "shared/pipe.json", foreign)
            try expectRefusal(caller, folder, "shared/way/x.json", "way is a symbolic link of another user")
        }
    }

    @Test("A second name of root's link is refused in a folder of another user too", arguments: Caller.allCases)
    func hardLinkedLink(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        try folder.file("own/precious.json", "precious")
        mkdir(folder.path("theirs"), 0o755)
        chown(folder.path("theirs"), attacker, attacker)
        try folder.link("closed/way", to: folder.path("own/precious.json"), owner: 0)
        #expect(linkat(AT_FDCWD, folder.path("closed/way"), AT_FDCWD, folder.path("theirs/x.json"), 0) == 0)
        try expectRefusal(caller, folder, "theirs/x.json", "it is a symbolic link that has other names too")
        #expect(try folder.text("own/precious.json") == "precious")
    }
}
