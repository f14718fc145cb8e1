import Foundation
import TestSupport
import Testing

@Suite("Files that plimsoll writes are those that the user named, whole, and with the right owner")
struct OutputFileTests {
    // MARK: Mode and owner

    @Test("A new recording is for its owner alone; a new report follows the umask", arguments: Caller.possible)
    func newFiles(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        let script = """
            umask 0; capture \(folder.path("own/open.json")); umask 027; capture \(folder.path("own/shut.json"))
            \(Build.plimsoll) run --quiet --report \(folder.path("own/report.json")) -- true
            """
        #expect(try caller.shell(script).code == 0)
        #expect(folder.mode("own/open.json") == 0o600)
        #expect(folder.mode("own/shut.json") == 0o600)
        #expect(folder.mode("own/report.json") == 0o640)
        #expect(folder.status("own/report.json").st_uid == caller.uid)
    }

    @Test(
        "Root keeps the mode and the owner of a user's file", .enabled(if: getuid() == 0, "\(lacksOtherUsers)"))
    func ownerKept() throws {
        let folder = try OutputFolder(.user)
        try folder.file("own/x.json", mode: 0o4751)
        let first = folder.status("own/x.json").st_ino
        #expect(try Caller.root.capture(folder.path("own/x.json")).code == 0)
        #expect(try folder.isRecording("own/x.json"))
        #expect(folder.status("own/x.json").st_uid == Caller.user.uid)
        #expect(folder.status("own/x.json").st_gid == Caller.user.uid)
        // As the kernel does, the set-user-ID bit is dropped when the file is written.
        #expect(folder.mode("own/x.json") == 0o751)
        #expect(folder.status("own/x.json").st_ino != first, "replaced, so that a full disk does no harm")
    }

    @Test("A file of our own keeps its mode too", arguments: Caller.possible)
    func modeKept(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        try folder.file("own/x.json", mode: 0o660)
        #expect(try caller.capture(folder.path("own/x.json")).code == 0)
        #expect(try folder.isRecording("own/x.json"))
        #expect(folder.mode("own/x.json") == 0o660)
    }

    @Test(
        "A file whose owner we cannot restore is written in place, if we may write it",
        .enabled(if: getuid() == 0, "\(lacksOtherUsers)"))
    func inPlaceForOwner() throws {
        let folder = try OutputFolder(.user)
        try folder.file("own/x.json", String(repeating: "long\n", count: 50_000), owner: 0, mode: 0o666)
        let first = folder.status("own/x.json").st_ino
        #expect(try Caller.user.capture(folder.path("own/x.json")).code == 0)
        #expect(try folder.isRecording("own/x.json"))
        #expect(folder.status("own/x.json").st_ino == first)
        #expect(folder.status("own/x.json").st_uid == 0)
        chmod(folder.path("own/x.json"), 0o644)
        let result = try Caller.user.capture(folder.path("own/x.json"))
        #expect(result.code == 2)
        #expect(result.errors == "plimsoll: cannot write \(folder.path("own/x.json")): Permission denied\n")
        #expect(try folder.names("own") == ["x.json"])
    }

    @Test("In a folder that is not ours a file of ours is written in place, unless it has another name too")
    func inPlaceForFolder() throws {
        let folder = try OutputFolder(.user)
        try folder.file("closed/x.json")
        try folder.file("closed/linked.json", "precious")
        link(folder.path("closed/linked.json"), folder.path("own/precious"))
        chmod(folder.path("closed"), 0o555)
        #expect(try Caller.user.capture(folder.path("closed/x.json")).code == 0)
        #expect(try folder.isRecording("closed/x.json"))
        let result = try Caller.user.capture(folder.path("closed/linked.json"))
        #expect(result.code == 2)
        #expect(result.errors.contains("the file has other names too (hard links); choose another name"))
        #expect(try folder.text("own/precious") == "precious")
        #expect(try Caller.user.capture(folder.path("closed/new.json")).errors.contains("Permission denied"))
    }

    @Test("Another name of the file keeps what it has", arguments: Caller.possible)
    func hardLink(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        try folder.file("own/precious", "precious")
        link(folder.path("own/precious"), folder.path("own/x.json"))
        #expect(try caller.capture(folder.path("own/x.json")).code == 0)
        #expect(try folder.text("own/precious") == "precious")
        #expect(try folder.isRecording("own/x.json"))
    }

    @Test(
        "A file that is mounted by itself, as into a container, is written in place",
        .enabled(if: getuid() == 0, "only root may mount"))
    func mountedFile() throws {
        let folder = try OutputFolder(.root)
        try folder.file("own/outside.json")
        try folder.file("own/inside.json", "")
        let (outside, inside) = (folder.path("own/outside.json"), folder.path("own/inside.json"))
        let result = try run(
            program: "/usr/bin/unshare",
            ["--mount", "sh", "-c", "mount --bind \(outside) \(inside) && exec \"$@\"", "sh", Build.plimsoll]
                + ["run", "--quiet", "--report", inside, "--", "true"])
        #expect(result.code == 0, "\(result.errors)")
        #expect(try folder.text("own/outside.json").contains("exitCode"))
        #expect(try folder.names("own") == ["inside.json", "outside.json"])
    }

    // MARK: Full disks

    @Test(
        "A full disk does no harm to the file before, replaced or written in place, and leaves nothing",
        .enabled(if: getuid() == 0, "only root may mount a small file system"))
    func fullDisk() throws {
        let folder = try OutputFolder(.user)
        let script = """
            mount -t tmpfs -o size=16k,mode=755 none \(folder.path("own")) && cd \(folder.path("own")) || exit 9
            echo old > mine.json
            echo old > theirs.json && chown 65534:65534 theirs.json && mkdir new && chown 65534 new
            capture() { setpriv --reuid=$1 --clear-groups \(Build.plimsoll) capture $2 --replay \
            \(Build.package.path)/samples/server.json; echo "$? $(ls -A | tr '\\n' ' ')$(cat mine.json theirs.json)"; }
            capture 0 mine.json; capture 65534 theirs.json; capture 65534 new/x.json; ls -A new
            """
        let result = try run(program: "/usr/bin/unshare", ["--mount", "sh", "-c", script])
        #expect(result.code == 0)
        #expect(result.output == String(repeating: "2 mine.json new theirs.json old\nold\n", count: 3))
        #expect(result.errors.components(separatedBy: "No space left on device").count == 4)
    }

    @Test("A limit on the size of files is told like a full disk", arguments: Caller.possible)
    func fileSizeLimit(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        try folder.file("own/x.json")
        let result = try caller.shell("ulimit -f 1; capture \(folder.path("own/x.json"))")
        #expect(result.code == 2)
        #expect(result.errors.contains("x.json: File too large"))
        #expect(try folder.text("own/x.json") == "old")
        #expect(try folder.names("own") == ["x.json"])
    }

    // MARK: Names

    @Test("What an earlier run left beside the file blocks no later one", arguments: Caller.possible)
    func leftovers(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        let exec = "exec \(Build.plimsoll) capture x.json --replay \(Build.package.path)/samples/workstation.json"
        for leftover in ["mkdir x.json.partial-$$", "touch x.json.partial-$$", "ln -s / x.json.partial-$$"] {
            let result = try caller.run("/bin/sh", ["-c", "cd \(folder.path("own")); \(leftover); \(exec)"])
            #expect(result.code == 0, "\(result.errors)")
        }
        // As long as a name may be.
        let name = "own/" + String(repeating: "x", count: 250) + ".json"
        #expect(try caller.capture(folder.path(name)).code == 0)
        #expect(try folder.isRecording(name))
    }

    @Test("Before its command starts, run has looked at its reports and left nothing beside them")
    func nothingLeft() throws {
        let folder = try OutputFolder(.user)
        try folder.file("own/old.json")
        let reports = ["--report", folder.path("own/old.json"), "--report", folder.path("own/new.svg")]
        let result = try Caller.user.run(
            Build.plimsoll, ["run", "--quiet"] + reports + ["--", "ls", "-A", folder.path("own")])
        #expect(result.output == "old.json\n")
        #expect(try folder.names("own") == ["new.svg", "old.json"])
    }

    @Test("Folders and sockets are refused, each by its kind; run starts no command then", arguments: Caller.possible)
    func refusedKinds(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        let socket = try StubEngine(folder.path("socket.json"), .answer("[]"))
        mkdir(folder.path("folder.json"), 0o755)
        for (path, reason) in [
            (socket.path, "it is a socket"), (folder.path("folder.json"), "it is a folder"),
            (folder.path("own/"), "it is a folder"), ("/", "it is a folder"), (folder.path("own/.."), "it is a folder"),
            ("", "No such file or directory"), ("/nowhere/x.json", "No such file or directory"),
            (socket.path + "/x.json", "Not a directory"),
        ] {
            let result = try caller.capture(path)
            #expect(result.code == 2)
            #expect(result.errors.hasPrefix("plimsoll: cannot write \(path): \(reason)"), "\(result.errors)")
            guard path.hasSuffix(".json") else { continue }
            let command = try caller.run(Build.plimsoll, ["run", "--report", path, "--", "echo", "ran"])
            #expect(command.code == 125)
            #expect(command.errors.contains("cannot write \(path): \(reason)"))
            #expect(command.output == "")
        }
    }

    private static let makesDevices: Bool = {
        guard getuid() == 0, let scratch = try? Scratch() else { return false }
        defer { scratch.remove() }
        return mknod(scratch.path("device"), S_IFBLK | 0o600, 7 << 8 | 250) == 0
    }()

    @Test(
        "A block device is refused, also through a link of our own",
        .enabled(if: makesDevices, "only root may make a device file, and not in every container"))
    func blockDevice() throws {
        let folder = try OutputFolder(.root)
        mknod(folder.path("own/disk"), S_IFBLK | 0o600, 7 << 8 | 250)
        try folder.link("own/link.json", to: "disk")
        for name in ["own/disk", "own/link.json"] {
            let result = try Caller.root.capture(folder.path(name))
            #expect(result.code == 2)
            #expect(result.errors.contains("\(folder.path(name)): it is a block device; choose another name"))
        }
        #expect(folder.status("own/disk").st_mode & S_IFMT == S_IFBLK)
    }

    @Test("A character device is written as it is", arguments: Caller.possible)
    func characterDevice(_ caller: Caller) throws {
        let folder = try OutputFolder(caller)
        try folder.link("own/full.json", to: "/dev/full")
        #expect(try caller.capture("/dev/null").code == 0)
        let full = try caller.capture(folder.path("own/full.json"))
        #expect(full.code == 2)
        #expect(full.errors.contains("full.json: No space left on device"))
    }
}
