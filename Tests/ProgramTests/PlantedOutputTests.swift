import Foundation
import TestSupport
import Testing

@Suite("Nobody else can make plimsoll write where its user did not mean it to")
struct PlantedOutputTests {
    private let attacker = Caller.attacker

    /// Nothing was written, and run did not start its command.
    private func expectRefusal(_ caller: Caller, _ path: String, _ reason: String) throws {
        let result = try caller.capture(path)
        #expect(result.code == 2)
        #expect(result.errors == "plimsoll: cannot write \(path): \(reason); choose another name\n")
        let command = try caller.run(Build.plimsoll, ["run", "--report", path, "--", "echo", "ran"])
        #expect(command.code == 125)
        #expect(command.errors.contains("cannot write \(path): \(reason)"))
        #expect(command.output == "")
    }

    @Test(
        "A link that another user planted in a folder such as /tmp is refused, and what it leads to stays",
        .enabled(if: getuid() == 0, "\(lacksOtherUsers)"), arguments: Caller.allCases)
    func plantedLink(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        try folder.file("own/precious.json", "precious")
        try folder.link("sticky/x.json", to: folder.path("own/precious.json"), owner: attacker)
        try folder.link("sticky/new.json", to: folder.path("own/new.json"), owner: attacker)
        let reason = "it is a symbolic link of another user (uid \(attacker))"
        try expectRefusal(caller, folder.path("sticky/x.json"), reason)
        try expectRefusal(caller, folder.path("sticky/new.json"), reason)
        // Our own link does not make the other one ours.
        try folder.link("own/way.json", to: folder.path("sticky/x.json"))
        try expectRefusal(
            caller, folder.path("own/way.json"),
            "x.json is a symbolic link of another user (uid \(attacker))")
        #expect(try folder.text("own/precious.json") == "precious")
        #expect(try folder.names("own") == ["precious.json", "way.json"])
        #expect(try folder.names("sticky") == ["new.json", "x.json"])
    }

    @Test(
        "So is a link in a folder of the other user's, wherever that is",
        .enabled(if: getuid() == 0, "\(lacksOtherUsers)"))
    func linkInForeignFolder() throws {
        let folder = try OutputFolder(.user)
        try folder.file("closed/precious.json", "precious", owner: 0)
        try folder.link("own/x.json", to: folder.path("closed/precious.json"))
        try expectRefusal(
            .root, folder.path("own/x.json"), "it is a symbolic link of another user (uid \(Caller.user.uid))")
        #expect(try folder.text("closed/precious.json") == "precious")
    }

    @Test(
        "A link to a folder is refused where everybody may plant it, and followed in a home",
        .enabled(if: getuid() == 0, "\(lacksOtherUsers)"), arguments: Caller.allCases)
    func plantedFolder(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        try folder.link("sticky/reports", to: folder.path("own"), owner: attacker)
        try expectRefusal(
            caller, folder.path("sticky/reports/x.json"),
            "reports is a symbolic link of another user (uid \(attacker))")
        #expect(try folder.names("own") == [])
        // To Swift a slash and a combining mark after it are one character, to the kernel the slash is one.
        let marked = try caller.capture(folder.path("sticky/reports") + "/\u{301}x.json")
        #expect(marked.errors.contains("reports is a symbolic link of another user (uid \(attacker))"))
        #expect(try folder.names("own") == [])
        try folder.link("closed/reports", to: "../own", owner: attacker)
        #expect(try caller.capture(folder.path("closed/reports/x.json")).code == 0)
        #expect(try folder.isRecording("own/x.json"))
    }

    @Test(
        "A second name of root's own link is refused where everybody may give it one",
        .enabled(if: getuid() == 0, "\(lacksOtherUsers)"), arguments: Caller.allCases)
    func hardLinkedLink(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        try folder.file("own/precious.json", "precious")
        try folder.link("closed/way", to: folder.path("own/precious.json"), owner: 0)
        #expect(linkat(AT_FDCWD, folder.path("closed/way"), AT_FDCWD, folder.path("sticky/x.json"), 0) == 0)
        try expectRefusal(caller, folder.path("sticky/x.json"), "it is a symbolic link that has other names too")
        #expect(try folder.text("own/precious.json") == "precious")
    }

    @Test(
        "A file or a pipe that another user put into a folder such as /tmp gets nothing to read",
        .enabled(if: getuid() == 0, "\(lacksOtherUsers)"), arguments: Caller.allCases)
    func plantedFile(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        let reason = "it belongs to another user (uid \(attacker)), in a folder that is open to others"
        try folder.file("sticky/x.json", owner: attacker, mode: 0o666)
        folder.pipe("sticky/pipe.json", owner: attacker)
        try expectRefusal(caller, folder.path("sticky/x.json"), reason)
        try expectRefusal(caller, folder.path("sticky/pipe.json"), reason)
        #expect(try folder.text("sticky/x.json") == "old")
        #expect(folder.status("sticky/pipe.json").st_mode & S_IFMT == S_IFIFO)
        // That of the folder's owner is as good as ours.
        try folder.file("sticky/public.json", owner: 0, mode: 0o666)
        #expect(try caller.capture(folder.path("sticky/public.json")).code == 0)
        #expect(try folder.isRecording("sticky/public.json"))
        #expect(folder.status("sticky/public.json").st_uid == 0)
    }

    @Test(
        "Whoever gives a name in such a folder to a file of ours neither changes it nor reads what we write",
        arguments: Caller.possible)
    func hardLinkedFile(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        try folder.file("own/public.json", "public", mode: 0o644)
        link(folder.path("own/public.json"), folder.path("sticky/x.json"))
        #expect(try caller.capture(folder.path("sticky/x.json")).code == 0)
        #expect(try folder.text("own/public.json") == "public")
        #expect(folder.mode("own/public.json") == 0o644)
        #expect(try folder.isRecording("sticky/x.json"))
        #expect(folder.mode("sticky/x.json") == 0o600)
    }

    @Test("A link of our own stays a link, and what it leads to is written", arguments: Caller.possible)
    func ownLinks(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        try folder.file("own/target.json", mode: 0o640)
        try folder.link("own/second", to: "target.json")
        try folder.link("sticky/x.json", to: folder.path("own/second"))
        #expect(try caller.capture(folder.path("sticky/x.json")).code == 0)
        #expect(try folder.isRecording("own/target.json"))
        #expect(folder.mode("own/target.json") == 0o640)
        for name in ["own/second", "sticky/x.json"] {
            #expect(folder.status(name).st_mode & S_IFMT == S_IFLNK)
        }
        try folder.link("own/dangling", to: "../own/new.json")
        #expect(try caller.capture(folder.path("own/dangling")).code == 0)
        #expect(try folder.isRecording("own/new.json"))
        try folder.link("own/circle", to: "circle")
        #expect(try caller.capture(folder.path("own/circle")).errors.contains("Too many levels of symbolic links"))
    }
}
