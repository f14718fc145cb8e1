import Foundation
import Ledger
import TestSupport
import Testing

@testable import HostFS

struct ProcessTests {
    @Test("A process is read as the kernel shows it")
    func thisProcess() throws {
        let process = try #require(ProcFS(root: "/proc").process(UInt32(getpid())))
        #expect(process.namespacePIDs.contains(UInt32(getpid())))
        #expect(process.startTick > 0)
        #expect(!process.isDead)
        #expect(process.cgroup.value != nil)
    }

    @Test("A PID that nobody has is no process, and none that vanishes while it is read")
    func absent() throws {
        let tree = try HostTree()
        #expect(ProcFS(root: tree.scratch.path("proc")).process(4242) == nil)
        // Its stat was read, and then it was gone.
        try tree.process(4242, "python3", cgroup: "0::/")
        try FileManager.default.removeItem(atPath: tree.scratch.path("proc/4242/cgroup"))
        #expect(ProcFS(root: tree.scratch.path("proc")).process(4242) == nil)
    }

    @Test("Where only the leader is dead, a living thread's cgroup counts")
    func deadLeader() throws {
        let tree = try HostTree()
        try tree.process(4242, "python3", cgroup: "4:memory:/", state: "Z")
        let stat = "4243 (worker) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100000 0 0"
        try tree.scratch.write(stat, to: "proc/4242/task/4243/stat")
        try tree.scratch.write("4:memory:/docker/x\n", to: "proc/4242/task/4243/cgroup")
        let process = try #require(ProcFS(root: tree.scratch.path("proc")).process(4242))
        #expect(process.cgroup == .known("4:memory:/docker/x\n"))
        #expect(!process.isDead)
    }

    @Test("The folder that a thread has is no process, and names the process that it belongs to")
    func thread() throws {
        let tree = try HostTree()
        try tree.process(5044, "viewer", cgroup: "0::/").process(5072, "viewer:cs0", cgroup: "0::/")
        try tree.scratch.write("Name:\tviewer:cs0\nTgid:\t5044\nPid:\t5072\nNSpid:\t5072\n", to: "proc/5072/status")
        let proc = ProcFS(root: tree.scratch.path("proc"))
        #expect(proc.process(5072) == nil)
        #expect(proc.process(ofThread: 5072) == 5044)
        #expect(proc.process(5044)?.pid == 5044)
        #expect(proc.process(ofThread: 5044) == nil)
        #expect(proc.process(ofThread: 1) == nil)
    }

    @Test("A zombie is told as dead")
    func zombie() throws {
        let tree = try HostTree()
        try tree.process(4242, "python3", cgroup: "4:memory:/", state: "Z")
        #expect(ProcFS(root: tree.scratch.path("proc")).process(4242)?.isDead == true)
    }

    @Test("A tree of files stands for the machine's own /proc; one whose self is another PID does not")
    func views() throws {
        let tree = try HostTree()
        let proc = ProcFS(root: tree.scratch.path("proc"))
        #expect(try proc.view().procIsOwn)
        #expect(try proc.view().inInitialNamespace == nil)
        var view = try proc.view()
        for part in proc.viewParts { part()(&view) }
        #expect(view.bootTime == 1_793_491_200)
        try FileManager.default.createSymbolicLink(
            atPath: tree.scratch.path("proc/self"), withDestinationPath: "999999")
        #expect(try !ProcFS(root: tree.scratch.path("proc")).view().procIsOwn)
        #expect(throws: FileError.self) { try ProcFS(root: "/nowhere").view() }
    }

    @Test("A clock by which we ourselves had not started yet is not the clock of start times")
    func lxcfsUptime() throws {
        let tree = try HostTree(uptime: "50.00 1.00")
        let proc = ProcFS(root: tree.scratch.path("proc"))
        #expect(proc.uptime() == 5000)
        let stat = "9 (plimsoll) R 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 "
        try tree.scratch.write(stat + "4999 0 0", to: "proc/self/stat")
        #expect(proc.uptime() == 5000)
        try tree.scratch.write(stat + "9000000 0 0", to: "proc/self/stat")
        #expect(proc.uptime() == nil)
    }

    @Test("The system's own clock is that of start times")
    func ownClock() throws {
        let uptime = try #require(ProcFS(root: "/proc").uptime())
        let started = try #require(ProcFS(root: "/proc").process(UInt32(getpid()))).startTick
        #expect(started <= uptime)
        #expect(uptime - started < 100 * 3600)
    }

    @Test("A process whose stat may not be understood is there, and tells neither name nor start")
    func rubbishStat() throws {
        let tree = try HostTree()
        try tree.process(4242, "python3", cgroup: "0::/docker/x")
        try tree.scratch.write("rubbish", to: "proc/4242/stat")
        let process = try #require(ProcFS(root: tree.scratch.path("proc")).process(4242))
        #expect(process.cgroup.value == nil)
        #expect(process.startTick == 0)
    }

    @Test("A container's RAM limit is read where its hierarchy keeps it")
    func ramLimits() throws {
        let tree = try HostTree()
        let id = HostTree.id(1)
        try tree.ramLimit("1024", cgroup: "/memory/docker/\(id)/memory.limit_in_bytes")
        try tree.ramLimit("max", cgroup: "/system.slice/docker-\(id).scope/memory.max")
        let cgroups = CgroupFS(sysfs: tree.scratch.path("sys"))
        func limit(_ hierarchy: String, _ path: String) -> Reading<Limit<UInt64>> {
            cgroups.ramLimit(of: CgroupFolder(hierarchy: hierarchy, path: path))
        }
        #expect(limit("memory", "/docker/\(id)") == .known(.amount(1024)))
        #expect(limit("", "/system.slice/docker-\(id).scope") == .known(.unlimited))
        #expect(limit("", "/elsewhere/\(id)").value == nil)
        #expect(limit("name=systemd", "/docker/\(id)").value == nil)
    }

    @Test("Our own limit is found under any name of a cgroup, and never looked for outside")
    func ownLimits() throws {
        let tree = try HostTree()
        try tree.ramLimit("1024", cgroup: "/a/\u{301}b/memory.max")
        try tree.ramLimit("max", cgroup: "/a/memory.max")
        try tree.ramLimit("512", cgroup: "/../outside/memory.max")
        let cgroups = CgroupFS(sysfs: tree.scratch.path("sys"))
        #expect(cgroups.ramLimit(cgroup: "0::/a/\u{301}b\n") == .known(.amount(1024)))
        // A name may end in a carriage return, which is one character with the newline.
        #expect(cgroups.ramLimit(cgroup: "4:cpu:/x\r\n0::/a/\u{301}b\n") == .known(.amount(1024)))
        #expect(cgroups.ramLimit(cgroup: "0::/a/../\u{301}b\n") == .known(.amount(1024)))
        #expect(cgroups.ramLimit(cgroup: "0::/../outside\n").value == nil)
    }
}
