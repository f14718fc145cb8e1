import Ledger
import Testing

@testable import HostFS

struct ParserTests {
    @Test("A process's name may hold anything, brackets too")
    func stat() {
        let rest = "1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 421337 0 0"
        #expect(ProcessStat("42 (a) b) (c)) S \(rest)\n")?.name == "a) b) (c)")
        #expect(ProcessStat("42 (a) b) (c)) S \(rest)\n")?.startTick == 421337)
        #expect(ProcessStat("42 (x) Z \(rest)")?.isDead == true)
        #expect(ProcessStat("42 (x) R \(rest)")?.isDead == false)
    }

    @Test(
        "What is no stat is not understood", arguments: ["", "42", "42 (x", "42 (x) S 1 2", "42 x) ( S", "42 (x) S"])
    func noStat(_ text: String) {
        #expect(ProcessStat(text) == nil)
    }

    @Test("The effective user counts, and the PIDs of all namespaces")
    func status() {
        let status = ProcessStatus("Name:\tx\nPid:\t9\nUid:\t1000\t0\t1000\t1000\nNSpid:\t9\t3\t1\n")
        #expect(status.effectiveUser == 0)
        #expect(status.namespacePIDs == [9, 3, 1])
        #expect(ProcessStatus("Pid:\t9\n").namespacePIDs == [9])
        #expect(ProcessStatus("").effectiveUser == nil)
    }

    @Test(
        "Uptime is read in ticks",
        arguments: [
            ("100000.25 1.00\n", 10_000_025), ("0.00 0.00", 0), ("5.5 1", 550), ("7 1", 700), ("", nil), ("x 1", nil),
            ("-1.00 1", nil), ("1.2.3 1", nil), ("99999999999999999999.00 1", nil),
        ] as [(String, Int64?)])
    func uptime(_ text: String, _ ticks: Int64?) {
        #expect(uptimeTicks(text, ticksPerSecond: 100) == ticks)
    }

    @Test(
        "A RAM limit is a number or none",
        arguments: [
            ("max\n", .unlimited), ("2147483648\n", .amount(2_147_483_648)),
            ("9223372036854771712\n", .unlimited), ("9223372036854710272\n", .unlimited), ("0\n", .amount(0)),
            ("", nil), ("rubbish", nil), ("-1", nil),
        ] as [(String, Limit<UInt64>?)])
    func limits(_ text: String, _ expected: Limit<UInt64>?) {
        #expect(ramLimit(text) == expected)
    }

    @Test(
        "hidepid is seen in the mount table under each of its names",
        arguments: [
            ("proc /proc proc rw,relatime,hidepid=2 0 0", true), ("proc /proc proc rw,hidepid=invisible 0 0", true),
            ("proc /proc proc rw,relatime,hidepid=ptraceable 0 0", true), ("proc /proc proc rw,hidepid=0 0 0", false),
            ("proc /proc proc rw,hidepid=off 0 0", false), ("proc /proc proc rw 0 0", false),
            ("tmpfs /tmp tmpfs rw,hidepid=2 0 0", false), ("", false),
            // The mark belongs to the slash, for Swift and not for the kernel.
            ("proc /x\u{600}/proc proc rw,hidepid=2 0 0", true),
        ])
    func hidepid(_ mounts: String, _ expected: Bool) {
        #expect(mountsHideProcesses(mounts) == expected)
    }

    @Test(
        "A path has the names that the kernel sees, whatever characters stand beside a slash",
        arguments: [
            ("/a//b/", ["a", "b"]), ("t1/\u{301}x", ["t1", "\u{301}x"]), ("\u{600}/../x", ["\u{600}", "..", "x"]),
            ("/\u{301}x", ["\u{301}x"]), ("", []), ("/", []),
        ])
    func pathNames(_ path: String, _ names: [String]) {
        #expect(path.pathNames.map { Array($0.utf8) } == names.map { Array($0.utf8) })
        #expect(path.isAbsolutePath == (path.utf8.first == 47))
        #expect("\(path)\u{600}/".endsWithSlash)
    }

    @Test("Of the mount table those lines are kept that can name our container")
    func ownMounts() {
        let table = """
            0 0 0:1 / / rw - overlay x upperdir=/a\r
            1 2 254:0 /lib/docker/containers/ID/hostname /etc/hostname rw - ext4 /dev/vda rw
            2 2 254:0 /a/b /data rw - ext4 /dev/vda rw
            3 2 0:47 /overlay-containers/ID/userdata/.containerenv /run/.containerenv rw - tmpfs x rw
            4 2 0:48 / /run/secrets/kubernetes.io/serviceaccount ro - tmpfs x rw
            5 2 0:48 / /run/secretservice ro - tmpfs x rw
            6
            """
        #expect(
            HostFS.ownMounts(mountinfo: table) == [
                OwnMount(root: "/", point: "/"),
                OwnMount(root: "/lib/docker/containers/ID/hostname", point: "/etc/hostname"),
                OwnMount(root: "/overlay-containers/ID/userdata/.containerenv", point: "/run/.containerenv"),
                OwnMount(root: "/", point: "/run/secrets/kubernetes.io/serviceaccount"),
            ])
    }

    @Test("Boot time, namespaces and command lines")
    func others() {
        #expect(bootTime("cpu 1 2\nbtime 1793491200\n") == 1_793_491_200)
        #expect(bootTime("cpu 1 2\n") == nil)
        #expect(namespaceInode("pid:[4026531836]") == 4_026_531_836)
        #expect(namespaceInode("pid:") == nil)
        #expect(commandLine("python3\0train.py\0--x\0") == "python3 train.py --x")
    }
}
